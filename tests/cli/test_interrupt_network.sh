#!/bin/bash
# Ctrl-C in the middle of a put over a network: it ends soon, nothing half is to be seen and nothing
# lies about; what a killed put leaves is removed by `mstore sweep`. Servers of tests/servers/ come
# from the environment.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
: "${REST_PEER:?is the path of the REST server of the tests}"
unset "${!AWS_@}" "${!BORGSTORE_@}"
own=interrupt-${T##*.}
chmod 600 config
mkfifo hold
{ # a value that does not end
    head -c 12000000 /dev/zero
    exec sleep 1000
} >hold &
holder=$!
end_holder() { kill "$holder" 2>/dev/null; }
trap 'end_holder; chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT

below() { # URL OPTION - a store of its own there
    local path=${1%%\?*} options=
    [ "$path" = "$1" ] || options="${1#*\?}&"
    echo "$path/$own?$options$2"
}
interrupt() { # SIGNAL CONDITION ARGUMENT... - the status it ended with is in $status
    local signal=$1 condition=$2 begin=$SECONDS
    shift 2
    status=$(python3 "$SOURCE/tests/cli/interrupt.py" "$signal" "$condition" "$MSTORE" "$@" 2>err | tail -n 1)
    ok "$* ends soon, not after $((SECONDS - begin)) s" test $((SECONDS - begin)) -lt $((20 * ${SLOWER:-1}))
}
refill() { # the last reader took what there was
    end_holder
    wait "$holder" 2>/dev/null
    {
        head -c 12000000 /dev/zero
        exec sleep 1000
    } >hold &
    holder=$!
}
nothing_half() { # STORE - nothing to be seen, and nothing lies about
    expect 0 ls "$1" --all
    same "$1: nothing half" "$(cat out)" ""
    expect 0 sweep "$1" --older 0s --json
    same "$1: nothing lies about" "$(json 'd["removed"]')" 0
}
held_put() { # STORE CONDITION - true when something of a value has arrived there
    for signal in INT TERM; do
        interrupt $signal "$2" put "$1" data/held hold
        same "$1: status" "$status" 130
        says interrupted
        one_line
        nothing_half "$1"
        refill
    done
    interrupt KILL "$2" put "$1" data/held hold
    same "$1: killed" "$status" -9
    refill
    expect 0 ls "$1" --all
    same "$1: nothing half" "$(cat out)" ""
    ok "$1: it left something" sh -c "$2"
    expect 0 sweep "$1"
    same "$1: it may be another's" "$(cat out)" "0 removed"
    expect 0 sweep "$1" --older 0s
    same "$1: swept" "$(cat out)" "1 removed"
    ok "$1: nothing left" sh -c "! { $2; }"
    printf x | "$MSTORE" put "$1" data/held - || problem "$1: the next put"
    expect 0 get "$1" data/held
    same "$1: the next put" "$(cat out)" x
    expect 0 destroy "$1" --yes
}

# REST: the value is collected first, then sent
stalled_put() { # STORE
    interrupt INT "grep -q '^POST .*/held' '$T/$1.log'" put "$1" data/held value
    same "$1: status" "$status" 130
    says interrupted
    one_line
    expect 3 info "$1" data/held
    "$MSTORE" put "$1" data/held value || problem "$1: the next put"
    expect 0 get "$1" data/held back
    same_file "$1" value back
}
mkdir served
noise 3000000 1 >value
peer() { # NAME - what serves it; the first value never gets an answer
    echo "exec '$REST_PEER' --backend 'FILE:$T/served/$1' --state '$T/$1.state' --log '$T/$1.log' --fault 'stall:1@/data/held'"
}
sh -c "$(peer http) --port 0" >rest-port &
server=$!
until [ -s rest-port ]; do read -r -t 0.05 <> <(:) || true; done
printf '#!/bin/sh\necho $$ >%s/child-pid\n%s --stdio\n' "$T" "$(peer stdio)" >child
chmod 755 child
export MSTORE_REST_SERVER=$T/child
printf '[store http]\nurl = http://127.0.0.1:%s/\n[store stdio]\nurl = rest:///x\n' "$(cat rest-port)" >>config
for name in http stdio; do
    expect 0 create $name
    stalled_put $name
done
ok "no child lives on" sh -c "! kill -0 $(cat child-pid) 2>/dev/null"
kill "$server"

if [ -n "${MS_TEST_SFTP_URL:-}" ]; then
    printf '[store sftp]\nurl = %s\n' "$(below "$MS_TEST_SFTP_URL" connections=2)" >>config
    expect 0 create sftp
    held_put sftp "find '$MS_TEST_SFTP_ROOT/$own' -name '*.tmp' -size +1000k | grep -q ."
fi
if [ -n "${MS_TEST_S3_URL:-}" ]; then
    printf '[store s3]\nurl = %s\n' "$(below "$MS_TEST_S3_URL" part_size=5MiB)" >>config
    expect 0 create s3
    held_put s3 "s3cmd -c '$MS_TEST_S3_S3CMD' multipart 's3://$MS_TEST_S3_BUCKET' | grep -q '$own/'"
fi
if [ "$failures" = 0 ] && [ -z "${MS_TEST_SFTP_URL:-}" ]; then
    echo "$checks checks, 0 failures; no servers for the rest: see tests/servers/"
    exit 77
fi
finish
