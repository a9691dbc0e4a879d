#!/bin/bash
# Every command once, in the forms that are fixed, with its results and exit statuses.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"

url="file://$T/store"
expect 3 ls "$url"
says "mstore: ls: "
expect 0 create "$url"
silent
put data/a "first"
expect 4 create "$url"
one_line

# put and get
echo second >b.txt
expect 0 put "$url" data/b b.txt
silent
expect 0 get "$url" data/b
same "what came back" "$(cat out)" second
expect 0 get "$url" data/b -
same "what came back" "$(cat out)" second
expect 0 get "$url" data/b back.txt
same_file "file" b.txt back.txt
expect 0 get "$url" data/a --offset 1 --size 3
same "range" "$(cat out)" irs
expect 0 get "$url" data/a --offset -2
same "from the end" "$(cat out)" st
expect 0 get "$url" data/a --offset=-3 --size=2
same "from the end" "$(cat out)" rs
expect 0 put "$url" data/new --if-absent b.txt
expect 4 put "$url" data/new --if-absent b.txt
one_line
says data/new
expect 0 put "$url" data/b - --json <b.txt
json_ok
same "size" "$(json 'd["size"]')" 7

# ls
expect 0 ls "$url"
same "all" "$(tr '\n' ' ' <out)" "data/a data/b data/new "
expect 0 ls "$url" data
same "one namespace" "$(tr '\n' ' ' <out)" "data/a data/b data/new "
expect 0 ls "$url" data --long
ok "long line" grep -qE '^- +5 +[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z data/a$' out
expect 0 ls "$url" data --json
json_ok --json-lines
expect 0 ls "$url" elsewhere
same "an unused namespace" "$(cat out)" ""

# info
expect 0 info "$url" data/a
prints "size      5"
expect 0 info "$url" data/a --json
json_ok
same "size" "$(json 'd["size"]')" 5
expect 3 info "$url" data/none
one_line
says "data/none"

# rm, undelete
expect 0 rm "$url" data/a --soft
silent
expect 3 get "$url" data/a
says data/a
expect 3 info "$url" data/a
expect 0 info "$url" data/a --deleted
expect 0 get "$url" data/a --deleted
same "soft-deleted content" "$(cat out)" first
expect 0 ls "$url" --deleted
same "soft-deleted" "$(cat out)" data/a
expect 0 ls "$url" data --all --long
ok "marked" grep -q '^D .* data/a$' out
expect 0 undelete "$url" data/a
expect 0 get "$url" data/a
same "back" "$(cat out)" first
expect 3 undelete "$url" data/a
expect 0 rm "$url" data/a --soft
put data/a "again"
expect 4 undelete "$url" data/a
expect 0 rm "$url" data/a --deleted
expect 3 undelete "$url" data/a
expect 3 rm "$url" data/none
one_line
expect 3 rm "$url" data/none data/new data/none2
says data/none
says data/none2
says "2 of 3 items failed"
expect 3 info "$url" data/new

# mv
expect 0 mv "$url" data/b other/c
expect 0 get "$url" other/c
same "moved" "$(cat out)" second
expect 3 mv "$url" data/b data/d
expect 0 mv "$url" other/c data/b

# hash
expect 0 hash "$url" data/b
same "sha256" "$(cat out)" "$(sha256sum <b.txt | cut -d' ' -f1)"
expect 0 hash "$url" data/b --algorithm md5
same "md5" "$(cat out)" "$(md5sum <b.txt | cut -d' ' -f1)"
expect 0 hash "$url" data/b --algorithm sha512 --json
json_ok
same "sha512" "$(json 'd["hash"]')" "$(sha512sum <b.txt | cut -d' ' -f1)"
expect 2 hash "$url" data/b --algorithm nonesuch
says nonesuch
expect 3 hash "$url" data/none

# defrag
expect 0 defrag "$url" data a:0:3 b:3:3
key=$(cat out)
same "named by its digest" "$key" "data/$(printf agaond | sha256sum | cut -d' ' -f1)"
expect 0 get "$url" "$key"
same "joined" "$(cat out)" agaond
expect 0 defrag "$url" data --target joined a:1:2 b:0:1 --json
json_ok
same "named" "$(json 'd["key"]')" data/joined
expect 0 get "$url" data/joined
same "joined" "$(cat out)" gas
expect 1 defrag "$url" data --target short a:3:100
expect 3 info "$url" data/short
expect 3 defrag "$url" data none:0:1

# du
expect 0 du "$url"
ok "namespace" grep -qE '^ +4 +[0-9]+ +0 +0  data$' out
expect 0 rm "$url" data/b --soft
expect 0 du "$url" --json
json_ok
same "items" "$(json 'd["total"]["items"]')" 3
same "soft-deleted" "$(json '[n["deleted_items"] for n in d["namespaces"]]')" "[1]"
expect 0 du "$url" data
ok "namespace" grep -qE '^ +3 +.* 1 +7  data$' out

# help, version
expect 0 --help
prints "Exit status:"
expect 0 --version
ok "version" grep -qE '^mstore [0-9]+\.[0-9]+\.[0-9]+$' out
"$MSTORE" --help | sed -n '/^Commands:/,/^$/p' | awk '/^  /{print $1}' >commands
same "commands" "$(tr '\n' ' ' <commands)" "create destroy ls put get info rm undelete mv hash \
defrag copy du check status plan scrub heal rebalance add drain replace sweep bench serve passwd stats put-tree get-tree help "
while read -r command; do
    expect 0 "$command" --help </dev/null
    prints "usage: mstore $command"
    prints "Examples:"
    cp out help.txt
    expect 0 help "$command" </dev/null
    same_file "help $command" out help.txt
done <commands

# destroy
expect 2 destroy "$url"
says "--yes"
ok "still there" test -d store
expect 0 destroy "$url" --yes
ok "gone" test ! -e store
expect 3 destroy "$url" --yes
finish
