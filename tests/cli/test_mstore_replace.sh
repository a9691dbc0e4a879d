#!/usr/bin/env bash
# A disk was changed, or wiped, under the same mount point: a member is replaced at its own url. What
# still has a member's mark, or what it had, is not taken.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms

conf home '[namespace]' 'kind = plain' 'redundancy = copies 2' \
    '[namespace data]' 'kind = immutable' 'redundancy = copies 2' 'verify = none' \
    '[namespace config]' 'kind = mutable' 'redundancy = copies 3'
sed -i 's/^\[member two/# the second disk\n&/; s/^\(url.*home.two.*\)/\1\nweight = 3\nzone = desk\n; mine/' home.conf
at() { echo "file://$T/home.$1?sync=none"; }
whole() { # FILE.conf - nothing is left to be done
    values "$1"
    expect 0 scrub "$1" --deep
    expect 0 status "$1"
}

expect 0 create home.conf
put_values home.conf
cp -p home.conf other.conf # another client's, which nobody tells

# ---- what is there has a mark
expect 4 replace home.conf two "$(at two)"
one_line
says "is that of member two too, by its mark there"
says "empty it first if member two is to be replaced"
ok "the file is as it was" cmp -s home.conf other.conf
expect 4 replace home.conf two "file://$T/./home.one?sync=none"
says "is that of member one too"
expect 1 replace home.conf two "$(at one)"
says "[member two-2] has the url of [member one]"
ok "the file is as it was" cmp -s home.conf other.conf

# ---- it has lost its mark only: what it has may be old
rm home.two/mstore-*/member
expect 4 replace home.conf two "$(at two)"
says "is not empty: it holds p"
rm home.two/p?
expect 4 replace home.conf two "$(at two)"
one_line
says "has lost its mark but still holds mstore-"
ok "the file is as it was" cmp -s home.conf other.conf

# ---- it is empty
rm -r home.two/*
expect 5 status home.conf
prints "member two: if its storage is lost, put an empty one in its place and run"
prints "  mstore replace home.conf two '$(at two)'"
expect 0 replace home.conf two "$(at two)"
prints "member two-2 is in layout 3"
prints "member two is gone"
ok "nobody is told to switch it off" test "$(grep -c 'switched off' out)" = 0
same "the old section" "$(sed -n '/the second disk/,/member three/p' home.conf | tr '\n' '|')" \
    "# the second disk|# [member two]|# url = $(at two)|# weight = 3|# zone = desk|; mine|[member three]|"
same "the new section" "$(tail -4 home.conf | tr '\n' ' ')" \
    "[member two-2] url = $(at two) weight = 3 zone = desk "
same "rights" "$(stat -c %a home.conf)" 600
whole home.conf
expect 0 replace home.conf two "$(at two)" # nothing is left to be done
prints "member two is gone"
expect 2 drain home.conf nobody

# ---- the other client works without it, and says what to do
values other.conf
expect 5 status other.conf
prints "no url of member two-2"
printf '[member two-2]\nurl = %s\n' "$(at two)" >>other.conf
expect 1 status other.conf
says "has the url of [member two]"
says "take the section of one that is gone out"
cp -p home.conf other.conf

# ---- the folder is not there; it was replaced before
rm -r home.two
expect 0 replace home.conf two-2 "$(at two)"
prints "member two-3 is in layout 5"
same "sections" "$(grep -c '^\[member' home.conf)" 3
whole home.conf

# ---- broken off after the file was changed: the same command goes on
rm -r home.two
ended=$(MSTORE_LEASE=60s python3 "$SOURCE/tests/cli/interrupt.py" KILL \
    "grep -q two-4 $T/home.conf" "$MSTORE" replace home.conf two-3 "$(at two)" 2>err | tail -n 1)
same "how it was broken off" "$ended" -9
expect 0 replace home.conf two-3 "$(at two)"
prints "member two-3 is gone"
same "sections" "$(grep -c '^\[member' home.conf)" 3
whole home.conf

# ---- where one was that is gone: once it is empty
expect 0 replace home.conf one "file://$T/spare?sync=none"
prints "its storage may be switched off, and [member one] taken out of home.conf"
expect 4 replace home.conf three "$(at one)"
one_line
says "still has what member one left there, which is gone: empty it first"
ok "the section is as it was" grep -qx '\[member one\]' home.conf
rm -r home.one
expect 0 replace home.conf three "$(at one)"
ok "the section is a comment" grep -qx '# \[member one\]' home.conf
ok "it stays" grep -qx '\[member three\]' home.conf
whole home.conf
rm -r home.three
expect 0 add home.conf four "$(at three)"
ok "the section is a comment" grep -qx '# \[member three\]' home.conf
whole home.conf

# ---- too few answer: the file is as it was
cp -p home.conf before.conf
rm -r home.three
mv spare away
mv home.one home.away
expect 5 replace home.conf four "$(at three)"
same_file "the file" home.conf before.conf
mv away spare
mv home.away home.one
values home.conf
expect 0 replace home.conf four "$(at three)"
whole home.conf
finish
