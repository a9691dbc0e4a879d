#!/bin/bash
# put-tree and get-tree: what goes in comes out, each content once, going on after a break.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh store
mkdir -p tree/sub/deep tree/empty "tree/odd names"
echo one >tree/one
echo one >tree/sub/same-as-one
: >tree/nothing
noise 3000000 1 >tree/sub/deep/large
echo x >"tree/odd names/blank and %25"
echo y >"$(printf 'tree/odd names/\303\244\377\n%%')"
ln -s ../one tree/sub/link
ln -s one tree/link
ln -s sub/deep tree/folder
ln -s /etc/passwd tree/absolute
ln -s ../../outside tree/sub/outside
ln -s gone tree/dangling
chmod 640 tree/one
chmod 4755 tree/nothing
chmod 500 tree/sub/deep
touch -d "2001-02-03 04:05:06.123456789 UTC" tree/one tree/empty tree/sub/deep
touch -h -d "1960-01-01 00:00:00.5 UTC" tree/link
mkfifo tree/pipe

look() { # all about a folder, but what is never kept
    (cd "$1" && find . -mindepth 1 -printf '%y %P %l %T@ %m\n' | LC_ALL=C sort)
}

expect 0 put-tree "$url" photos tree --json
json_ok
same "contents" "$(json '(d["stored"], d["same"], d["failed"])')" "(5, 1, 0)"
says "pipe: left out"
same "each content once, and the index" "$("$MSTORE" ls "$url" | wc -l)" 6
key=photos/$(echo one | sha256sum | cut -d' ' -f1)
same "keyed by SHA-256" "$("$MSTORE" get "$url" "$key")" one
expect 0 put-tree "$url" photos tree --json
same "again" "$(json '(d["stored"], d["same"], d["failed"])')" "(0, 6, 0)"

# back: all but the links that lead out
expect 1 get-tree "$url" photos back --json
json_ok
same "summary" "$(json '(d["written"], d["same"], d["left_out"], d["failed"])')" "(10, 0, 2, 0)"
says "absolute: left out"
says "sub/outside: left out"
says "--links"
ok "left out" test ! -L back/absolute
expect 0 get-tree "$url" photos all --links
rm tree/pipe
chmod 755 tree/nothing
look tree >want
look all >have
same "trees" "$(diff want have)" ""
ok "contents" diff -r --no-dereference tree all
ok "the set-user-ID bit is not given" test ! -u all/nothing

# again: nothing is touched; a changed file is left alone, unless forced
expect 0 get-tree "$url" photos all --links --json
same "again" "$(json '(d["written"], d["same"])')" "(0, 12)"
echo mine >all/one
ln -sf mine all/link
expect 4 get-tree "$url" photos all --links
says "one: it is there and differs"
says "link: it is there and differs"
same "left alone" "$(cat all/one)" mine
expect 0 get-tree "$url" photos all --links --force --json
same "replaced" "$(json '(d["written"], d["same"])')" "(2, 10)"
same "replaced" "$(cat all/one)" one
look all >have
same "trees" "$(diff want have)" ""
same "no temporary" "$(find all back -name '.mstore-*')" ""

# a folder where a file should be, and the other way round
expect 0 put-tree "$url" small tree/sub/deep
mkdir -p odd/large
expect 1 get-tree "$url" small odd --force
says "large"
expect 4 get-tree "$url" small odd
ok "left alone" test -d odd/large
echo >notdir
expect 1 get-tree "$url" small notdir
says notdir

# what cannot be read is reported, the rest goes on
cp "$MSTORE" program
chmod 755 "$T"
mkdir -p user/tree/closed
echo fine >user/tree/fine
echo secret >user/tree/secret
echo hidden >user/tree/closed/hidden
[ "$(id -u)" != 0 ] || chown -R 65534:65534 user
mkdir stats-user
chmod 777 stats-user
chmod 000 user/tree/secret user/tree/closed
MSTORE_STATS_DIR=$T/stats-user as_user ./program create "file://$T/user/store?sync=none"
MSTORE_STATS_DIR=$T/stats-user as_user ./program put-tree "file://$T/user/store?sync=none" t user/tree >out 2>err
same "exit status" "$?" 1
says "secret: cannot read it: Permission denied"
says "closed: cannot read the folder: Permission denied"
chmod 700 user/tree/closed user/tree/secret
MSTORE_STATS_DIR=$T/stats-user as_user ./program get-tree "file://$T/user/store?sync=none" t user/back >out 2>err
same "exit status" "$?" 0
same "the rest" "$(cd user/back && find . | sort | tr '\n' ' ')" ". ./closed ./fine "

# contents missing or damaged in the store
"$MSTORE" rm "$url" "$key"
large=photos/$(sha256sum <tree/sub/deep/large | cut -d' ' -f1)
printf X | dd of="store/$large" bs=1 seek=2500000 conv=notrunc 2>/dev/null
expect 1 get-tree "$url" photos fresh --links
says "one: its content"
says "is not in the store"
says "sub/deep/large: its content in the store is damaged"
ok "no half file" test ! -e fresh/sub/deep/large
same "no temporary" "$(find fresh -name '.mstore-*')" ""
ok "the others" test -L fresh/link
# a content of another size is stored anew
printf short >"store/$large"
expect 0 put-tree "$url" photos tree
expect 0 get-tree "$url" photos fresh --links
ok "repaired" diff -r --no-dereference tree fresh

# nested namespaces
fresh nested
expect 0 put-tree "$url" photos tree --levels photos=2
ok "nested" test -f "nested/photos/in/de/index"
expect 0 get-tree "$url" photos unnested --links --levels photos=2
ok "contents" diff -r --no-dereference tree unnested
finish
