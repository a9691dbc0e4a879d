#!/bin/bash
# borgstore-server-rest: its options, and what is there after clients and servers were killed.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
server=$(dirname "$MSTORE")/borgstore-server-rest
[ -x "$server" ] || exit 77
accept='Accept: application/vnd.x.borgstore.rest.v1'
pid=
# shellcheck disable=SC2317,SC2329 # the trap calls it
stop() {
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
    chmod -R u+rwX "$T" 2>/dev/null
    rm -rf "$T"
}
trap stop EXIT

# start ARGUMENT... - a server on a port of its own; its address in $url
start() {
    : >"$T/server.err"
    "$server" --host 127.0.0.1 --port 0 "$@" 2>"$T/server.err" >/dev/null &
    pid=$!
    for _ in $(seq 500); do
        url=$(sed -n 's/^listening on //p' "$T/server.err")
        [ -z "$url" ] || return 0
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.02
    done
    problem "the server did not come up: $(cat "$T/server.err")"
}
# status WANTED ARGUMENT... - what curl is answered; the body in $T/out
status() {
    local wanted=$1 got
    shift
    checks=$((checks + 1))
    got=$(curl -s -o "$T/out" -w '%{http_code}' -H "$accept" --path-as-is "$@")
    [ "$got" = "$wanted" ] || problem "curl $*: $got, not $wanted"
}

# ---- options ----
"$server" --help >"$T/out" 2>"$T/err" || problem "--help fails"
prints "--backend URL"
"$server" --backend FILE:x --frobnicate >"$T/out" 2>"$T/err"
same "a bad option" $? 2
says "borgstore-server-rest: --frobnicate is no option"
"$server" --stdio </dev/null >"$T/out" 2>"$T/err"
same "no backend" $? 2
"$server" --backend FILE:x --username me --stdio </dev/null >"$T/out" 2>"$T/err"
same "a name without a password" $? 2

# ---- a user, and a password that nobody sees ----
start --backend FILE:store --username me --password 'geheim wort' --quota 1000 \
    --permissions borgbackup-no-delete
checks=$((checks + 1))
! tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q geheim || problem "the password can be seen"
got=$(curl -s -o "$T/out" -w '%{http_code}' "$url/")
same "another protocol" "$got" 406
status 401 "$url/"
prints Unauthorized
status 401 -u me:wrong "$url/"
status 410 -u 'me:geheim wort' "$url//"
status 403 -u 'me:geheim wort' -X POST "$url/?cmd=create"
kill "$pid"
wait "$pid" 2>/dev/null
pid=

# ---- paths ----
start --backend FILE:~/in/home
status 200 -X POST "$url/?cmd=create"
status 200 --data-binary value "$url/data/a"
same "a value of a folder in ~" "$(cat "$HOME/in/home/data/a")" value
status 400 "$url/../../etc/passwd"
status 400 "$url/data/../../x"
status 206 -H 'Range: bytes=1-2' "$url/data/a"
same "a part" "$(cat "$T/out")" al
kill "$pid"
wait "$pid" 2>/dev/null
pid=

# ---- killed under load: what was acknowledged is there ----
start --backend "FILE:load"
status 200 -X POST "$url/?cmd=create"
load() { # CLIENT
    local i
    for i in $(seq 100000); do
        printf 'value %s %s' "$1" "$i" |
            curl -sf -H "$accept" -o /dev/null --data-binary @- "$url/data/c$1-$i" || return 0
        echo "c$1-$i" >>"$T/acknowledged.$1"
    done
}
clients=
for c in 1 2 3; do
    load $c &
    clients="$clients $!"
done
# one that is in the middle of a large value
head -c 3000000 /dev/zero | curl -s -H "$accept" --limit-rate 200k -o /dev/null --data-binary @- \
    "$url/data/large" &
clients="$clients $!"
for _ in $(seq 500); do
    [ "$(cat "$T"/acknowledged.* 2>/dev/null | wc -l)" -ge 20 ] && break
    sleep 0.02
done
kill -9 "$pid"
wait "$pid" 2>/dev/null
# shellcheck disable=SC2086 # their ids
wait $clients 2>/dev/null
pid=
checks=$((checks + 1))
[ "$(cat "$T"/acknowledged.* | wc -l)" -ge 20 ] || problem "too few values were acknowledged"
start --backend "FILE:load"
for c in 1 2 3; do
    while read -r key; do
        status 200 "$url/data/$key"
        same "an acknowledged value" "$(cat "$T/out")" "value ${key:1:1} ${key#*-}"
    done <"$T/acknowledged.$c"
done
status 404 "$url/data/large"
finish
