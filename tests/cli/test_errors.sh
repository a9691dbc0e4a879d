#!/bin/bash
# Bad input: the exit status, and one sentence that names the thing.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh store
put data/a hello

wrong() { # STATUS TEXT ARGUMENT... - one line that holds TEXT
    local status=$1 text=$2
    shift 2
    expect "$status" "$@" </dev/null
    one_line
    says "$text"
    same "no output with an error" "$(cat "$T/out")" ""
}

# the command line
wrong 2 "no command"
wrong 2 "nonesuch" nonesuch
wrong 2 "missing" ls
wrong 2 "usage: mstore put STORE KEY" put "$url"
wrong 2 "too many" info "$url" a b
wrong 2 "--nonesuch" ls "$url" --nonesuch
wrong 2 "-x" ls -x "$url"
wrong 2 "--limit needs a value" ls "$url" --limit
wrong 2 "takes no value" ls "$url" --long=yes
wrong 2 "--limit" ls "$url" --limit many
wrong 2 "--limit" ls "$url" --limit 0
wrong 2 "--jobs" ls "$url" --jobs 0
wrong 2 "--jobs" ls "$url" --jobs -1
wrong 2 "--jobs" ls "$url" -j
wrong 2 "--offset" get "$url" data/a --offset x
wrong 2 "--offset" get "$url" data/a --offset 99999999999999999999
wrong 2 "--size" get "$url" data/a --size -1
wrong 2 "--size" bench "$url" --size 2TiB
wrong 2 "--older" sweep "$url" --older soon
wrong 3 "missing" sweep "file://$T/missing"
wrong 2 "--count" bench "$url" --count 0
wrong 2 "exclude" ls "$url" --all --deleted
wrong 2 "choose one" rm "$url" data/a --soft --deleted
wrong 2 "exclude" defrag "$url" data --target t --algorithm sha256 a:0:1
wrong 2 "KEY:OFFSET:LENGTH" defrag "$url" data a:1
wrong 2 "KEY:OFFSET:LENGTH" defrag "$url" data :1:2
wrong 2 "LENGTH" defrag "$url" data a:0:x
wrong 2 "come after its name" --long ls "$url"
wrong 2 "nonesuch" help nonesuch

# URLs and names of stores
wrong 2 "nonesuch" ls nonesuch://x
wrong 2 "file" ls file:relative/path
wrong 2 "colour" ls "file://$T/store?colour=red"
wrong 2 "sync" ls "file://$T/store?sync=maybe"
expect 2 ls ""
one_line
wrong 3 "missing" ls "file://$T/missing"
wrong 3 "missing" put "file://$T/missing" data/a
wrong 3 "missing" destroy "file://$T/missing" --yes
ok "nothing was made" test ! -e missing

# keys
for key in "data/Upper" "data/with blank" "data/../x" "../x" "/x" "x/" "data/x.tmp" "data/x.del" \
    "data/x.hid" 'data/back\slash' "" "data/$(printf 'x%.0s' {1..101})" $'data/new\nline'; do
    expect 2 put "$url" "$key" </dev/null
    one_line
done
same "nothing was made" "$("$MSTORE" ls "$url" --all)" data/a

# levels
wrong 2 "levels" ls "$url" --levels data=x
wrong 2 "levels" ls "$url" --levels data=99
wrong 2 "levels" ls "$url" --levels ""

# the configuration
wrong 1 "no/such/file" ls "$url" --config "$T/no/such/file"
printf 'url = x\n' >bad
wrong 1 "bad:1" ls "$url" --config "$T/bad"
printf '[store nas]\nurl = file:///x\ncolour = red\n' >bad
wrong 1 "bad:3" ls nas --config "$T/bad"
printf '[namespace data]\nlevels = many\n' >bad
wrong 1 "bad:2" ls "$url" --config "$T/bad"

# local files
wrong 1 "no-such-file" put "$url" data/x no-such-file
wrong 1 "is a folder" put "$url" data/x "$T"
wrong 1 "no-such-folder" get "$url" data/a no-such-folder/file
wrong 1 "is a folder" get "$url" data/a "$T"
wrong 1 "no-such-folder" put-tree "$url" photos no-such-folder
wrong 3 "holds no tree" get-tree "$url" photos tree
expect 1 ls "$url" --stats "$T/no/such/folder/file"
says "statistics"

# standard output is full
"$MSTORE" ls "$url" >/dev/full 2>err
same "full standard output" "$?" 1
says "standard output"
"$MSTORE" get "$url" data/a >/dev/full 2>err
same "full standard output" "$?" 1
says "No space left"
"$MSTORE" check "$url" >/dev/full 2>err
same "full standard output" "$?" 1
says "No space left"

# "--" ends options; a key may look like one
expect 0 put "$url" -- -odd </dev/null
expect 0 info "$url" -- -odd
expect 0 rm -- "$url" -odd
# options anywhere
expect 0 --json ls --prefix=data/ "$url" -j2 data -v
prints '"key":"data/a"'
finish
