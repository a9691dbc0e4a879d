#!/bin/bash
# Ctrl-C in the middle of long work: it ends soon, says how to go on, leaves nothing half, and the
# next run completes it.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
interrupt() { # SIGNAL CONDITION ARGUMENT... - the status it ended with is in $status
    local signal=$1 condition=$2
    shift 2
    status=$(python3 "$SOURCE/tests/cli/interrupt.py" "$signal" "$condition" "$MSTORE" "$@" 2>err |
        tail -n 1)
}
more_than() { # a condition: more than N files below a folder
    echo "[ \$(find '$2' -type f ! -name '*.tmp' ! -name '.mstore-*' 2>/dev/null | wc -l) -gt $1 ]"
}
no_temporary() {
    same "no temporary" "$(find "$T" -name '*.tmp' -not -path '*/stats/*')" ""
}
fresh src
src=$url
fresh dst
dst=$url
mkdir tree large
noise 120000 1 | split -b 2000 - tree/
# windows of a copy are large: values too large for a batch go one by one
noise 12000000 2 | split -b 2000000 - large/
"$MSTORE" put-tree "$src" data tree >out
"$MSTORE" put-tree "$src" big large >out
items=$("$MSTORE" ls "$src" | wc -l)
same "items" "$items" 68

# put: from a pipe that gives no more
mkfifo hold
sleep 1000 >hold &
holder=$!
for signal in INT TERM; do
    interrupt $signal "find '$T/dst' -type f | grep -q ." \
        put "$dst" data/held hold
    same "put" "$status" 130
    says "interrupted"
    one_line
done
kill "$holder"
expect 3 info "$dst" data/held
no_temporary

export MSTORE_LATENCY=20000
interrupt INT "$(more_than 2 "$T/dst")" copy "$src" "$dst" --jobs 1
same "copy" "$status" 130
says "interrupted; run the same command again to go on"
unset MSTORE_LATENCY
no_temporary
there=$("$MSTORE" ls "$dst" | wc -l)
ok "a part is there ($there)" test "$there" -lt "$items"
expect 0 copy "$src" "$dst" --json
same "the rest follows" "$(json 'd["copied"] + d["same"]')" "$items"
same "what was there stays" "$(json 'd["same"]')" "$there"

fresh store
export MSTORE_LATENCY=20000
interrupt INT "find '$T/store' -type f | grep -q ." put-tree "$url" photos tree --jobs 1
unset MSTORE_LATENCY
same "put-tree" "$status" 130
says "no index was written"
expect 3 info "$url" photos/index
no_temporary
expect 0 put-tree "$url" photos tree
export MSTORE_LATENCY=20000
interrupt TERM "$(more_than 2 "$T/back")" get-tree "$url" photos back --jobs 1
unset MSTORE_LATENCY
same "get-tree" "$status" 130
says "run the same command again"
there=$(find back -type f | wc -l)
ok "a part is there ($there)" test "$there" -lt 60
no_temporary
expect 0 get-tree "$url" photos back --json
same "what was there stays" "$(json '(d["same"], d["written"])')" "($there, $((60 - there)))"
ok "contents" diff -r tree back

noise 5000000 9 | "$MSTORE" put "$url" data/big -
export MSTORE_LATENCY=20000 MSTORE_BANDWIDTH=8000000
interrupt INT "[ -n \"\$(find '$T' -maxdepth 1 -name 'target*.tmp')\" ]" get "$url" data/big target
unset MSTORE_LATENCY MSTORE_BANDWIDTH
same "get" "$status" 130
ok "no half file" test ! -e target
no_temporary

# bench cleans up
fresh bench
export MSTORE_LATENCY=20000
interrupt INT "$(more_than 2 "$T/bench")" bench "$url" --count 1000 --jobs 2
unset MSTORE_LATENCY
same "bench" "$status" 130
same "cleaned up" "$("$MSTORE" ls "$url" --all)" ""
finish
