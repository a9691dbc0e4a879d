#!/usr/bin/env bash
# What status says of members that have missed changes, whatever the kind of the keys, and that
# nothing is lost without a word before heal has been there.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=300ms
stores=0
store() { # NAME POLICY-LINES... -- MEMBER... - NAME.conf, the members' folders are NAME.MEMBER; one named w is a witness
    local name=$1 lines=() member
    shift
    while [ "$1" != -- ]; do
        lines+=("$1")
        shift
    done
    shift
    {
        stores=$((stores + 1))
        printf '[mstore]\nkey = %064d\n' $stores
        for member; do
            printf '[member %s]\nurl = file://%s/%s.%s?sync=none\n' "$member" "$T" "$name" "$member"
            if [ "$member" = w ]; then echo 'state = witness'; fi
        done
        printf '%s\n' "${lines[@]}"
    } >"$name.conf"
    chmod 600 "$name.conf"
    expect 0 create "$name.conf"
}
notes() { find "$1".* -path '*/hint/*' -type f | wc -l; } # NAME - how many lie on members

# ---- mutable keys: two copies and a witness, one of them misses a store
store two '[namespace]' 'kind = mutable' 'redundancy = all' -- a b w
echo first >value
expect 0 put two.conf k value
expect 0 status two.conf
ok "one may be lost" grep -qE 'on 2 members, 1 may be lost$' out
same "no notes" "$(notes two)" 0
mv two.a two.off
echo second >value
expect 0 put two.conf k value
expect 0 put two.conf k value
mv two.off two.a
expect 0 status two.conf
ok "a has missed it" grep -qE '^a .*ok, but it has missed something: run mstore heal$' out
ok "b has not" grep -qE '^b .* ok$' out
ok "none may be lost" grep -qE 'on 2 members, 1 may be lost, now 0$' out
same "one note on each holder" "$(notes two)" 2
ok "it is told" grep -qE '^a +active +1 +[0-9.]+ .?s +1 ' out
ok "of b nothing" grep -qE '^b +active +1 +[0-9.]+ .?s +0 ' out
for i in 1 2 3; do
    mv two.a two.off
    expect 0 put two.conf other$i value
    mv two.off two.a
done
expect 0 status two.conf --json
json_ok
same "of four keys" "$(json '[(m["notes"], m["more_notes"]) for m in d["members"]]')" \
    "[(4, False), (0, False), (0, False)]"
of_k=$(find two.b -path '*/hint/*/k.k!' -type d)
(cd "$of_k" && seq -f '%016.0f-0000000000000003' 1 996 | xargs touch)
expect 0 status two.conf
ok "a thousand" grep -qE '^a +active .* 1000 ' out
(cd "$of_k" && seq -f '%016.0f-0000000000000003' 1 2000 | xargs touch)
expect 0 status two.conf
ok "and more" grep -qE '^a +active .* 1000\+ ' out
expect 0 status two.conf --json
same "likewise" "$(json '(d["members"][0]["notes"], d["members"][0]["more_notes"])')" "(1000, True)"
find "$of_k" -name '*-0000000000000003' -delete

# ---- then the other one goes away: who is needed, and what to do
mv two.b two.off
expect 5 get two.conf k -
says '"k": no member that answered has its data, and others do not answer (bring them back, then run mstore heal): b '
one_line
mv two.off two.b
rm -r state # its breaker
expect 0 get two.conf k -
same "the second" "$(cat out)" second
expect 0 heal two.conf
expect 0 status two.conf
ok "one may be lost again" grep -qE 'on 2 members, 1 may be lost$' out
same "no notes are left" "$(notes two)" 0
mv two.b two.off
expect 0 get two.conf k -
same "now a has it" "$(cat out)" second

# ---- four copies and a witness; a deletion, and a value that comes in a stream
store four '[namespace]' 'kind = mutable' 'redundancy = all' -- a b c d w
expect 0 put four.conf k value
expect 0 put four.conf gone value
mv four.c four.off
echo third | expect 0 put four.conf k -
expect 0 rm four.conf gone
mv four.off four.c
expect 0 status four.conf
ok "c has missed it" grep -qE '^c .*missed something' out
ok "one less" grep -qE 'on 4 members, 2 may be lost, now 1$' out
expect 0 heal four.conf
expect 0 status four.conf
ok "two may be lost" grep -qE 'on 4 members, 2 may be lost$' out

# ---- plain keys: the time that is told is one at which heal suffices
store plain '[namespace]' 'kind = plain' 'redundancy = all' -- a b c
expect 0 put plain.conf k value
mv plain.a plain.off
echo fourth | expect 0 put plain.conf k -
expect 5 heal plain.conf # it is away: nothing can be made up for
find plain.[bc] -path '*/away/*' -exec touch -d '5 minutes ago' {} +
mv plain.off plain.a
expect 0 status plain.conf
ok "heal, without a time" grep -qE '^a .*ok, but it has missed something: run mstore heal$' out
expect 0 heal plain.conf
expect 0 status plain.conf
ok "with one" grep -qE '^a .*ok, believed again from [0-2][0-9]:[0-5][0-9] on: run mstore heal then$' out
expect 0 status plain.conf --json
from=$(($(date -d "$(json 'd["members"][0]["believed_from"]')" +%s) - $(date +%s)))
ok "it is that of the first run: $from s" test $from -gt 500 -a $from -le 630
find plain.* -path '*/mstore-*' -type f -exec touch -d '20 minutes ago' {} +
expect 0 status plain.conf
prints "ok, believed again after one more mstore heal"
expect 0 heal plain.conf
expect 0 status plain.conf
ok "nothing is left" grep -qE '^a .* ok$' out
ok "two may be lost" grep -qE 'on 3 members, 2 may be lost$' out

# ---- who goes takes redundancy along
expect 0 drain plain.conf c
ok "one is left to lose" bash -c '! grep -q "no member may be lost" out'
expect 0 drain plain.conf b --dry-run
prints "namespaces in which no member may be lost then: 1 (mstore status shows them, mstore add helps)"
expect 0 drain plain.conf b
prints "namespaces in which no member may be lost now: 1 (mstore status shows them, mstore add helps)"
expect 0 status plain.conf
ok "status says so, too" grep -qE 'on 1 members, 0 may be lost$' out
expect 0 status plain.conf --json
same "who is gone does not answer" "$(json '[m["answers"] for m in d["members"]]')" "[True, False, False]"
finish
