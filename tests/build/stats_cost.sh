#!/bin/bash
# stats_cost.sh BUILD - what the statistics cost a 4 KiB load from a local folder, in user-space
# instructions (counted by callgrind, the same on every machine). The kernel's part of the load, several
# times as large, is not seen by it, so the share of the whole load is smaller than what is printed.
set -eu
cd "$(dirname "$0")/../.."
program=$1/bench/mstore-loads
most_instructions=${STATS_COST_MOST:-150} # per load: once for the backend, once for the namespace
work=$(mktemp -d "${TMPDIR:-/tmp}/mstore-cost.XXXXXX")
trap 'rm -rf "$work"' EXIT
export MSTORE_STATS_DIR=$work/stats

counted() { # LOADS -> "all statistics"
    rm -rf "$work/store"
    valgrind --tool=callgrind --callgrind-out-file="$work/out" "$program" "$work/store" "$1" >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; exit 1; }
    callgrind_annotate --threshold=100 --show-percs=no "$work/out" | awk '
        { gsub(",", "", $1) }
        /PROGRAM TOTALS/ { all = $1 }
        /:ms_entity_(begin|count)( |$)/ { stats += $1 }
        END { print all, stats + 0 }'
}

read -r all_few stats_few < <(counted 1000)
read -r all_many stats_many < <(counted 3000)
per_load=$(((all_many - all_few) / 2000))
per_stats=$(((stats_many - stats_few) / 2000))
echo "a load: $per_load instructions, of them for statistics: $per_stats"
[ "$per_stats" -gt 0 ] || { echo "no statistics were seen: is the function's name still right?"; exit 1; }
[ "$per_stats" -le "$most_instructions" ] || { echo "more than $most_instructions"; exit 1; }
