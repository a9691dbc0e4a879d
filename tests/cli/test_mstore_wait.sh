#!/usr/bin/env bash
# Waits of a store of many: a line about them on a terminal, none elsewhere; Ctrl-C meanwhile says
# what state things are in, and the next run goes on.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=1200ms
esc=$(printf '\033')
on_terminal() { # ARGUMENT... - what is shown goes to "out", the status to $status
    local command="'$MSTORE'"
    for argument; do command="$command '$argument'"; done
    script -qec "$command" /dev/null </dev/null >out 2>&1
    status=$?
}
interrupt() { # CONDITION ARGUMENT... - Ctrl-C once it holds; the status is in $status
    local condition=$1
    shift
    status=$(python3 "$SOURCE/tests/cli/interrupt.py" INT "$condition" "$MSTORE" "$@" 2>err |
        tail -n 1)
}
layout() { # EPOCH p|f - a condition: it is proposed, in force, on all members, since a moment
    echo "[ \$(ls $T/home.*/mstore-*/layout/*$1.$2 2>/dev/null | wc -l) -ge 3 ] && sleep 0.3"
}
conf home '[namespace data]' 'kind = immutable' 'verify = none' 'redundancy = copies 3' 'levels = 0'
expect 0 create home.conf
for key in a b c d e f; do echo hi | "$MSTORE" put home.conf data/$key -; done

# ---- a change of members
on_terminal add home.conf four "file://$T/home.four?sync=none"
same "add" "$status" 0
prints "waiting until all clients have heard that layout 2 is proposed: 1 s"
prints "waiting until all clients have heard that layout 2 is in force: 1 s"
ok "the line is cleaned" grep -q "$esc\[Kmember four is in layout 2" out

interrupt "$(layout 3 p)" drain home.conf four
same "drain" "$status" 130
says "interrupted; layout 3 is proposed, clients use it and layout 2 together; run it again to go on"
one_line
expect 0 get home.conf data/a
interrupt "$(layout 3 f)" drain home.conf four
same "drain" "$status" 130
says "interrupted; layout 3 is in force; run it again to go on"
one_line
begin=${EPOCHREALTIME/./}
expect 0 drain home.conf four # piped: not a word about waits
silent
prints "member four is gone"
# those who had not heard that it is draining are waited for before it is emptied; then two waits
ok "no wait is left out" test $((${EPOCHREALTIME/./} - begin)) -ge 3960000

# ---- a deletion that misses members
mv home.two home.two.off
on_terminal rm home.conf data/a
same "rm" "$status" 0
prints "waiting until no client believes member two: 1 s"
expect 3 get home.conf data/a
on_terminal rm home.conf data/d # the next process need not wait
same "rm" "$status" 0
ok "no second wait" bash -c '! grep -q "waiting until" out'
expect 3 get home.conf data/d
for change in 's/^boot = ......../boot = 00000001/' 's/^since = .*/since = 9223372036854775807/'; do
    sed -i "$change" state/*.state # of another boot, of the future
    key=$([[ $change = *boot* ]] && echo e || echo f)
    on_terminal rm home.conf data/$key
    same "rm" "$status" 0
    prints "waiting until no client believes member two: 1 s"
done
expect 5 status home.conf
mv home.two.off home.two
rm -r state # its breaker
find home.[ot]* -type f -exec touch -d '30 minutes ago' {} + # what two has of a is no writer's
expect 0 heal home.conf
# ---- it is believed again after a second heal, a quarter of an hour later
expect 0 status home.conf
ok "when" grep -qE '^two .*ok, believed again from [0-2][0-9]:[0-5][0-9] on: run mstore heal then$' out
expect 0 status home.conf --json
now=$(date +%s)
from=$(date -d "$(json 'd["members"][1]["believed_from"]')" +%s)
ok "in a quarter of an hour" test $((from - now)) -gt 840 -a $((from - now)) -le 910
find home.* -path '*/away/*' -exec touch -d '20 minutes ago' {} +
expect 0 status home.conf
prints "ok, believed again after one more mstore heal"
expect 0 heal home.conf
expect 0 status home.conf --json
same "marked" "$(json '[m["marked"] for m in d["members"]]')" "[False, False, False, False]"
mv home.one home.one.off
interrupt "ls $T/home.two/mstore-*/away/* >/dev/null 2>&1 && sleep 0.3" rm home.conf data/b
same "rm" "$status" 130
says "interrupted; what was done is done, what was under way may be"
one_line
mv home.one.off home.one

# ---- a member that comes lacks nothing
interrupt "$(layout 5 p)" add home.conf five "file://$T/home.five?sync=none"
same "add" "$status" 130
expect 0 status home.conf
ok "it comes" grep -qE '^five .*ok, it comes with the layout that is proposed$' out
expect 0 status home.conf --json
same "joining" "$(json '[m["joining"] for m in d["members"]]')" "[False, False, False, False, True]"
finish
