#!/usr/bin/env bash
# scrub, heal and rebalance, as the owner of three folders meets them: one is emptied, files of
# another rot, one is lost and comes back empty. Afterwards every byte and every member is compared.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=400ms

own() { # FOLDER - all of MStore's own in it but the mark and the layout, with digests
    (cd "$1" && find . -type f -path './mstore-*' ! -name member ! -path '*/layout/*' -print0 |
        sort -z | xargs -0r sha256sum)
}
number() { grep -oE "\"$1\": *[0-9]+" out | head -1 | grep -oE '[0-9]+$'; } # of the last --json
values() { # every item is what was stored
    local key
    for key in $(cat keys); do
        expect 0 get home.conf "$key"
        same "$key" "$(sha256sum <out)" "$(sha256sum <"values/${key//\//_}")"
    done
}

conf home '[namespace data]' 'kind = immutable' 'redundancy = copies 2' \
    '[namespace safe]' 'kind = immutable' 'redundancy = ec 2+1' 'compress = zstd' \
    '[namespace config]' 'kind = mutable' 'redundancy = all'
expect 0 create home.conf
mkdir values
for i in $(seq -w 1 12); do
    for ns in data safe config; do
        head -c $((10#$i * 9871)) /dev/urandom >"values/${ns}_key$i"
        expect 0 put home.conf "$ns/key$i" "values/${ns}_key$i"
        echo "$ns/key$i" >>keys
    done
done
for member in one two three; do own "home.$member" >"before.$member"; done
all() { # every member is as it was at first, byte by byte
    local member
    for member in one two three; do
        own "home.$member" >"now.$member"
        same "member $member $1" "$(diff "before.$member" "now.$member" | head -5)" ""
    done
}

# ---- nothing is wrong
expect 0 scrub home.conf
prints "36 keys looked at, 0 not as they should be"
silent
expect 0 scrub home.conf --deep --json
same "keys" "$(number keys)" 36
prints '"clean":true'
expect 0 heal home.conf
all "untouched"

# ---- one is emptied, all but its mark
lost=$(wc -l <before.two)
find home.two/mstore-* -type f ! -name member ! -path '*/layout/*' -delete
expect 7 scrub home.conf --json
same "wanting" "$(number wanting)" "$lost"
expect 7 scrub home.conf
says "is missing"
says "mstore: scrub: "
expect 7 heal home.conf --dry-run
same "dry run" "$(own home.two)" ""
expect 0 heal home.conf
prints "put right"
all "healed"
expect 0 scrub home.conf --deep
values

# ---- one in a hundred files of another rots, at least one
flip() { # FILE - one bit of its middle
    python3 - "$1" <<'EOF'
import sys
b = bytearray(open(sys.argv[1], 'rb').read())
if b:
    b[len(b) // 2] ^= 1
    open(sys.argv[1], 'wb').write(b)
EOF
}
cut -c67- before.three | awk 'NR % 10 == 3' | while read -r file; do flip "home.three/$file"; done
rotten=$(own home.three | diff before.three - | grep -c '^>')
ok "some rot" test "$rotten" -gt 0
expect 0 scrub home.conf # sizes and names are right
expect 7 scrub home.conf --deep --json
same "damaged" "$(number damaged)" "$rotten"
expect 0 heal home.conf --deep --json
all "mended"

# ---- a member is lost, another disk takes its place under the same mark
mark=$(cd home.one && echo mstore-*/member)
cp "home.one/$mark" mark
rm -r home.one
expect 5 scrub home.conf
values # still there
mkdir -p "home.one/$(dirname "$mark")"
cp mark "home.one/$mark"
expect 0 heal home.conf --bandwidth 800mbit
all "refilled"
expect 0 scrub home.conf --deep --namespace safe --sample 50%

# ---- stored while a member was away
mv home.two away
head -c 5000 /dev/urandom >values/safe_late
expect 0 put home.conf safe/late values/safe_late
echo safe/late >>keys
mv away home.two
"$MSTORE" status home.conf --json >out 2>err # its breaker may still be open
prints '"behind":true'
expect 0 heal home.conf --json
expect 0 status home.conf --json
ok "nobody is behind" bash -c '! grep -q "\"behind\":true" out'
for member in one two three; do
    same "notes on $member" "$(cd home.$member && find . -path '*/hint/*')" ""
done
# folders that somebody who died has left say nothing, a note in one does
about=$(sed -n 's/^uuid = //p' home.one/mstore-*/member | tr -d - | tail -n 1)
hints=$(echo home.two/mstore-*/val)
hints=${hints%/val}/hint/$about
mkdir -p "$hints/n.safe!/k.aa,/k.late!"
expect 0 status home.conf --json
ok "empty folders" bash -c '! grep -q "\"behind\":true" out'
: >"$hints/n.safe!/k.aa,/k.late!/0000000000000001-0000000000000001"
expect 0 status home.conf --json
prints '"behind":true'
rm -r "${hints%/*}"
expect 0 scrub home.conf --deep
values

# ---- interrupted: the next one goes on
for member in one two three; do own "home.$member" >"before.$member"; done
find home.two/mstore-*/val -type f -delete
timeout --foreground --preserve-status -s INT 1.5 "$MSTORE" heal home.conf --bandwidth 1mbit >out 2>err
same "interrupted" $? 130
says "the next run goes on where this one was"
same "cursor" "$(find state -name '*.heal' | wc -l)" 1
expect 0 heal home.conf
prints "going on where it was interrupted"
same "no cursor" "$(find state -name '*.heal' | wc -l)" 0
all "after two runs"
expect 0 scrub home.conf --deep

# ---- what the interrupted one has left is not forgotten by the one that goes on
gone=$(find home.two/mstore-*/obj -type f | sort | head -1)
mv "$gone" kept
timeout --foreground --preserve-status -s INT 3 "$MSTORE" scrub home.conf --deep --jobs 1 --bandwidth 3mbit >out 2>err
same "interrupted" $? 130
mv kept "$gone"
expect 7 scrub home.conf --deep
prints "going on where it was interrupted"
prints ", 1 left"
says "1 key is not as it should be"
expect 0 scrub home.conf --deep

# ---- mirrors: files as they are
plain() { # FOLDER
    (cd "$1" && find . -type f -not -path './mstore-*' -print0 | sort -z | xargs -0r sha256sum)
}
mirrors() {
    for member in two three; do
        same "mirror $member $1" "$(diff <(plain mirror.one) <(plain mirror.$member))" ""
    done
}
MSTORE_STATE_DIR=$T/state.mirror # its key is the other store's
conf mirror '[namespace]' 'kind = plain' 'redundancy = all' 'levels = 1' \
    '[namespace sums]' 'kind = plain' 'redundancy = copies 2' 'verify = sha256'
expect 0 create mirror.conf
for i in $(seq -w 1 12); do expect 0 put mirror.conf "data/ab$i" "values/data_key$i"; done
sum=$(sha256sum <values/data_key03 | cut -c-64)
expect 0 put mirror.conf "sums/$sum" values/data_key03
expect 0 heal mirror.conf --deep
prints "13 keys looked at, 0 not as they should be"
sums=$(find mirror.* -path "*sums*" -name "$sum")
same "copies" "$(wc -w <<<"$sums")" 2
plain mirror.one | grep -v sums >before
rm -r mirror.two/data
expect 7 scrub mirror.conf --json
same "wanting" "$(number wanting)" 12
expect 0 heal mirror.conf
same "filled again" "$(plain mirror.two | grep -v sums | diff before -)" ""
# a bit flips in one copy of three; in one of two, where the key says which is right
flip mirror.three/data/ab/ab05
flip "$(head -1 <<<"$sums")"
expect 0 scrub mirror.conf
expect 7 scrub mirror.conf --deep
says "differs from the one that counts"
expect 0 heal mirror.conf --deep
for member in two three; do
    same "bits of $member" "$(plain mirror.$member | grep -v sums | diff before -)" ""
done
same "by its sum" "$(sha256sum <"$(head -1 <<<"$sums")" | cut -c-64)" "$sum"
# most say that it was soft-deleted
for member in one three; do mv mirror.$member/data/ab/ab07 mirror.$member/data/ab/ab07.del; done
expect 0 heal mirror.conf
ok "soft-deleted" test -f mirror.two/data/ab/ab07.del -a ! -e mirror.two/data/ab/ab07
# three values, none the most: nothing is touched
for member in one two three; do echo $member >mirror.$member/data/ab/ab09; done
expect 7 heal mirror.conf --deep
says "none is known to be right"
for member in one two three; do same "kept" "$(cat mirror.$member/data/ab/ab09)" $member; done

# ---- what makes no sense
expect 2 scrub home.conf --sample 0%
expect 2 scrub home.conf --namespace nothing/there
expect 2 heal "file://$T/home.one"
finish
