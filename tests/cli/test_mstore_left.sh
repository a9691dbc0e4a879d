#!/usr/bin/env bash
# What heal says of a member that does not let it write: nothing is told as put right that is not,
# and who would not take it, and why, stands in the line.
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
ok "who, and why" grep -qE '^failed +two +x: the newest version could not be written: .*emulat' err

# ---- and then it does
expect 0 heal home.conf -v
says "x: the newest version is missing (put right)"
ok "older ones too" grep -qE '^debris +two +x: an older version, .* \(put right\)$' err
same "none is left" "$(grep -c '^failed' err)" 0
expect 0 scrub home.conf
finish
