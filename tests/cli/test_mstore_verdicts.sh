#!/usr/bin/env bash
# What status, scrub and heal say of a store of many: nothing is passed over, nothing is claimed,
# and what is said tells what to do.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms
conf home '[namespace data]' 'kind = immutable' 'verify = sha256' 'redundancy = copies 2' \
    '[namespace config]' 'kind = mutable' 'redundancy = all'
expect 0 create home.conf
head -c 5000 /dev/urandom >value
key=data/$(sha256sum value | cut -c-64)
expect 0 put home.conf "$key" value
expect 0 put home.conf config/c value
flip() { # FILE - one bit of its middle
    python3 - "$1" <<'END'
import sys
b = bytearray(open(sys.argv[1], 'rb').read())
b[len(b) // 2] ^= 1
open(sys.argv[1], 'wb').write(b)
END
}

# ---- a member's layout rots, is cut to nothing, is gone
layout=$(echo home.two/mstore-*/layout/*.f)
cp "$layout" layout.right
found() { # WHAT SENTENCE - scrub finds it, heal --dry-run leaves it, heal puts it right
    expect 7 scrub home.conf
    ok "told" grep -qE "^$1 +two +$2\$" err
    says "the layout is missing or damaged on 1 of 3 members: run mstore heal"
    expect 7 scrub home.conf --json --deep
    json_ok
    same "clean" "$(json 'd["clean"], d["layouts_left"]')" "(False, 1)"
    same "$1" "$(json "d['found']['$1']")" 1
    expect 7 heal home.conf --dry-run
    expect 0 heal home.conf --json
    same "healed" "$(json 'd["clean"], d["layouts_left"], d["members"][1]["written"]')" "(True, 0, 1)"
    same_file "the layout" "$layout" layout.right
    expect 0 scrub home.conf
    silent
}
flip "$layout"
expect 0 status home.conf
prints "ok, but its copy of layout 1 is damaged: run mstore heal"
expect 0 status home.conf --json
same "status" "$(json '[m["layout_damaged"] for m in d["members"]]')" "[False, True, False]"
expect 0 check home.conf
ok "check" grep -qE "^member two +ok .*its copy of layout 1 is damaged: run mstore heal" out
found damaged "layout 1 does not verify"
: >"$layout"
found damaged "layout 1 does not verify"
rm "$layout"
expect 0 status home.conf
prints "ok, but it lacks layout 1: run mstore heal"
found wanting "layout 1"

# ---- who is there again is asked at once, whatever is known of it
mv home.two away
expect 5 status home.conf
expect 5 status home.conf
mv away home.two
expect 0 status home.conf
expect 0 status home.conf --json
same "breakers" "$(json '{m["breaker"] for m in d["members"]}')" "{'closed'}"

# ---- a mark that is damaged: what to do
mark=$(echo home.two/mstore-*/member)
cp "$mark" mark
flip "$mark"
expect 5 status home.conf
ok "what to do" grep -qE "^two .*mark is damaged.* in place, or replace the member" out
cp mark "$mark"
expect 0 status home.conf

# ---- one copy is mended, both are lost: nobody claims that they are not
mapfile -t copies < <(find home.* -path '*/val/*' -type f -size +4k)
same "copies" "${#copies[@]}" 2
flip "${copies[0]}"
expect 0 heal home.conf --deep
ok "mended" grep -qE "^damaged .*copy 0 does not verify \(put right\)" err
for copy in "${copies[@]}"; do flip "$copy"; done
expect 7 heal home.conf --deep
ok "lost" grep -qE "^lost +" err
same "told" "$(grep -c '^damaged .*copy 0 does not verify$' err)" 2
same "claimed" "$(grep -c 'put right' err)" 0

# ---- no such namespace, no such member: a wrong command line
for command in scrub heal rebalance; do
    expect 2 $command home.conf --namespace nope
    says "there is no namespace \"nope\""
done
expect 2 drain home.conf nobody
expect 2 replace home.conf nobody "file://$T/new"
says "the store has no member nobody"
one_line
finish
