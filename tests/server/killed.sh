#!/bin/bash
# killed.sh - a client of `mstore serve` killed in the middle of an upload leaves nothing; the server
# killed under load has, when it runs again, every change that it acknowledged. Both for a local folder
# and for a store of three.
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?}/tests/cli/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
: "${CUTPROXY:?is the path of the proxy}"
export MSTORE_STATE_DIR=$T/state
fresh single
conf home '[namespace data]' 'kind = mutable' 'redundancy = copies 3' 'names = bytes' \
    '[namespace packs]' 'kind = immutable' 'redundancy = copies 2' 'names = bytes'
"$MSTORE" create home.conf || problem "cannot create the store of three"
files() { find single home.one home.two home.three -type f | sort; }
temporary() { files | grep -q '\.tmp$'; } # what came is on its way into the storage
# ---- clients
noise 12000000 1 >noise # more than anybody keeps in memory
mkfifo pipe
left() { # WHAT - nothing is, of a client that began and is gone
    until_true grep -q 'method=POST cmd=- name=/packs/half to=- status=0 in=[1-9]' audit
    : >audit
    same "$1: the storage" "$(files)" "$before"
    same "$1: the value" "$(rest -o body -w '%{http_code}' "$at/packs/half")" 404
}
for store in "$T/home.conf" "$url"; do
    serve "$store" --audit-log audit --listen 127.0.0.1:0
    rest --fail-with-body -H Expect: --data-binary @noise "$at/packs/whole" || problem "a first value"
    before=$(files)
    curl -sS -H 'Accept: application/vnd.x.borgstore.rest.v1' -H Expect: -X POST -T - "$at/packs/half" <pipe >client.out 2>&1 &
    client=$!
    exec 7>pipe
    cat noise >&7
    until_true temporary
    kill -KILL "$client"
    wait "$client" 2>/dev/null
    exec 7>&-
    left "${store##*/}: curl"
    : >proxy.out # lets a part of it by
    "$CUTPROXY" 0 "${at#http://}" --stall-after-bytes 9000000 --direction up >proxy.out &
    proxy=$!
    until_true grep -q listening proxy.out
    "$MSTORE" put "http://127.0.0.1:$(sed -n 's/^listening //p' proxy.out)" packs/half noise >client.out 2>&1 &
    client=$!
    until_true temporary
    kill -KILL "$client"
    wait "$client" 2>/dev/null
    kill "$proxy"
    wait "$proxy"
    left "${store##*/}: mstore put"
    # over a pipe, as through ssh: its other end closes
    { printf 'POST /packs/half HTTP/1.1\r\n%s\r\nContent-Length: 20000000\r\n\r\n' 'Accept: application/vnd.x.borgstore.rest.v1'; cat noise; } |
        "$MSTORE" serve "$store" --stdio --audit-log audit >answer 2>&1
    left "${store##*/}: a pipe"
    rest "$at/packs/whole" >back
    same_file "${store##*/}: what was there" noise back
    stop
done

# ---- the server
by() { python3 "$SOURCE/tests/server/killed.py" "$1" "${at##*:}" "${@:2}"; }
sed -i 's/sync=none/sync=full/' home.conf
for store in "$T/home.conf" "${url/sync=none/sync=full}"; do
    rm -f known
    for round in 1 2 3; do
        serve "$store" --audit-log none --listen 127.0.0.1:0
        : >>known
        known=$(wc -l <known)
        by load 6 known >loaded 2>&1 &
        loading=$!
        until_true sh -c "test \$(wc -l <known) -gt $((known + 60 * round))"
        kill -KILL "$server"
        wait "$server" "$loading" 2>/dev/null
        same "round $round: until then" "$(cat loaded)" "nothing wrong"
    done
    serve "$store" --audit-log none --listen 127.0.0.1:0
    same "${store##*/}: afterwards" "$(by check known | tr '\n' '|')" "all there|enough|"
    rest --fail-with-body --data-binary @noise "$at/data/again" || problem "it takes no value any more"
    stop
done
finish
