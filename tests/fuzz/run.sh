#!/bin/sh
# tests/fuzz/run.sh SECONDS [TARGET…] - builds the fuzz targets with clang and runs each that long.
# New inputs go to build/fuzz/found/TARGET; a failing one is left there, named crash-*, and makes
# the script fail. `tests/fuzz/run.sh minimise` merges what was found into the committed corpus.
set -eu
cd "$(dirname "$0")/../.."
what=${1:?usage: tests/fuzz/run.sh SECONDS|minimise [TARGET…]}
shift
if [ $# = 0 ]; then # all there are
    for source in tests/fuzz/fuzz_*.c; do
        target=${source#tests/fuzz/fuzz_}
        set -- "$@" "${target%.c}"
    done
fi

cmake --preset fuzz >/dev/null
programs=
for target; do programs="$programs fuzz_$target"; done
# shellcheck disable=SC2086 # one word each
cmake --build --preset fuzz --target $programs

if [ "$what" = minimise ]; then
    for target; do
        found=build/fuzz/found/$target corpus=tests/fuzz/corpus/$target
        mkdir -p "$found"
        rm -rf "$found.small" && mkdir "$found.small"
        "build/fuzz/tests/fuzz/fuzz_$target" -merge=1 -close_fd_mask=3 "$found.small" "$corpus" "$found"
        cp -n "$found.small"/* "$corpus"/
    done
    exit
fi

# one SECONDS TARGET - says in one line what came of it
# shellcheck disable=SC2016
one='
found=build/fuzz/found/$2
mkdir -p "$found"
if "build/fuzz/tests/fuzz/fuzz_$2" -max_total_time="$1" -max_len=4096 -rss_limit_mb=1024 \
    -print_final_stats=1 -artifact_prefix="$found/" "$found" "tests/fuzz/corpus/$2" >"$found.log" 2>&1
then
    echo "fuzz_$2: $(sed -n "s/^stat::number_of_executed_units: *//p" "$found.log") inputs in $1 s"
else
    grep -E "ERROR|assert|runtime error" "$found.log"
    echo "fuzz_$2: FAILED, see build/fuzz/found/$2.log"
    exit 1
fi
'
printf '%s\n' "$@" | xargs -P "$(nproc)" -I{} sh -c "$one" _ "$what" {}
