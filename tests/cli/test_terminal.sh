#!/bin/bash
# Progress on a terminal, quiet elsewhere; a terminal is no input.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
on_terminal() { # ARGUMENT... - what is shown goes to "shown", the status to $status
    local command="'$MSTORE'"
    for argument; do command="$command '$argument'"; done
    script -qec "$command" /dev/null </dev/null >shown 2>&1
    status=$?
}
fresh src
src=$url
mkdir tree
for i in 1 2 3 4 5 6 7 8 9; do
    noise 3000000 "$i" >"tree/$i"
    "$MSTORE" put "$src" "data/$i" "tree/$i"
done
esc=$(printf '\033')

fresh dst
export MSTORE_LATENCY=30000
on_terminal copy "$src" "$url" --jobs 1
same "copy" "$status" 0
ok "progress" grep -qE 'copy: [0-9]+ of 9 items, .* MiB of 25.7 MiB, .*/s' shown
ok "remaining" grep -q ' left' shown
ok "the line is cleaned" grep -qE "$esc\[Kcopied 9 items" shown
fresh dst2
expect 0 copy "$src" "$url" --jobs 1
silent
fresh dst3
on_terminal put-tree "$url" photos tree --jobs 1
same "put-tree" "$status" 0
ok "progress" grep -qE 'put-tree: [0-9]+ of 9 files' shown
on_terminal get-tree "$url" photos back --jobs 1
same "get-tree" "$status" 0
ok "progress" grep -qE 'get-tree: [0-9]+ of 9 files' shown
unset MSTORE_LATENCY
ok "contents" diff -r tree back

# short work shows none
on_terminal ls "$src"
ok "no progress" test "$(grep -c "$esc" shown)" = 0
# standard input is a terminal
on_terminal put "$src" data/x
same "a terminal is no input" "$status" 2
ok "says so" grep -q "standard input is a terminal" shown

# ---- what a member of many has missed is counted, too
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=300ms
conf home '[namespace]' 'kind = immutable' 'redundancy = copies 3' 'verify = none'
expect 0 create home.conf
mv home.two away
expect 0 copy "$src" home.conf
mv away home.two
export MSTORE_LATENCY=30000
on_terminal heal home.conf --jobs 1
unset MSTORE_LATENCY
same "heal" "$status" 0
ok "notes" grep -qE 'heal: [1-9][0-9]* notes, .*/s' shown
mv home.two away
echo more >value
expect 0 put home.conf more value
mv away home.two
expect 0 heal home.conf # no line that is drawn over where nobody looks
ok "no progress" test "$(cat out err | grep -c "$esc")" = 0
finish
