#!/bin/sh
# tests/fuzz/run.sh SECONDS [TARGET…] - builds the fuzz targets with clang and runs each that long.
# New inputs go to build/fuzz/found/TARGET; a failing one is left there, named crash-*, and makes
# the script fail. `tests/fuzz/run.sh minimise` merges what was found into the committed corpus.
set -eu
cd "$(dirname "$0")/../.."
what=${1:?usage: tests/fuzz/run.sh SECONDS|minimise [TARGET…]}
shift
[ $# -gt 0 ] || set -- names url ini range stats_file tree_index permissions rest_listing rest_answer rest_range

cmake --preset fuzz >/dev/null
programs=
for target; do programs="$programs fuzz_$target"; done
# shellcheck disable=SC2086 # one word each
cmake --build --preset fuzz --target $programs

failed=
for target; do
    found=build/fuzz/found/$target corpus=tests/fuzz/corpus/$target
    program=build/fuzz/tests/fuzz/fuzz_$target
    mkdir -p "$found"
    if [ "$what" = minimise ]; then
        rm -rf "$found.small" && mkdir "$found.small"
        "$program" -merge=1 -close_fd_mask=3 "$found.small" "$corpus" "$found"
        cp -n "$found.small"/* "$corpus"/
        continue
    fi
    echo "fuzz_$target: $what s"
    "$program" -max_total_time="$what" -max_len=4096 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="$found/" "$found" "$corpus" >"$found.log" 2>&1 || failed="$failed $target"
    grep -E 'stat::number_of_executed_units|ERROR|assert' "$found.log" || true
done
if [ -n "$failed" ]; then
    echo "failed:$failed (see build/fuzz/found/*.log)"
    exit 1
fi
