#!/bin/sh
# mstore-stats on real files: every output, every way to name a source, bad input, hostile files.
# usage: test_stats.sh MSTORE-STATS MAKE_STATS SOURCE-FOLDER
set -eu
stats=$1 make=$2 here=$3
work=$(mktemp -d)
maker=
finish() {
    exec 9>&- || :
    [ -z "$maker" ] || wait "$maker" || :
    rm -rf "$work"
}
trap finish EXIT
MSTORE_STATS_DIR=$work/run
export MSTORE_STATS_DIR

fail() {
    echo "FAILED: $*" >&2
    exit 1
}
# expect CODE COMMAND...: its exit code; output in $work/out, errors in $work/err
expect() {
    wanted=$1
    shift
    code=0
    "$@" >"$work/out" 2>"$work/err" || code=$?
    [ "$code" = "$wanted" ] || {
        cat "$work/out" "$work/err" >&2
        fail "$* ended with $code, not $wanted"
    }
}
# in one sentence, and nothing else
one_sentence() {
    [ "$(wc -l <"$work/err")" = 1 ] || fail "not one line: $(cat "$work/err")"
    grep -q "^mstore-stats: " "$work/err" || fail "who says so? $(cat "$work/err")"
    grep -q -- "$1" "$work/err" || fail "no \"$1\" in: $(cat "$work/err")"
}
has() {
    grep -qE -- "$1" "$work/out" || {
        cat "$work/out" >&2
        fail "no \"$1\""
    }
}

# ---- a store of many members
"$make" mstore "$work/many"
expect 0 "$stats" "$work/many"
has 'store home.conf'
has ' member nas$'
has 'events: hedges 1, degraded 7'
has 'events: breaker_opened 1'
expect 0 "$stats" --json "$work/many"
python3 - "$work/out" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
s = [s for s in d["stores"] if s["store"] == "home.conf"][0]
assert (s["load_calls"], s["load_volume"]) == (7, 3500), s["load_calls"] # of the namespaces alone
assert (s["backend_load_calls"], s["backend_load_volume"]) == (7, 3948)
e = s["events"]
assert (e["hedges"], e["degraded"], e["breaker_opened"], e["repairs"]) == (1, 7, 1, 0), e
usb = [e for e in s["entities"] if e["kind"] == "member" and e["name"] == "usb"][0]
assert usb["events"]["breaker_opened"] == 1 and usb["errors"] == {"TIMEOUT": 1}
PY
expect 0 "$stats" --prometheus "$work/many"
has 'mstore_events_total.kind="namespace",store="home.conf",namespace="data",event="degraded". 7'
has 'mstore_events_total.kind="member",store="home.conf",namespace="usb",event="breaker_opened". 1'
python3 "$here/check_prometheus.py" <"$work/out"
expect 0 "$stats" --html "$work/many.html" "$work/many"
grep -q '<p>Events: hedges 1, degraded 7, breaker_opened 1</p>' "$work/many.html" || fail "no events"

# ---- saved files
"$make" save "$work/a" "$work/b"
[ ! -e "$work/run" ] || [ -z "$(ls "$work/run")" ] || fail "the maker left its shared file"
expect 0 "$stats" "$work/a"
has 'store file:///srv/store'
has 'store sftp://user@host/backup'
has 'namespace "data"'
has 'load +100 +0 +0 +400.0 KiB +3.6 MiB/s +1.2 ms +2.0 ms +2.1 ms +2.1 ms +109.0 ms'
has 'load +100 +0 +1 .*50.0 ms$'
has 'errors: NO_SPACE 1'
has 'errors: NOT_FOUND 1, NO_SPACE 1' # of the store as a whole
has 'moved: 400.0 KiB read, 123 B written'
has 'cache: 3 hits, 1 misses \(75.0 % hits\)'

expect 0 "$stats" --json "$work/a"
python3 - "$work/out" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
s = d["stores"][0]
assert s["store"] == "file:///srv/store"
assert (s["load_calls"], s["load_volume"], s["store_calls"], s["info_calls"]) == (100, 409600, 10, 1)
assert abs(s["load_time"] - 0.109) < 1e-6, s["load_time"]
assert abs(s["load_throughput"] - 409600 / 0.109) < 1
assert (s["hash_calls"], s["move_calls"], s["list_calls"]) == (0, 0, 0)
assert (s["backend_load_calls"], s["backend_load_volume"]) == (100, 409600)
assert (s["cache_load_calls"], s["cache_load_volume"]) == (1, 4096)
assert s["errors"] == {"NOT_FOUND": 1, "NO_SPACE": 1}
cache = [e for e in s["entities"] if e["kind"] == "cache"][0]
assert (cache["cache_hits"], cache["cache_misses"], cache["cache_hit_ratio"]) == (3, 1, 0.75)
backend = [e for e in s["entities"] if e["kind"] == "backend"][0]
assert backend["load_emulated_time"] == 0.05 and backend["load_retries"] == 1
assert backend["moved_in"] == 409600 and backend["moved_out"] == 123
assert sum(n for _, n in s["histograms"]["load"]) == 100
assert d["samples"][-1]["calls"] == 224
PY

expect 0 "$stats" --prometheus "$work/a"
python3 "$here/check_prometheus.py" <"$work/out"
has '^mstore_calls_total\{kind="namespace",store="file:///srv/store",namespace="data",verb="load"\} 100$'
has '^mstore_error_codes_total\{.*code="NO_SPACE"\} 1$'
has '^mstore_cache_events_total\{.*event="hit"\} 3$'
has '^mstore_call_duration_seconds_bucket\{.*namespace="data",verb="load",le="0.001048576"\} 48$'

expect 0 "$stats" --html "$work/report.html" "$work/a"
plots=$(python3 "$here/check_html.py" "$work/report.html" "file:///srv/store" NO_SPACE p99 load)
[ "$plots" = 9 ] || fail "$plots plots"

# ---- names that try to break out
"$make" hostile "$work/h"
expect 0 "$stats" "$work/h"
if grep -q "$(printf '\033')" "$work/out"; then fail "an escape sequence reached the terminal"; fi
has 'x1b\[31m'
expect 0 "$stats" --json "$work/h"
python3 -m json.tool "$work/out" >/dev/null
expect 0 "$stats" --prometheus "$work/h"
python3 "$here/check_prometheus.py" <"$work/out"
expect 0 "$stats" --html "$work/report.html" "$work/h"
python3 "$here/check_html.py" "$work/report.html" "<script>alert(1)</script>\"'&" >/dev/null

# ---- files that lie: an error in one sentence, never a crash
for damage in 0 1 100 4095 4096 20000 30000 60000; do
    head -c "$damage" "$work/a" >"$work/cut"
    expect 1 "$stats" "$work/cut"
    one_sentence cut
done
python3 - "$work/a" "$work" <<'PY'
import random, sys
data = open(sys.argv[1], "rb").read()
rng = random.Random(1)
for n in range(12):
    bad = bytearray(data)
    for _ in range(20):
        bad[rng.choice((rng.randrange(200), rng.randrange(len(bad)), 24576 + rng.randrange(512)))] = \
            rng.randrange(256)
    open(f"{sys.argv[2]}/flip{n}", "wb").write(bad)
for n in range(2):  # figures that are all noise, in a file that is whole
    bad = bytearray(data)
    for slot in range(24576, len(bad), 32768):
        bad[slot + 208:slot + 30464] = rng.randbytes(30464 - 208)
    bad[4096:24576] = rng.randbytes(20480)
    open(f"{sys.argv[2]}/noise{n}", "wb").write(bad)
PY
for file in "$work"/flip* "$work"/noise*; do
    for form in "" --json --prometheus "--html=$work/report.html"; do
        code=0
        # shellcheck disable=SC2086 # no form is no argument
        "$stats" $form "$file" >"$work/out" 2>"$work/err" || code=$?
        [ "$code" -le 1 ] || fail "$form $file: $code $(cat "$work/err")"
        case $code$form in
        1*) one_sentence "$(basename "$file")" ;;
        0--json) python3 -m json.tool "$work/out" >/dev/null ;;
        0--prometheus) case $file in */noise*) ;; *) python3 "$here/check_prometheus.py" <"$work/out" ;; esac ;;
        0--html*) python3 "$here/check_html.py" "$work/report.html" >/dev/null ;;
        esac
    done
done
"$stats" "$work/noise0" >/dev/null || fail "noise in the figures is no damage to the file"

# ---- bad requests
expect 3 "$stats" "$work/missing"
one_sentence missing
expect 3 "$stats" 99999999
one_sentence 'process 99999999'
expect 1 "$stats" "$work"
one_sentence 'no statistics file'
expect 3 "$stats"
one_sentence 'no running process'
expect 2 "$stats" --nonsense
for usage in "--diff $work/a" "$work/a $work/b" "--live --json" "--for 1s" "--interval 0 --live" \
    "--interval soon --live" "--live --html $work/r.html"; do
    # shellcheck disable=SC2086 # words on purpose
    expect 2 "$stats" $usage
    one_sentence 'see mstore-stats --help'
done
expect 1 "$stats" --html "$work/no/report.html" "$work/a"
one_sentence no/report.html
expect 1 "$stats" --save "$work/no/file" "$work/a"
one_sentence no/file
expect 3 "$stats" --live "$work/a"
one_sentence 'does not run'
[ ! -w /dev/full ] || {
    code=0
    "$stats" "$work/a" >/dev/full 2>"$work/err" || code=$?
    [ "$code" = 1 ] || fail "a full disk went unnoticed"
    code=0
    "$stats" --help >/dev/full 2>"$work/err" || code=$?
    [ "$code" = 1 ] || fail "a full disk went unnoticed by --help"
}
expect 0 "$stats" --help
has Examples
expect 0 "$stats" --version

# ---- a running process
mkfifo "$work/hold"
"$make" run <"$work/hold" >"$work/pid" &
maker=$!
exec 9>"$work/hold"
while [ ! -s "$work/pid" ]; do sleep 0.05; done
pid=$(cat "$work/pid")
expect 0 "$stats" "$pid"
has "pid $pid"
expect 0 "$stats" # the only one
has "pid $pid"
expect 0 "$stats" --save "$work/before" "$pid"
expect 0 "$stats" --live --interval 100ms --for 500ms "$pid"
has 'namespace data'
has 'load +[0-9.]+ '
expect 0 "$stats" --live --interval 50ms --for 400ms --html "$work/report.html"
plots=$(python3 "$here/check_html.py" "$work/report.html" memory:one)
[ "$plots" -ge 3 ] || fail "$plots plots of what was watched"
expect 0 "$stats" --save "$work/after" "$pid"
expect 0 "$stats" --diff "$work/before" "$work/after"
has 'store memory:one'
expect 0 "$stats" --diff "$work/before" "$pid" --json
python3 - "$work/out" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
one = [s for s in d["stores"] if s["store"] == "memory:one"][0]
assert one["load_calls"] > 0 and one["load_volume"] == 100000 * one["load_calls"]
others = [s for s in d["stores"] if s["store"] != "memory:one"]
assert others and all(s["load_calls"] == 0 for s in others)
PY
expect 1 "$stats" --diff "$work/after" "$work/before"
one_sentence younger
expect 1 "$stats" --diff "$work/a" "$work/after"
one_sentence 'two processes'

# Ctrl-C ends a live view at once, with 0 (a shell's background job ignores SIGINT: from Python); on
# a terminal the screen and the cursor come back
timeout 60 python3 - "$stats" "$pid" <<'PY'
import os, pty, signal, subprocess, sys
parent, child = pty.openpty()
live = subprocess.Popen([sys.argv[1], "--live", "--interval", "60s", sys.argv[2]], stdout=child)
os.close(child)
seen = b""
while b"calls/s" not in seen:
    seen += os.read(parent, 4096)
live.send_signal(signal.SIGINT)
assert live.wait() == 0, live.returncode
try:
    while more := os.read(parent, 4096):
        seen += more
except OSError:  # the other side is closed
    pass
assert seen.startswith(b"\033[?1049h\033[?25l") and seen.endswith(b"\033[?25h\033[?1049l"), seen
PY

# two processes: a list, and no guessing
mkfifo "$work/hold2"
"$make" run <"$work/hold2" >"$work/pid2" 9>&- &
second=$!
exec 8>"$work/hold2"
while [ ! -s "$work/pid2" ]; do sleep 0.05; done
expect 0 "$stats"
has "^ +$pid +make_stats"
has "^ +$(cat "$work/pid2") +make_stats"
expect 2 "$stats" --json
one_sentence '2 processes'
exec 8>&-
wait "$second"

# the end of the process ends the live view
timeout 60 "$stats" --live --interval 50ms "$pid" >"$work/out" 2>"$work/err" 9>&- &
viewer=$!
while [ ! -s "$work/out" ]; do sleep 0.05; done
exec 9>&-
wait "$maker"
maker=
wait "$viewer" || fail "the process's end: $?"
one_sentence 'has ended'
[ -z "$(ls "$work/run")" ] || fail "left behind: $(ls "$work/run")"

# killed: what it left is not taken for a running process
"$make" run <"$work/hold" >"$work/pid" &
maker=$!
exec 9>"$work/hold"
while [ "$(wc -l <"$work/pid")" = 0 ]; do sleep 0.05; done
kill -KILL "$maker"
wait "$maker" 2>/dev/null || :
maker=
[ -n "$(ls "$work/run")" ] || fail "nothing left of a killed process?"
expect 3 "$stats"
echo "all good"
