#!/usr/bin/env bash
# A mirror of plain keys is switched off while keys are stored, replaced, deleted and renamed, and
# comes back: what status says before, meanwhile and afterwards, and that one heal makes all equal.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=300ms

conf home '[namespace]' 'kind = plain' 'redundancy = copies 3' \
    '[namespace config]' 'kind = mutable' 'redundancy = copies 3'
expect 0 create home.conf
files() { (cd "home.$1" && find . -type f -not -path './mstore-*' -exec sha256sum {} + | sort -k2); }
text() { tr '\n' ' ' <out; }

for key in kept replaced removed renamed hidden; do
    echo "first $key" >value
    expect 0 put home.conf $key value
done
expect 0 status home.conf
ok "all may be lost that may" grep -qE 'plain .*on 3 members, 2 may be lost$' out
expect 0 status home.conf --json
ok "nobody is behind" bash -c '! grep -q "\"behind\":true" out'

# ---- away
mv home.two away
echo "second replaced" >value
expect 0 put home.conf replaced value
expect 0 put home.conf new value
expect 0 put home.conf config/x value
expect 0 rm home.conf removed
expect 0 mv home.conf renamed other
expect 0 rm home.conf hidden --soft
expect 5 status home.conf
ok "one less" grep -qE 'plain .*on 3 members, 2 may be lost, now 1$' out
ok "of config" grep -qE 'config .*on 3 members, 1 may be lost, now 0$' out
says "1 of 3 members cannot be used"
expect 5 status home.conf --json
ok "who" grep -qE '"name":"two",[^}]*"answers":false,[^}]*"behind":true,[^}]*"breaker":"open"' out
ok "not the others" test "$(grep -oE '"behind":true' out | wc -l)" = 1

# ---- back, and not believed before heal
mv away home.two
expect 0 get home.conf replaced
same "replaced" "$(cat out)" "second replaced"
expect 3 get home.conf removed
expect 0 ls home.conf
same "listed" "$(cut -d' ' -f1 out | sort | tr '\n' ' ')" "config/x kept new other replaced "
expect 0 heal home.conf
ok "when the next run is due" grep -q '^two: believed again from [0-9][0-9]:[0-9][0-9] on: run mstore heal then$' out
ok "of the others nothing" bash -c '! grep -q -E "^(one|three): " out'
for member in two three; do
    same "mirror $member" "$(diff <(files one) <(files $member))" ""
done
same "what there is" "$(files two | wc -l)" 5
expect 0 status home.conf
prints "believed again from"
expect 0 status home.conf --json
ok "it answers" grep -qE '"name":"two",[^}]*"answers":true,[^}]*"marked":true,[^}]*"breaker":"closed"' out
expect 0 heal home.conf
for member in one two three; do # each by itself, as any Store
    same "of $member" "$(cat home.$member/replaced)" "second replaced"
    ok "gone from $member" test ! -e home.$member/removed -a ! -e home.$member/renamed
done
finish
