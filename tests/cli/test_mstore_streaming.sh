#!/usr/bin/env bash
# A value of a mutable key, much larger than the memory that a command may use, goes into a store of
# many members and out again.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state TMPDIR=$T/tmp
mkdir tmp
bytes=$((40 << 20)) most= # a sanitizer needs more of both
[ -z "${MOST_KIB:-}" ] || { bytes=$((128 << 20)) most=100000; }

wanted=$(stream | sha256sum)
{
    printf '[mstore]\nkey = %064d\n' 7
    for member in one two three; do
        printf '[member %s]\nurl = file://%s/%s?sync=none\n' $member "$T" $member
    done
    printf '[member w]\nurl = file://%s/w?sync=none\nstate = witness\n' "$T"
    printf '[namespace]\nkind = mutable\nredundancy = copies 2\n'
    printf '[namespace shards]\nkind = mutable\nredundancy = ec 2+1\n'
} >home.conf
chmod 600 home.conf
expect 0 create home.conf
for key in big shards/big; do
    stream | peak put home.conf $key -
    same "$key: put" "${PIPESTATUS[1]}" 0
    small "$key: put" "${most:-100000000}"
    peak get home.conf $key back
    same "$key: the same bytes" "$(sha256sum <back)" "$wanted"
    small "$key: get" "${most:-100000000}"
    same "nothing is left in \$TMPDIR" "$(ls tmp)" ""
done
expect 0 get home.conf big --offset $((bytes - 70000)) --size 65536
same "a range" "$(sha256sum <out)" "$(stream | tail -c 70000 | head -c 65536 | sha256sum)"

# ---- replaced: the version before is gone, and nothing of a broken-off one is seen
head -c 9000000 /dev/urandom >next
expect 0 put home.conf big next
expect 0 get home.conf big back
same_file "replaced" back next
objects() { find one two three w -type f -path '*/obj/*k.big!/*' | wc -l; }
until [ "$(objects)" -le 6 ]; do read -r -t 0.05 <> <(:) || true; done # of both keys
same "only the new ones" "$(find one two three -type f -path '*/obj/*' -size +100M | grep -c /n.shards)" \
    "$(find one two three -type f -path '*/obj/*' -size +100M | wc -l)"
stream | head -c 20000000 >part
TMPDIR=$T/nowhere expect 1 put home.conf big part
says "TMPDIR"
expect 0 get home.conf big back
same_file "as it was" back next

# ---- a member away
mv two away
rm -rf "$MSTORE_STATE_DIR"
expect 0 put home.conf big part
expect 0 get home.conf big back
same_file "with a member away" back part
mv away two
rm -rf "$MSTORE_STATE_DIR"
expect 0 get home.conf big back
same_file "the newest, with all there" back part
finish
