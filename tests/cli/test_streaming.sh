#!/bin/bash
# A value much larger than the memory that a command may use goes in and out, on each kind of
# storage. Servers of tests/servers/ come from the environment.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
: "${REST_PEER:?is the path of the REST server of the tests}"
unset "${!AWS_@}" "${!BORGSTORE_@}"
if [ -n "${MOST_KIB:-}" ]; then bytes=$((128 << 20)); else bytes=$((40 << 20)); fi

wanted=$(stream | sha256sum)
through() { # NAME URL
    printf '[store %s]\nurl = %s\n' "$1" "$2" >>config
    expect 0 create "$1"
    stream | peak put "$1" data/big -
    same "$1: put" "${PIPESTATUS[1]}" 0
    small "$1: put" "${MOST_KIB:-100000000}"
    peak get "$1" data/big - >back.pipe &
    same "$1: the same bytes" "$(sha256sum <back.pipe)" "$wanted"
    wait $! || problem "$1: get failed"
    small "$1: get" "${MOST_KIB:-100000000}"
    expect 0 destroy "$1" --yes
}
below() { # URL FOLDER - a store of its own there
    local path=${1%%\?*} options=
    [ "$path" = "$1" ] || options="?${1#*\?}"
    echo "$path/$2$options"
}
mkfifo back.pipe
chmod 600 config
mkdir served
"$REST_PEER" --port 0 --backend "FILE:$T/served/store" >rest-port &
server=$!
until [ -s rest-port ]; do read -r -t 0.05 <> <(:) || true; done
printf '#!/bin/sh\nexec "%s" --stdio --backend "FILE:%s/served/piped"\n' "$REST_PEER" "$T" >child
chmod 755 child
export MSTORE_REST_SERVER=$T/child

through file "file://$T/store?sync=none"
through http "http://127.0.0.1:$(cat rest-port)/"
through stdio rest:///x
own=streaming-${T##*.}
[ -z "${MS_TEST_SFTP_URL:-}" ] || through sftp "$(below "$MS_TEST_SFTP_URL" "$own")&connections=4"
[ -z "${MS_TEST_S3_URL:-}" ] || through s3 "$(below "$MS_TEST_S3_URL" "$own")"
kill "$server"
if [ "$failures" = 0 ] && [ -z "${MS_TEST_SFTP_URL:-}" ]; then
    echo "$checks checks, 0 failures; no servers for the rest: see tests/servers/"
    exit 77
fi
finish
