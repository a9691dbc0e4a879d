#!/bin/bash
# with_h2.sh s3|rest LEAST COMMAND... - runs COMMAND with a front that speaks HTTP/2 before the server in
# MS_TEST_S3_URL or MS_TEST_REST_URL; the way through it is in MS_TEST_S3_H2_URL or MS_TEST_REST_H2_URL.
# Fails also when the front saw anything else than HTTP/2, or no connection beside another, or none
# that carried LEAST requests; after 40 the front ends one with a GOAWAY.
set -u
kind=$1 least=$2
shift 2
case $kind in
s3) server=${MS_TEST_S3_URL:-} ;;
rest) server=${MS_TEST_REST_URL:-} ;;
*)
    echo "usage: with_h2.sh s3|rest LEAST COMMAND..." >&2
    exit 2
    ;;
esac
[ -n "$server" ] || {
    echo "no server to stand before: its MS_TEST_*_URL is not set" >&2
    exit 77
}
front=$(readlink -f "$(dirname "$0")/../servers/front.sh")
T=$(mktemp -d /tmp/mstore-front-XXXXXX)
trap '"$front" down "$T"; rm -rf "$T"' EXIT
trap 'exit 130' INT TERM

behind=http://127.0.0.1:$(expr "$server" : '.*http://127\.0\.0\.1:\([0-9]*\)')
MS_FRONT_TARGET=$behind "$front" up "$T" >/dev/null || exit 1
# shellcheck disable=SC1091 # made just now
. "$T/env"
url=${server/"$behind"/"$MS_TEST_FRONT"}
case $url in
*\?*) url="$url&ca=$MS_TEST_FRONT_CA" ;;
*) url="$url?ca=$MS_TEST_FRONT_CA" ;;
esac
if [ "$kind" = s3 ]; then export MS_TEST_S3_H2_URL=$url; else export MS_TEST_REST_H2_URL=$url; fi

"$@"
status=$?
# PROTOCOL CONNECTION NUMBER-OF-THE-REQUEST STATUS
awk -v least="$least" '
    $1 != "HTTP/2.0" { other++ }
    { seen[$2] = $3 }
    END {
        for (c in seen) { connections++; if (seen[c] > most) most = seen[c] }
        printf "the front saw %d requests over %d connections, up to %d over one, %d not HTTP/2\n", \
            NR, connections, most, other
        exit !(NR && !other && connections > 1 && most >= least)
    }' "$MS_TEST_FRONT_LOG" || {
    echo "with_h2.sh: this proves nothing about HTTP/2" >&2
    [ "$status" != 0 ] || status=1
}
exit "$status"
