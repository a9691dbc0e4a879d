#!/bin/bash
# get-tree and an index that somebody else wrote: nothing is written outside DIR.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh store
printf evil | "$MSTORE" put "$url" "t/$(printf evil | sha256sum | cut -d' ' -f1)" -
sha=$(printf evil | sha256sum | cut -d' ' -f1)
mkdir outside
echo precious >outside/file

# index LINE... - stores an index of these lines with the right sum
index() {
    {
        echo "mstore-tree 1"
        [ $# = 0 ] || printf '%s\n' "$@"
    } >text
    printf 'end %s %s\n' "$#" "$(sha256sum <text | cut -d' ' -f1)" >>text
    "$MSTORE" put "$url" t/index text
}
refused() { # TEXT LINE... - the index is refused as a whole
    local text=$1
    shift
    index "$@"
    rm -rf dir
    expect 1 get-tree "$url" t dir --links --force
    one_line
    says "$text"
    ok "nothing was made" test ! -e dir
}
file="f 0644 0 4 $sha"

index "$file good"
expect 0 get-tree "$url" t dir
same "a good one works" "$(cat dir/good)" evil

for path in "../outside/file" "a/../../outside/file" "/etc/x" ".." "." "./x" "a//b" "x/" ""; do
    refused "line 2" "$file $path"
done
refused "line 2" "$file ..%2Foutside"
refused "line 2" "$file %2E%2E/outside"
refused "line 2" "$file x%00y"
refused "line 2" "$file x%0"
refused "line 2" "$file x%20"$'\t'
refused "line 2" "$file x%c3"
refused "line 2" "$file two blanks"
refused "line 2" "f 4755 0 4 $sha setuid"
refused "line 2" "f 644 0 4 $sha x"
refused "line 2" "f 0644 0 -4 $sha x"
refused "line 2" "f 0644 0 99999999999999999999 $sha x"
refused "line 2" "f 0644 x 4 $sha x"
refused "line 2" "f 0644 0 4 ${sha%?} x"
refused "line 2" "f 0644 0 4 ../../../outside/file x"
refused "line 2" "p 0644 0 x"
refused "line 2" "$file $(printf 'x%.0s' {1..256})"
refused "line 2" "$file missing-folder/x"
refused "line 3" "$file x" "$file x"
refused "line 3" "$file b" "$file a"
# a link, and a file through it
refused "line 3" "l 0 ../outside d" "$file d/file"
refused "line 3" "$file d" "$file d/file"
# damage of all kinds
index "$file good"
cp text whole
head -c -10 whole | "$MSTORE" put "$url" t/index -
expect 1 get-tree "$url" t dir2
says "index"
sed 's/good/evil/' whole | "$MSTORE" put "$url" t/index -
expect 1 get-tree "$url" t dir2
says "damaged"
{ cat whole && echo more; } | "$MSTORE" put "$url" t/index -
expect 1 get-tree "$url" t dir2
: | "$MSTORE" put "$url" t/index -
expect 1 get-tree "$url" t dir2
says "line 1"
sed 's/mstore-tree 1/mstore-tree 2/' whole | "$MSTORE" put "$url" t/index -
expect 1 get-tree "$url" t dir2
says "newer mstore"
noise 100000 7 | "$MSTORE" put "$url" t/index -
expect 1 get-tree "$url" t dir2
ok "nothing was made" test ! -e dir2

# links that are in DIR before: never followed
index "d 0755 0 sub" "$file sub/file"
mkdir dir3
ln -s ../outside dir3/sub
expect 1 get-tree "$url" t dir3 --force --links
says "in the way"
same "untouched" "$(cat outside/file)" precious
same "nothing new outside" "$(ls outside)" file
rm -r dir3
mkdir -p dir3/sub
ln -s ../../outside/file dir3/sub/file
expect 4 get-tree "$url" t dir3
expect 0 get-tree "$url" t dir3 --force
same "the link was replaced, not followed" "$(cat outside/file)" precious
same "replaced" "$(cat dir3/sub/file)" evil

# links that lead out are left out without --links, in whatever disguise
index "d 0755 0 d" "l 0 .. d/up" "l 0 ../../outside d/x" "l 0 up/../../outside d/y" \
    "l 0 .//.././../outside d/z" "l 0 /etc/passwd e" "l 0 d/up f"
expect 1 get-tree "$url" t dir4
same "kept" "$(find dir4 -type l | sort | tr '\n' ' ')" "dir4/d/up dir4/f "
says "4 links were left out"
expect 0 get-tree "$url" t dir4 --links
same "all" "$(find dir4 -type l | wc -l)" 6

# a content of another size than the index says
index "f 0644 0 5 $sha x"
expect 1 get-tree "$url" t dir5
says "another size"
ok "nothing half" test ! -e dir5/x
finish
