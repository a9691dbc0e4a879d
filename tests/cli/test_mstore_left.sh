#!/usr/bin/env bash
# What heal says of a member that does not let it write: nothing is told as put right that is not,
# and who would not take it, and why, stands in the line. What scrub says of one that is away, and
# other sentences about what stays as it is.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=300ms

conf home '[namespace]' 'kind = mutable' 'redundancy = all'
expect 0 create home.conf
sed "s|^url = .*/home.two?sync=none|&\&emulate.error=store:1:ACCESS,delete:1:ACCESS|" \
    home.conf >locked.conf
chmod 600 locked.conf
for value in old new; do
    printf $value | "$MSTORE" put home.conf x -
    [ $value = new ] || mv home.two off
done
mv off home.two
rm -rf state # its breaker

# ---- a member that takes nothing
expect 7 heal locked.conf -v
says "wanting  two          x: the newest version is missing"
says "debris   two          x: an older version"
same "nothing was put right" "$(grep -c 'put right' err)" 0
prints "1 key looked at, 1 not as it should be"
says "1 key is not as it should be"
ok "who, and why" grep -qE '^failed +two +x: the newest version could not be written: .*emulat' err

# ---- and then it does
expect 0 heal home.conf -v
says "x: the newest version is missing (put right)"
ok "older ones too" grep -qE '^debris +two +x: an older version, .* \(put right\)$' err
same "none is left" "$(grep -c '^failed' err)" 0
expect 0 scrub home.conf

# ---- a member that is away: what is told of the keys
conf some '[namespace]' 'kind = plain' 'redundancy = all' 'levels = 0' \
    '[namespace data]' 'kind = immutable' 'redundancy = copies 3' 'verify = none' 'levels = 0' \
    '[namespace keys]' 'kind = mutable' 'redundancy = all' 'levels = 0'
sed -i 's/4711/4712/' some.conf # another store
expect 0 create some.conf
for key in a b data/a keys/a; do echo "$key" | "$MSTORE" put some.conf $key -; done
mv some.two off
expect 5 scrub some.conf
prints "4 keys looked at, 0 not as they should be, 4 of which a member that did not answer may lack a part"
expect 5 scrub some.conf --json
same "known" "$(json 'd["keys"], d["keys_wanting"], d["keys_unseen"], d["keys_left"]')" "(4, 4, 4, 4)"
mv off some.two
rm -rf state
rm some.one/a
expect 7 scrub some.conf
prints "4 keys looked at, 1 not as they should be"$'\n'

# ---- a live key where one is to come back
expect 0 rm some.conf --soft b
echo other | "$MSTORE" put some.conf b -
expect 4 undelete some.conf b
says "b already exists"
same "no members" "$(grep -c 'needed' err)" 0

# ---- a listing of which too many are away, at the root
mv some.two off
mv some.three away
expect 5 ls some.conf
same "no nameless namespace" "$(grep -c 'listing ""' err)" 0
says "listing the store could leave out keys"
finish
