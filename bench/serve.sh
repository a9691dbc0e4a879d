#!/bin/bash
# bench/serve.sh [BUILD] [SECONDS] [ROUNDS] - `mstore serve` on a folder beside nginx (static files; PUT by
# its dav module) on the same disk, in one run, by wrk, in turn. Prints requests in a second as ratios to
# nginx, the median of the rounds with the least and the greatest, and the times of half and of 99 % of the
# requests. nginx never syncs: PUT is compared at sync=none, and sync=full stands beside. Needs wrk, nginx
# and curl.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${1:-$top/build/release} seconds=${2:-2} rounds=${3:-5}
mstore=$build/tools/mstore/mstore
T=$(mktemp -d "${TMPDIR:-/tmp}/mstore-bench.XXXXXX")
started=()
cleanup() {
    for process in "${started[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$T"
}
trap cleanup EXIT
cores=$(nproc)

mkdir -p "$T/www/dav" "$T/body"
head -c 4096 /dev/urandom >"$T/www/4k"
head -c 1048576 /dev/urandom >"$T/www/1m"
nginx=$(command -v nginx || echo /usr/sbin/nginx)
cat >"$T/nginx.conf" <<EOF
daemon off; pid $T/nginx.pid; error_log $T/nginx.log; worker_processes $cores;
$([ "$(id -u)" != 0 ] || echo 'user root;')
events { worker_connections 4096; }
http {
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000;
    client_body_temp_path $T/body; client_max_body_size 1g;
    server { listen unix:$T/nginx.socket; listen 127.0.0.1:NGINX_PORT; root $T/www; location /dav/ { dav_methods PUT; } }
}
EOF
for port in $(seq 18600 18640); do # nginx cannot choose one itself
    sed "s/NGINX_PORT/$port/" "$T/nginx.conf" >"$T/nginx-port.conf"
    "$nginx" -p "$T" -c "$T/nginx-port.conf" 2>/dev/null &
    process=$!
    for _ in $(seq 20); do
        sleep 0.05
        [ ! -s "$T/nginx.pid" ] || break 2
    done
    wait "$process" || true
done
started+=("$process")
web=http://127.0.0.1:$port

serve() { # NAME SYNC - at is then where it listens
    local url="file://$T/$1?sync=$2"
    "$mstore" create "$url"
    "$mstore" serve "$url" --audit-log none --listen 127.0.0.1:0 >"$T/$1.out" &
    started+=("$!")
    until grep -q listening "$T/$1.out"; do sleep 0.05; done
    at=$(sed -n 's/^listening on //p' "$T/$1.out")
}
declare -A ours
for sync in none full; do
    serve $sync $sync
    ours[$sync]=$at
done
accept='Accept: application/vnd.x.borgstore.rest.v1'
for name in 4k 1m; do curl -sS -H "$accept" --data-binary "@$T/www/$name" "${ours[none]}/data/$name"; done

# once WRK-ARGUMENT... - adds "RATE P50 P99" to $figures; a failed request ends the bench
once() {
    wrk -t1 -d"${seconds}s" --latency "$@" >"$T/wrk.out"
    if grep -E 'Non-2xx' "$T/wrk.out"; then exit 1; fi
    figures+=$(awk '/Requests\/sec/{r=$2} $1=="50%"{a=$2} $1=="99%"{b=$2} END{print " " r, a, b}' "$T/wrk.out")
}
# row LABEL - from $figures, three for each server and round, nginx first: the median of the rounds' ratios,
# the least and the greatest, and the times of the round in the middle
row() {
    echo "$figures" | awk -v label="$1" '{
        rounds = NF / 6
        for (i = 0; i < rounds; i++) { ratio[i] = $(6 * i + 1) > 0 ? $(6 * i + 4) / $(6 * i + 1) : 0; at[i] = i }
        for (i = 0; i < rounds; i++) for (j = i + 1; j < rounds; j++)
            if (ratio[at[j]] < ratio[at[i]]) { k = at[i]; at[i] = at[j]; at[j] = k }
        m = at[int(rounds / 2)]
        printf "%-22s %6.2f  (%.2f to %.2f)  %9s %9s  %9s %9s\n", label, ratio[m], ratio[at[0]], ratio[at[rounds - 1]],
            $(6 * m + 2), $(6 * m + 3), $(6 * m + 5), $(6 * m + 6) }'
}
get() { # NAME CONNECTIONS
    figures=
    for _ in $(seq "$rounds"); do
        once "-c$2" "$web/$1"
        once "-c$2" -H "$accept" "${ours[none]}/data/$1"
    done
    row "GET $1 - $2"
}
# Small values get new names always, as a backup's do: ext4 looks at all inodes deleted in the last seconds
# whenever it makes a file, and replacing would measure that.
put() { # SIZE-NAME SYNC CONNECTIONS
    SIZE=$(stat -c %s "$T/www/$1") NAMES='' figures=
    [ "$1" = 1m ] || NAMES=1000000000
    export SIZE NAMES
    for round in $(seq "$rounds"); do
        METHOD=PUT PREFIX=/dav/$2-$3-$round- once "-c$3" -s "$top/bench/put.lua" "$web"
        METHOD=POST PREFIX=/data/put-$2-$3-$round- once "-c$3" -s "$top/bench/put.lua" "${ours[$2]}"
    done
    row "PUT $1 $2 $3"
}
printf '%-22s %6s  %-14s  %9s %9s  %9s %9s\n' 'what size sync conns' ratio 'from to' 'nginx p50' p99 'ours p50' p99
for name in 4k 1m; do
    for connections in 1 16 256; do get $name $connections; done
done
for name in 4k 1m; do
    for sync in none full; do
        for connections in 1 16 256; do put $name $sync $connections; done
    done
done
