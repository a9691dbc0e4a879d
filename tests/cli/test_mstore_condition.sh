#!/usr/bin/env bash
# Stores with a condition, on a store of many members: only if nothing is there, only over one value.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=300ms

conf home '[namespace]' 'kind = plain' 'redundancy = copies 2' \
    '[namespace data]' 'kind = immutable' 'redundancy = copies 2' 'verify = none' \
    '[namespace config]' 'kind = mutable' 'redundancy = copies 3'
expect 0 create home.conf
tag() { grep -oE '"tag":"[^"]*"' out | cut -d'"' -f4; }
echo one >one.txt
echo two >two.txt

# ---- only if nothing is there
expect 0 put home.conf config/x one.txt --if-absent --json
first=$(tag)
ok "a tag" test -n "$first"
expect 4 put home.conf config/x two.txt --if-absent
says 'put: "config/x" already exists'
one_line
for i in 1 2 3 4; do # of several at once one succeeds
    echo "$i" | "$MSTORE" put home.conf config/lock --if-absent - 2>/dev/null
    echo $? >"status.$i" &
done
wait
same "winners" "$(sort status.* | tr '\n' ' ')" "0 4 4 4 "

# ---- only over one value
expect 0 info home.conf config/x --json
same "the tag" "$(tag)" "$first"
expect 0 put home.conf config/x two.txt --if-tag "$first" --json
second=$(tag)
ok "another tag" test "$second" != "$first"
expect 4 put home.conf config/x one.txt --if-tag "$first"
says "config/x has not the tag $first any more"
one_line
expect 4 put home.conf config/none one.txt --if-tag "$first" # nothing is there
expect 0 get home.conf config/x
same "value" "$(cat out)" two

# ---- with one member away, and none of it lost when that is back
mv home.two away
expect 0 put home.conf config/x one.txt --if-tag "$second"
mv away home.two
mv home.one away
expect 4 put home.conf config/x two.txt --if-tag "$second"
expect 0 get home.conf config/x
same "value" "$(cat out)" one
mv away home.one

# ---- what has no conditions says so
expect 1 put home.conf data/x one.txt --if-absent
says "in a namespace of kind immutable the key determines the value"
one_line
expect 1 put home.conf x one.txt --if-absent
says "which namespaces of kind plain do not have"
one_line
head -c $((9 << 20)) /dev/zero >big
expect 1 put home.conf config/big big --if-absent
says "a value of more than 8 MiB cannot be stored under a condition"
expect 2 put home.conf config/x one.txt --if-absent --if-tag "$first"
says "exclude each other"
expect 2 put home.conf config/x one.txt --if-tag ""
for key in data/x x config/big; do expect 3 info home.conf $key; done

# ---- one storage, where it cannot
expect 0 create "file://$T/plain"
expect 0 put "file://$T/plain" x one.txt --if-absent --json
expect 1 put "file://$T/plain" x two.txt --if-tag "$(tag)"
says "cannot store on the condition that a value is unchanged"
finish
