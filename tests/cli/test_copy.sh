#!/bin/bash
# copy: everything arrives, soft-deleted too; only what is missing or differs is copied.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh src
src=$url
fresh dst
dst=$url
url=$src
for i in 01 02 03 04 05 06 07 08 09 10; do put "data/item$i" "content $i"; done
put root "in the root"
put gone "soft-deleted"
put gone2 "soft-deleted and live again: old"
"$MSTORE" rm "$src" --soft gone gone2
put gone2 "live"
: | "$MSTORE" put "$src" data/empty -
noise 3000000 1 >big1
noise 1048577 2 >big2
"$MSTORE" put "$src" big/1 big1
"$MSTORE" put "$src" big/2 big2

summary() { # COPIED SAME FAILED - of the last run with --json
    json_ok
    same "summary" "$(json '(d["copied"], d["same"], d["failed"])')" "($1, $2, $3)"
}
whole() { # both stores hold the same
    "$MSTORE" ls "$src" --all --json | sed 's/"mtime[^,]*,//g' >a
    "$MSTORE" ls "$1" --all --json | sed 's/"mtime[^,]*,//g' >b
    same_file "listings" a b
    "$MSTORE" ls "$src" | while read -r key; do
        echo "$("$MSTORE" get "$src" "$key" | sha256sum) $("$MSTORE" get "$1" "$key" | sha256sum) $key"
    done | awk '$1 != $3' >differ
    same "contents" "$(cat differ)" ""
}

expect 0 copy "$src" "$dst" --dry-run
prints "data/item01"
prints "gone (soft-deleted)"
prints "would copy 17 items"
same "nothing was copied" "$("$MSTORE" ls "$dst" --all)" ""
expect 0 copy "$src" "$dst" --json
silent
summary 17 0 0
same "bytes" "$(json 'd["copied_bytes"]')" $((10 * 10 + 11 + 12 + 32 + 4 + 3000000 + 1048577))
whole "$dst"
same "soft-deleted content" "$("$MSTORE" get "$dst" --deleted gone2)" "soft-deleted and live again: old"
same "live content" "$("$MSTORE" get "$dst" gone2)" live

# again: nothing to do
expect 0 copy "$src" "$dst" --json
summary 0 17 0
# one missing, one of another size, one of the same size
"$MSTORE" rm "$dst" data/item01
url=$dst
put data/item02 "longer than it was"
put data/item03 "CONTENT 03"
put extra "only here"
expect 0 copy "$src" "$dst" --dry-run
same "what differs" "$(grep -c ^data/item out)" 3
expect 0 copy "$src" "$dst" --size-only --json
summary 2 15 0
same "not looked at" "$("$MSTORE" get "$dst" data/item03)" "CONTENT 03"
expect 0 copy "$src" "$dst"
prints "copied 1 item (10 B), 16 already there, 0 failed"
same "nothing is removed" "$("$MSTORE" get "$dst" extra)" "only here"
"$MSTORE" rm "$dst" extra
whole "$dst"
# damage of the same size in a large one
printf X | dd of=dst/big/1 bs=1 seek=1000 conv=notrunc 2>/dev/null
expect 0 copy "$src" "$dst" --json
summary 1 16 0
whole "$dst"

# without looking again: a storage that cannot read back fails to be verified, and is not asked then
dst=$url
fresh blind
blind=$url
url=$dst
expect 1 copy "$src" "$blind&emulate.error=load:1"
fresh blind2
blind=$url
url=$dst
expect 0 copy "$src" "$blind&emulate.error=load:1" --no-verify
whole "$blind"

# one namespace; other levels on the other side; jobs
fresh part
expect 0 copy "$src" "$url" --namespace data --json -j 3
summary 11 0 0
same "one namespace" "$("$MSTORE" ls "$url" | grep -cv ^data/)" 0
fresh nested
expect 0 copy "$src" "$url" --dst-levels data=1 --jobs 1 --json
summary 17 0 0
ok "nested" test -f nested/data/it/item01
expect 0 copy "$url" "$src" --levels data=1 --dst-levels data=0 --json
summary 0 17 0

# an item that cannot be read is reported, the others go on; the next run completes it
fresh rest
expect 1 copy "$src&emulate.fail=load:3" "$url" --json --jobs 1
summary 16 0 1
says "run the same command again"
same "one was reported" "$(grep -c 'cannot read it' err)" 1
expect 0 copy "$src" "$url" --json
summary 1 16 0
whole "$url"

# SRC or DST missing
expect 3 copy "$src" "file://$T/missing"
one_line
says DST
expect 3 copy "file://$T/missing" "$dst"
one_line
says SRC

# a storage that is full ends it, and says how to go on
printf '[store small]\nurl = file://%s/small?sync=none\nquota = 100\n' "$T" >config
"$MSTORE" create small
expect 1 copy "$src" small
says "run the same command again"
# two copies at once into one store agree
fresh both
for i in 1 2; do "$MSTORE" copy "$src" "$url" --jobs 4 >/dev/null 2>"both$i" & done
wait
same "no complaint" "$(cat both1 both2)" ""
whole "$url"
finish
