#!/bin/bash
# ls and du: order, going on, nesting, odd names, closed pipes.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh store
"$MSTORE" --help >/dev/null
mkdir tree
for i in $(seq -w 1 40); do echo "$i" >"tree/$i"; done
for i in $(seq -w 1 40); do put "data/key$i" "$i"; done
put rootkey x
put other/x y

expect 0 ls "$url"
same "sorted" "$(cat out)" "$(LC_ALL=C sort out)"
same "count" "$(wc -l <out)" 42
expect 0 ls "$url" data --limit 3
same "limit" "$(tr '\n' ' ' <out)" "data/key01 data/key02 data/key03 "
last=$(tail -n 1 out)
expect 0 ls "$url" data --limit 2 --start-after "$last"
same "going on" "$(tr '\n' ' ' <out)" "data/key04 data/key05 "
expect 0 ls "$url" data --limit 2 --start-after key04
same "going on, by key" "$(tr '\n' ' ' <out)" "data/key05 data/key06 "
expect 0 ls "$url" data --prefix key1 --limit 2
same "prefix" "$(tr '\n' ' ' <out)" "data/key10 data/key11 "
expect 0 ls "$url" data --prefix data/key4
same "prefix" "$(tr '\n' ' ' <out)" "data/key40 "
expect 0 ls "$url" --prefix data/key4
same "prefix in the root" "$(tr '\n' ' ' <out)" "data/key40 "
# walking a listing page by page gives the listing
: >pages
after=
while :; do
    "$MSTORE" ls "$url" --limit 7 --start-after "$after" >page
    [ -s page ] || break
    cat page >>pages
    after=$(tail -n 1 page)
done
expect 0 ls "$url"
same_file "pages" out pages
# what is printed can be fed back
"$MSTORE" ls "$url" data --limit 5 | xargs -n 1 "$MSTORE" get "$url" | tr -d '\n' >fed
same "fed back" "$(cat fed)" 0102030405

# a closed pipe ends quietly
{
    "$MSTORE" ls "$url" 2>err
    echo $? >status
} | head -n 1 >/dev/null
same "quiet" "$(cat err)" ""
(
    "$MSTORE" get "$url" data/key01 2>err
    echo $? >status
) | true
same "quiet" "$(cat err)" ""

# levels: the same store looks otherwise with others, and ls says so
fresh nested
for i in aabbcc aabbdd ffeedd; do
    echo $i | "$MSTORE" put "$url" --levels data=2 "data/$i"
done
ok "nested" test -f nested/data/aa/bb/aabbcc
expect 0 ls "$url" --levels data=2
same "nested" "$(tr '\n' ' ' <out)" "data/aabbcc data/aabbdd data/ffeedd "
silent
expect 0 ls "$url" data --levels=data=0,2
same "both levels" "$(tr '\n' ' ' <out)" "data/aabbcc data/aabbdd data/ffeedd "
expect 3 get "$url" data/aabbcc
expect 0 get "$url" data/aabbcc --levels data=2
same "nested" "$(cat out)" aabbcc

# names of all kinds, shown safely on a terminal, raw in a pipe
printf '[store odd]\nurl = file://%s/odd?sync=none\n[namespace odd]\nnames = bytes\n' "$T" >config
expect 0 create odd
name=$(printf 'odd/tab\there \\ \033[31mred \303\244 \377')
echo odd | "$MSTORE" put odd "$name"
expect 0 ls odd
same "raw" "$(cat out)" "$name"
expect 0 ls odd odd --json
json_ok --json-lines
expect 0 get odd "$name"
same "odd name" "$(cat out)" odd
script -qec "'$MSTORE' ls odd" /dev/null </dev/null >typescript 2>&1
ok "escaped" grep -qF 'odd/tab\x09here \x5c \x1b[31mred \xc3\xa4 \xff' typescript
ok "no escape sequence" test "$(grep -c $'\033\[31m' typescript)" = 0
expect 0 info odd "$name" --json
json_ok

# du sums up
expect 0 du "file://$T/store" --json
json_ok
same "namespaces" "$(json '{n["namespace"]: (n["items"], n["bytes"]) for n in d["namespaces"]} ==
    {"": (1, 1), "data": (40, 80), "other": (1, 1)}')" True
same "total" "$(json 'd["total"]["items"]')" 42
expect 0 du "file://$T/store"
ok "total" grep -qE '^ +42 +82 +0 +0  total$' out
finish
