#!/bin/bash
# mstore serve under load from wrk: readers and writers on the same names at once, over plain TCP, while
# others come and go; nothing fails, and what is there afterwards is whole.
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?}/tests/cli/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
command -v wrk >/dev/null || { echo "wrk is missing"; exit 77; }
fresh store
serve "$url" --audit-log audit --listen 127.0.0.1:0 --set requests=64
export SIZE=4096 METHOD=POST PREFIX=/data/put-
accept='Accept: application/vnd.x.borgstore.rest.v1'
load() { # NAME WRK-ARGUMENT...
    local name=$1
    shift
    wrk -t2 -d3s --timeout 20s "$@" >"$name.wrk" 2>&1 || problem "wrk ended badly"
    ok "$name: some requests were answered" grep -qE '[1-9][0-9]* requests in' "$name.wrk"
}
head -c 300000 /dev/zero | rest -X POST -T - -H 'Expect:' "$at/data/large" || problem "a first value"
load write -c32 -s "$SOURCE/bench/put.lua" "$at" &
load read -c32 -H "$accept" "$at/data/large" &
load page -c4 "$at/metrics" &
for _ in $(seq 20); do # clients that vanish
    timeout 0.1 curl -sS -o one -H "$accept" --limit-rate 1k "$at/data/large" 2>/dev/null
    same "a value meanwhile" "$(rest "$at/data/large" | wc -c)" 300000
done
wait %2 %3 %4
for name in read page; do
    ok "$name: all well" sh -c "! grep -E 'Non-2xx|Socket errors' $name.wrk"
done
ok "write: all well" sh -c "! grep -E 'Socket errors' write.wrk"
stop
wanted=$(for _ in $(seq 256); do printf 0123456789abcdef; done | sha256sum)
same "a value written" "$("$MSTORE" get "$url" data/put-0-1 - | sha256sum)" "$wanted"
ok "each request is in the audit log" test "$(wc -l <audit)" -gt 40
finish
