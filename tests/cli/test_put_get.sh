#!/bin/bash
# put and get: pipes, ranges, large values, files that appear whole, full disks, no rights.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh store

# sizes around the block
for size in 0 1 1048575 1048576 1048577 5000000; do
    noise $size $size >value
    expect 0 put "$url" "data/$size" value
    expect 0 get "$url" "data/$size" back
    same_file "$size bytes by file" value back
    expect 0 put "$url" "data/pipe" <value
    "$MSTORE" get "$url" data/pipe | cmp - value
    same "$size bytes by pipe" "$?" 0
done

# a slow writer into the pipe, in odd pieces
{
    printf abc
    printf ""
    head -c 100000 value
} | "$MSTORE" put "$url" data/pieces -
{ printf abc && head -c 100000 value; } >pieces
"$MSTORE" get "$url" data/pieces | cmp - pieces
same "pieces" "$?" 0

# ranges, small and large, with units, beyond both ends
range() { # FROM(python) ARGUMENT...
    local slice=$1
    shift
    python3 -c 'import sys; v = open("value", "rb").read(); sys.stdout.buffer.write('"$slice"')' >want
    expect 0 get "$url" data/5000000 "$@"
    same_file "range $*" out want
}
range 'v[:10]' --size 10
range 'v[4096:4106]' --offset 4k --size 10
range 'v[-100:]' --offset -100
range 'v[-100:-50]' --offset -100 --size 50
range 'v[-2097152:]' --offset -2MiB
range 'v[1:3*2**20+1]' --offset 1 --size 3MiB
range 'v' --offset -1TiB
range 'v[4999999:]' --offset 4999999 --size 1TiB
range 'b""' --offset 5000000
range 'b""' --offset 1T
range 'b""' --size 0

# the target is replaced, whole, with its mode; links lead on; devices are written to
echo old >target
chmod 640 target
ln -s target link
expect 0 get "$url" data/1 link
same_file "through a link" target <("$MSTORE" get "$url" data/1)
ok "still a link" test -L link
same "mode kept" "$(stat -c %a target)" 640
expect 0 get "$url" data/5000000 /dev/null
ok "a device stays one" test -c /dev/null
expect 3 get "$url" data/none target2
ok "no half file" test ! -e target2
same "no temporary" "$(find . -maxdepth 1 -name '*.tmp')" ""

# a target without room: nothing half is left
(
    ulimit -f 1000
    trap '' XFSZ
    "$MSTORE" get "$url" data/5000000 limited 2>err
    echo $? >status
)
same "no room" "$(cat status)" 1
says "limited"
ok "no half file" test ! -e limited
same "no temporary" "$(find . -maxdepth 1 -name '*.tmp')" ""
# the same for the store
(
    ulimit -f 1000
    trap '' XFSZ
    "$MSTORE" put "$url" data/limited value 2>err
    echo $? >status
)
same "no room" "$(cat status)" 1
expect 3 info "$url" data/limited

# if absent: of many at once exactly one wins
for i in 1 2 3 4 5 6 7 8; do
    (
        printf %s "$i" | "$MSTORE" put "$url" locks/one --if-absent - 2>/dev/null
        echo $? >"race$i"
    ) &
done
wait
same "one winner" "$(sort race? | uniq -c | tr -s ' \n' ' ')" " 1 0 7 4 "
winner=$(grep -l '^0' race?)
same "its value" "$("$MSTORE" get "$url" locks/one)" "${winner#race}"

# without the right
chmod 755 "$T"
cp "$MSTORE" "$T/program"
mkdir "$T/stats-user"
chmod 777 "$T/stats-user"
chmod 700 "$T/store"
[ "$(id -u)" = 0 ] || chmod 000 "$T/store"
MSTORE_STATS_DIR=$T/stats-user as_user "$T/program" get "$url" data/1 >out 2>err
same "no right to the store" "$?" 1
one_line
says "ermission denied"
chmod 755 "$T/store"
chmod -R a+rX "$T/store"
mkdir readonly
chmod 555 readonly
MSTORE_STATS_DIR=$T/stats-user as_user "$T/program" get "$url" data/1 readonly/file >out 2>err
same "no right to the target" "$?" 1
says "readonly/file"
finish
