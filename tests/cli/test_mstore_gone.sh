#!/usr/bin/env bash
# A store ends of which a member is gone: nothing is left that is in the way of a new one, and nothing
# is erased that somebody else has put where the member was.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms

policies=('[namespace]' 'kind = plain' 'redundancy = copies 2' 'levels = 1'
    '[namespace data]' 'kind = immutable' 'redundancy = copies 2' 'verify = none')
conf g "${policies[@]}"
made() { # a store of which three is gone
    expect 0 create g.conf
    for i in 1 2 3 4 5 6; do
        echo "value $i" >value
        expect 0 put g.conf data/0$i value
        expect 0 put g.conf 0$i value
    done
    expect 0 drain g.conf three
}
works() {
    expect 0 create g.conf
    expect 0 put g.conf data/07 value
    expect 0 get g.conf data/07
    expect 3 get g.conf data/01
    expect 0 scrub g.conf --deep
    expect 0 destroy g.conf --yes
}

# ---- it is there
made
ok "something is left there" test -e g.three
expect 0 destroy g.conf --yes
silent
ok "nothing is left" test ! -e g.one -a ! -e g.two -a ! -e g.three
works

# ---- it was switched off, and comes back
made
mv g.three away
expect 0 destroy g.conf --yes
silent
mv away g.three
expect 3 put g.conf data/07 value
says "does not exist: run mstore create"
expect 4 create g.conf
one_line
says "member three was gone in a store of g.conf that is there no more"
says "run mstore destroy g.conf --yes, empty file://"
cp -p g.conf all.conf
sed -i '/member three/,/^url/d' g.conf
works
cp -p all.conf g.conf
expect 0 destroy g.conf --yes
ok "nothing is left" test ! -e g.three
works

# ---- its folder has become somebody else's
made
echo mine >g.three/thesis.txt
expect 0 destroy g.conf --yes
says "member three: file://"
says "also holds thesis.txt"
same "what is somebody else's" "$(cat g.three/thesis.txt)" mine
expect 4 create g.conf
rm -r g.three
works

# ---- the others are only away
made
mkdir away
mv g.one g.two away/
for command in "put g.conf data/07 value" "destroy g.conf --yes" "create g.conf"; do
    # shellcheck disable=SC2086
    expect 5 $command
    says "which was seen here before"
done
mv away/* .
rmdir away
expect 0 get g.conf data/01
mv g.three gone # the members there are not known by the file of one who has the older ones alone
expect 0 add g.conf four "file://$T/g.four?sync=none"
mv gone g.three
expect 0 destroy g.conf --yes
ok "nothing is left" test ! -e g.three -a ! -e g.four

# ---- a client whose members are gone is told who is missing, not that there is no store
conf g "${policies[@]}"
made
cp -p g.conf old.conf
expect 0 replace g.conf one "file://$T/g.four?sync=none" --name four
expect 0 replace g.conf two "file://$T/g.five?sync=none" --name five
expect 5 status old.conf
says "no url of member f"
expect 0 destroy g.conf --yes
ok "nothing is left" test -z "$(ls -d g.one g.two g.three g.four g.five 2>/dev/null)"

# ---- a broken-off destroy goes on
conf g "${policies[@]}"
sed -i "s|/g.two?sync=none|&\&emulate.latency=120ms|" g.conf
made
ended=$(python3 "$SOURCE/tests/cli/interrupt.py" KILL "[ ! -e $T/g.one ]" \
    "$MSTORE" destroy g.conf --yes 2>err | tail -n 1)
same "how it was broken off" "$ended" -9
ok "it was broken off before its end" test -e g.three
expect 0 destroy g.conf --yes
ok "nothing is left" test ! -e g.one -a ! -e g.two -a ! -e g.three

# ---- who is gone before the store is made
conf new "${policies[@]}"
sed -i 's/^url.*new.three.*/&\nstate = gone/' new.conf
for command in create plan; do
    expect 1 $command new.conf
    one_line
    says "new.conf:7: [member three] has state = gone"
    says "take the section out"
done
ok "nothing was made" test ! -e new.one -a ! -e new.two -a ! -e new.three
finish
