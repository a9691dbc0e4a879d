#!/usr/bin/env bash
# check of a store of many: each member by itself, then the store; what is wrong with one is found
# there and told; nothing stays.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms
conf home '[namespace data]' 'kind = immutable' 'verify = sha256' 'redundancy = copies 2' 'levels = 0' \
    '[namespace config]' 'kind = mutable' 'redundancy = all' \
    '[namespace]' 'kind = plain' 'redundancy = ec 2+1'
expect 1 check home.conf # a plain namespace cannot be coded: a wrong file, in one line
one_line
sed -i 's/ec 2+1/copies 2/' home.conf
expect 3 check home.conf # no storage yet: each member says so, and how to make it
same "stores missing" "$(grep -cE '^store +FAILED .*mstore create home.conf' out)" 3
ok "no layout" grep -qE '^layout +FAILED' out
one_line
says "first: member one: store"
expect 0 create home.conf
echo hi >value
expect 0 put home.conf config/mine value
files() { find home.* -type f -path 'home.[ot]*/*' | sort; }
files >before

expect 0 check home.conf
silent
same "members" "$(grep -c '^member .*file://' out)" 3
same "writes to members" "$(grep -cE '^write +ok' out)" 3
ok "layout" grep -qE '^layout +ok .*layout 1, on 3 of 3 members$' out
for name in one two three; do
    ok "$name" grep -qE "^member $name +ok .*active, has its mark and the layout" out
done
ok "data" grep -qE '^namespace data +ok .*immutable, copies 2 on 2 members: 1 may be lost' out
for kind in plain mutable immutable; do
    for verb in write read delete; do
        ok "$verb $kind" grep -qE "^$verb $kind +ok" out
    done
done
files >after
# tombstones, for a week
same "what is left" "$(comm -13 before after | grep -v '\.d$')" ""
same "items" "$("$MSTORE" ls home.conf)" "config/mine"
expect 0 check home.conf --json
json_ok
same "failures" "$(json 'd["failures"]')" 0
same "members" "$(json '[m["name"] for m in d["members"]]')" "['one', 'two', 'three']"
same "of each" "$(json 'all(len(m["checks"]) == 19 and m["round_trip_ns"] > 0 for m in d["members"])')" True
same "of the store" "$(json 'all(c["result"] == "ok" for c in d["checks"]), len(d["checks"])')" "(True, 16)"

# a member's disk is not there: found at the member, at the store; nothing is tried out then
mv home.two two.off
files >before
expect 3 check home.conf
says "first: member two: store"
one_line
ok "member two" grep -qE '^member two +FAILED .*no store at' out
ok "layout" grep -qE '^layout +ok .*on 2 of 3 members' out
ok "not tried" test "$(grep -c '^write immutable' out)" = 0
prints "no value is tried out"
files >after
same_file "nothing is written" before after
# another disk in its place: the storage works, and is not this member's
mkdir home.two
expect 3 check home.conf
same "storages work" "$(grep -cE '^(write|delete) +ok' out)" 6
ok "its mark" grep -qE '^member two +FAILED .*the mark of this member is not there' out
says "first: member two"
rm -r home.two
mv two.off home.two

# a member that does not answer, one that does not let in
sed -i.bak "s|^url = .*home.three.*|url = http://127.0.0.1:9/x?timeout=2\&retries=0|" home.conf
expect 5 check home.conf
ok "connect" grep -qE '^connect +FAILED ' out
ok "of three" grep -qE '^member three +FAILED ' out
mv home.conf.bak home.conf
# all of them: nobody can say which layout is in force
mkdir off && mv home.one home.two home.three off
expect 3 check home.conf --json
json_ok
same "layout" "$(json 'd["checks"][0]["check"], d["checks"][0]["result"]')" "('layout', 'failed')"
finish
