#!/bin/bash
# Secrets of the command line and of the configuration file: not in the process list, not in
# messages, not in files that others may read.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
unset "${!AWS_@}"
export AWS_EC2_METADATA_DISABLED=true
soon() { # COMMAND... - waits until it succeeds
    for _ in {1..600}; do
        "$@" && return
        read -r -t 0.05 <> <(:) || true
    done
    problem "it took too long: $*"
}
mkfifo server-lives
python3 "$SOURCE/tests/cli/silent_server.py" port log <server-lives &
server=$!
exec 7>server-lives
soon test -s port
port=$(cat port)

# a command that waits for a server: what others see of it meanwhile
seen_as() { # WANTED ARGUMENT... - WANTED is what stands in the process list instead of ARGUMENT...
    local wanted=$1 pid
    shift
    : >log
    "$MSTORE" "$@" >out 2>err </dev/null 7>&- &
    pid=$!
    soon grep -q connected log
    tr '\0' ' ' <"/proc/$pid/cmdline" | sed 's/^[^ ]* //; s/ $//' >seen
    kill "$pid"
    wait "$pid" 2>/dev/null
    same "the process list" "$(cat seen)" "$wanted"
    ok "no secret" test -z "$(grep -h -e HUN -e TER2 seen out err)"
}
warned() {
    says "warning: a secret on the command line"
    says "use the configuration file or the environment"
    same "one warning" "$(grep -c warning err)" 1
}
place="http://127.0.0.1:$port/bucket/path?region=x"
seen_as "check s3:KEY:xxxxxxxxxxxx@$place" check "s3:KEY:HUN/+%2FTER2@$place"
warned
seen_as "ls --json s3:KEY:xxxxxxxxx@$place" ls --json "s3:KEY:HUN@TER2/@$place"
warned
seen_as "--json info -- s3:KEY:xxxxxxx@$place data/x:y@z" --json info -- "s3:KEY:HUNTER2@$place" data/x:y@z
fresh store
seen_as "copy $url s3:KEY:xxxxxxx@$place" copy "$url" "s3:KEY:HUNTER2@$place"
warned
printf x >value
seen_as "put s3:KEY:xxxxxxx@$place data/a value" put "s3:KEY:HUNTER2@$place" data/a value
warned
seen_as "bench s3:KEY:xxxxxxx@$place" bench "s3:KEY:HUNTER2@$place"
warned
seen_as "get http://me:xxxxxxx@127.0.0.1:$port/x data/a" get "http://me:HUNTER2@127.0.0.1:$port/x" data/a
warned
seen_as "copy https://me:xxxxxxx@127.0.0.1:$port/x http://me:xxxxxxx@127.0.0.1:$port/" \
    copy "https://me:HUNTER2@127.0.0.1:$port/x" "http://me:HUNTER2@127.0.0.1:$port/"
warned
if "$MSTORE" --help | grep -q '^  sftp:'; then
    seen_as "check sftp://me:xxxxxxx@127.0.0.1:$port/x" check "sftp://me:HUNTER2@127.0.0.1:$port/x"
    warned
fi
# from the environment: nothing to see, nothing to warn of
export AWS_ACCESS_KEY_ID=KEY AWS_SECRET_ACCESS_KEY=HUNTER2
seen_as "check s3:$place" check "s3:$place"
same "no warning" "$(grep -c warning err)" 0
unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY

# the configuration file
printf '[store nas]\nurl = s3:KEY:HUNTER2@%s\n' "$place" >config
chmod 600 config
seen_as "check nas" check nas
same "no warning" "$(grep -c warning err)" 0
for mode in 640 604 620 601; do
    chmod $mode config
    expect 1 check nas
    one_line
    says "chmod 600 $T/config"
    says "config:2: "
    ok "no secret" test -z "$(grep HUN out err)"
done
printf '[store nas]\nurl = s3:work@%s\n' "$place" >config
chmod 644 config # nothing secret in it
expect 2 ls nonesuch
says "no store"

# in messages: whatever is wrong with the URL
for bad in "s3:KEY:HUNTER2" "s3:KEY:HUNTER2@bucket" "s3:KEY:a@/HUNTER2@/bucket" "s3:KEY:HUNTER2%zz@/b" \
    "s3:KEY:a?HUNTER2@/bucket" "s3:https://KEY:HUNTER2@h/b" "KEY:HUNTER2@/bucket" "b2:KEY:HUNTER2@/b b" \
    "http://me:9/HUNTER2@h/x" "me:HUNTER2@host" "file:///x?password=HUNTER2" "nas?token=HUNTER2" \
    "nonesuch://me:HUNTER2@h/x"; do
    expect 2 check "$bad"
    ok "no secret of $bad" test -z "$(grep -h HUN out err)"
done
# in statistics
expect 5 check "s3:KEY:HUNTER2@http://127.0.0.1:1/bucket?region=x" --stats saved
ok "no secret" test -z "$(grep -a -h HUN saved out err)"
exec 7>&-
wait "$server"
finish
