#!/usr/bin/env bash
# Members come and go, as the owner of some folders meets it: one is added, one drained, one dies
# and is replaced, while a second client has an older file. What was stored is read all the time.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms

{
    printf '# my three disks\n[mstore]\nkey = %064d\n' 4711
    for member in one two three; do
        printf '[member %s]\nurl = file://%s/%s?sync=none\n' $member "$T" $member
    done
    printf '%s\n' '[namespace]' 'kind = plain' 'redundancy = copies 2' \
        '[namespace data]' 'kind = immutable' 'redundancy = copies 2' 'verify = none' \
        '[namespace config]' 'kind = mutable' 'redundancy = copies 3'
} >home.conf
chmod 600 home.conf
number() { grep -oE "\"$1\": *[0-9]+" out | head -1 | grep -oE '[0-9]+$'; } # of the last --json
data() { find "$1" -type f ! -path '*/layout/*' ! -path '*/block/*' ! -name member | wc -l; }

sed "s,/two?,/one/two?," home.conf >within.conf
chmod 600 within.conf
expect 1 create within.conf
says "the storage of [member two] lies within that of [member one]"
ok "nothing was made" test ! -e one
expect 0 create home.conf
put_values home.conf
cp -p home.conf other.conf # another client's, which nobody tells

# ---- what cannot be
expect 2 drain home.conf nobody
says "the store has no member nobody"
one_line
expect 1 drain home.conf one # three copies on two members
one_line
expect 2 add home.conf usb
expect 2 add home.conf usb "file://$T/usb" --weight 0
says "--weight"
expect 1 add home.conf usb "file://$T/two?sync=none"
says "[member usb] has the url of [member two]"
expect 1 add home.conf two "file://$T/usb"
says "home.conf has a [member two] with another url"
expect 1 add home.conf usb "file://$T/two/files/sub"
says "the storage of [member usb] lies within that of [member two]"
expect 1 add home.conf usb "file://$T/"
says "the storage of [member one] lies within that of [member usb]"
ok "the file is as it was" cmp -s home.conf other.conf
expect 2 drain "file://$T/one" two
says "is not a store of many members"

# ---- a dry run refuses what would be refused, and changes nothing
expect 1 add home.conf two "file://$T/usb" --dry-run
says "home.conf has a [member two] with another url"
expect 1 add home.conf usb "file://$T/two?sync=none" -n
says "[member usb] has the url of [member two]"
expect 4 add home.conf usb "file://$T/./two?sync=none" -n
says "is that of member two too, by its mark there"
mkdir full
echo mine >full/thesis.txt
expect 4 add home.conf usb "file://$T/full?sync=none" -n
says "it holds thesis.txt, which is not this store's"
rm -r full
for name in 'u s b' 'usb]' ''; do
    expect 1 add home.conf "$name" "file://$T/usb" -n
    mv err dry
    expect 1 add home.conf "$name" "file://$T/usb"
    same_file "what is said of \"$name\"" err dry
done
expect 2 add home.conf usb foo://x -n
expect 2 add home.conf usb foo://x
expect 1 add home.conf usb home.conf -n
says "a store cannot be a member of itself"
expect 4 replace home.conf two "file://$T/two?sync=none" -n
says "empty it first if member two is to be replaced"
expect 1 replace home.conf two "file://$T/one?sync=none" -n
says "[member two-2] has the url of [member one]"
expect 1 replace home.conf two "file://$T/usb" --name one -n
says "home.conf has a [member one] with another url"
expect 0 replace home.conf two "file://$T/usb" -n
prints "would move"
ok "nothing was made" test ! -e usb
ok "the file is as it was" cmp -s home.conf other.conf

# ---- a fourth member
expect 0 add home.conf usb "file://$T/usb?sync=none" --dry-run --json
same "keys" "$(number keys)" 12
ok "something would move" test "$(number keys_moving)" -gt 0
same "objects" "$(number objects_moving)" "$(number keys_moving)"
ok "nothing was made" test ! -e usb
ok "the file is as it was" cmp -s home.conf other.conf
expect 0 add home.conf usb "file://$T/usb?sync=none" --weight 2 --zone desk
prints "member usb is in layout 2"
prints "run mstore rebalance home.conf"
silent
same "its section" "$(tail -4 home.conf | tr '\n' ' ')" \
    "[member usb] url = file://$T/usb?sync=none weight = 2 zone = desk "
head -c "$(stat -c %s other.conf)" home.conf >before
ok "what was there is there" cmp -s before other.conf
same "rights" "$(stat -c %a home.conf)" 600
same "leftovers" "$(find . -maxdepth 1 -name "*tmp*" | wc -l)" 0
expect 0 add home.conf usb "file://$T/usb?sync=none" # once more: nothing is left to be done
prints "member usb is in layout 2"
expect 0 status home.conf
prints "layout 2,"
expect 5 status other.conf # works, and says what is missing
prints "no url of member usb"
values home.conf
values other.conf
expect 0 rebalance home.conf
ok "usb has something" test "$(data usb)" -gt 0
values home.conf
values other.conf
echo "value config/c1" >value
expect 0 put other.conf config/c1 value

# ---- one is taken out
expect 0 drain home.conf one --dry-run
prints "would move"
expect 0 drain home.conf one
prints "member one is gone"
same "what is left of it" "$(data one)" 0
mv one one.off
values home.conf
values other.conf
expect 0 drain home.conf one # it is gone
prints "member one is gone"
expect 1 add home.conf one "file://$T/one?sync=none"
says "there is a member one already (it is gone)"
expect 0 scrub home.conf --deep

# ---- one dies, and another takes its place
rm -r two
expect 0 replace home.conf two "file://$T/new?sync=none" --json
prints '"added":"two-2"'
prints '"gone":true'
expect 1 replace home.conf two "file://$T/other?sync=none"
says "member two is gone already: run mstore add for a further one"
values home.conf
expect 0 scrub home.conf --deep
expect 0 status home.conf --json
same "layout" "$(number epoch)" 6
same "proposed" "$(number proposed)" 0

# ---- likewise among enough others that copies went elsewhere meanwhile: all is where it belongs
expect 0 add home.conf four "file://$T/four?sync=none"
for i in $(seq 10 39); do
    echo "value $i" >value
    for ns in data/0 config/c p; do
        expect 0 put home.conf $ns$i value
    done
done
expect 0 rebalance home.conf
rm -r new
expect 1 replace home.conf two-2 "file://$T/disk?sync=none" --name usb
says "home.conf has a [member usb] with another url"
one_line
expect 0 replace home.conf two-2 "file://$T/disk?sync=none" --name disk
prints "member disk is in layout"
prints "member two-2 is gone"
ok "its section" grep -qx '\[member disk\]' home.conf
expect 0 rebalance home.conf --json # finds nothing left to be moved
same "moved" "$(number keys_moved)" 0
same "not as they should be" "$(number keys_wanting)" 0
expect 0 scrub home.conf --deep
values home.conf

# ---- a file that cannot be written to is no reason to change the store
if [ "$(id -u)" != 0 ]; then
    chmod 500 .
    "$MSTORE" add home.conf more "file://$T/home/more" >/dev/null 2>"$T/stats/err"
    same "status" $? 1
    chmod 700 .
fi
finish
