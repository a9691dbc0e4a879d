#!/bin/bash
# with_rest.sh PEER COMMAND... - runs COMMAND with a server of the REST protocol: its address in
# MS_TEST_REST_URL, the folder of its stores in MS_TEST_REST_ROOT.
set -u
peer=$1
shift
T=$(mktemp -d /tmp/mstore-rest-XXXXXX)
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$T/stores"
"$peer" --stores "$T/stores" --port 0 >"$T/port" &
server=$!
for _ in $(seq 500); do
    [ -s "$T/port" ] && break
    sleep 0.02
done
[ -s "$T/port" ] || {
    echo "with_rest.sh: the server did not come up" >&2
    exit 1
}
MS_TEST_REST_URL=http://127.0.0.1:$(cat "$T/port") MS_TEST_REST_ROOT=$T/stores "$@"
