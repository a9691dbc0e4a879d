#!/bin/bash
# mstore serve under load from wrk: readers and writers on the same names at once, over plain TCP, while
# others come and go (a connection each); nothing fails, and what is there afterwards is whole. Then more than it takes:
# everybody is served or told to come again. With a sanitizer (SLOWER is set) by fewer connections.
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?}/tests/cli/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
command -v wrk >/dev/null || { echo "wrk is missing"; exit 77; }
many=24 few=4
if [ -n "${SLOWER:-}" ]; then many=6 few=2; fi
export SIZE=4096 METHOD=POST PREFIX=/data/put-
accept='Accept: application/vnd.x.borgstore.rest.v1'
load() { # NAME SECONDS WRK-ARGUMENT...
    local name=$1 seconds=$2
    shift 2
    wrk -t2 -d"${seconds}s" --timeout 20s -s "$SOURCE/tests/network/load.lua" "$@" >"$name.wrk" 2>&1 ||
        problem "wrk ended badly: $(cat "$name.wrk")"
}
writers() { PUT=$SOURCE/bench/put.lua load "$@"; }
# answers NAME STATUSES - some were 200, all were one of these, and no connection broke
answers() {
    local name=$1
    ok "$name: some were served" grep -qE '^status 200: [1-9]' "$name.wrk"
    same "$name: other answers" "$(grep '^status' "$name.wrk" | grep -vE "^status ($2): ")" ""
    same "$name: broken connections" "$(grep 'Socket errors' "$name.wrk")" ""
}

fresh store
serve "$url" --audit-log audit --listen 127.0.0.1:0 --set requests=64
head -c 300000 /dev/zero | rest -X POST -T - -H 'Expect:' "$at/data/large" || problem "a first value"
writers write 3 -c$many "$at" &
loads=$!
load read 3 -c$many -H "$accept" "$at/data/large" &
loads="$loads $!"
load page 3 -c$few -H "Connection: close" "$at/metrics" &
loads="$loads $!"
for _ in $(seq 8); do # clients that vanish
    timeout 0.1 curl -sS -o one -H "$accept" --limit-rate 1k "$at/data/large" 2>/dev/null
    same "a value meanwhile" "$(rest "$at/data/large" | wc -c)" 300000
done
# shellcheck disable=SC2086
wait $loads
for name in write read page; do answers $name 200; done
stop
# (wrk asks its first thread for a request that it does not send)
wanted=$(for _ in $(seq 256); do printf 0123456789abcdef; done | sha256sum)
same "a value written" "$("$MSTORE" get "$url" data/put-1-1 - | sha256sum)" "$wanted"
ok "each request is in the audit log" test "$(wc -l <audit)" -gt 40

# more at once than it may work on: each request takes a while
serve "$url&emulate.latency=50ms" --audit-log none --listen 127.0.0.1:0 --set requests=2
writers write 1 -c$many "$at" &
loads=$!
load read 1 -c$many -H "$accept" "$at/data/large" &
wait "$loads" $!
for name in write read; do answers $name '200|503'; done
ok "some were told to come again" grep -qE '^status 503: ' write.wrk read.wrk
# (what wrk left behind is worked on first)
serves_again() { test "$(rest "$at/data/large" | wc -c)" = 300000; }
until_true serves_again
stop
finish
