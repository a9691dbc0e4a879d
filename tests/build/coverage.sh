#!/bin/bash
# coverage.sh BUILD - line coverage of every room from the counters in BUILD; fails below 90 %.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
least=${COVERAGE_LEAST:-90}

# One pass over the counters, then one line a room; without the files that are built a second time in
# another way, whose functions lie elsewhere.
gcovr --root . --object-directory "$build" --gcov-ignore-parse-errors -j "$(nproc)" --csv \
    --filter 'base/' --filter 'backends/' --filter 'emulator/' --filter 'store/' --filter 'mstore/' \
    --filter 'server/' --filter 'tools/' --exclude 'build/' --exclude-directories '.*test_mstore_without.*' -o "$build/coverage.csv" || exit 1
awk -F, -v least="$least" '
    NR == 1 { next }
    {
        split($1, part, "/"); room = part[1]
        lines[room] += $2; hit[room] += $3; all += $2; allhit += $3
        if ($2 > 20 && $3 / $2 < 0.85) weak = weak sprintf("    %5.1f %%  %s\n", 100 * $3 / $2, $1)
    }
    END {
        printf "room       lines  covered\n"
        for (room in lines) {
            share = 100 * hit[room] / lines[room]
            printf "%-9s %6d   %5.1f %%\n", room, lines[room], share
            if (share < least) { printf "  below %d %%\n", least; bad = 1 }
        }
        printf "%-9s %6d   %5.1f %%\n", "all", all, 100 * allhit / all
        if (weak) printf "files below 85 %%:\n%s", weak
        if (!all) bad = 1
        exit bad
    }' "$build/coverage.csv"
