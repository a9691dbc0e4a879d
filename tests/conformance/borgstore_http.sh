#!/bin/bash
# borgstore_http.sh CONFORMANCE - the suite of backends over a real BorgStore on a port: the command
# in BORGSTORE_SERVER is started with a folder of its own. 77: no BORGSTORE_SERVER.
set -u
case ${BORGSTORE_SERVER:-} in
"" | http:* | https:*)
    echo "BORGSTORE_SERVER does not name the command of a BorgStore server"
    exit 77
    ;;
esac
folder=$(mktemp -d /tmp/mstore-borgstore-XXXXXX)
server=
# shellcheck disable=SC2317,SC2329 # the trap calls it
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$folder"
}
trap finish EXIT

for attempt in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 12000))
    # shellcheck disable=SC2086 # a command and its words
    $BORGSTORE_SERVER --host 127.0.0.1 --port "$port" --backend "file://$folder/store" \
        >"$folder/log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        if ! kill -0 "$server" 2>/dev/null; then
            echo "attempt $attempt: port $port: the server ended: $(tail -n 1 "$folder/log")"
            server=
            continue 2
        fi
        if (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            BORGSTORE_SERVER=http://127.0.0.1:$port "$1" "REST of BorgStore"
            exit
        fi
        sleep 0.1
    done
    kill "$server"
    server=
done
echo "no BorgStore server could be started with: $BORGSTORE_SERVER"
exit 1
