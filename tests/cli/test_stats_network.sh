#!/bin/bash
# What a command moved over the wire and had to repeat is counted, on each kind of network storage.
# Servers of tests/servers/ come from the environment.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
: "${REST_PEER:?is the path of the REST server of the tests}" "${CUTPROXY:?is the path of the proxy}"
unset "${!AWS_@}" "${!BORGSTORE_@}"
own=stats-${T##*.}
chmod 600 config
noise 200000 1 >value

backend() { # EXPRESSION over e, the statistics of the backend in `saved`
    expect 0 stats saved --json
    json "[$1 for e in d['entities'] if e['kind'] == 'backend'][0]"
}
counted() { # STORE RETRIES - of a put that met with a broken line; then of a get
    local name=$1 retries=$2
    expect 0 put "$name" data/a value --stats saved
    same "$name: sent" "$(backend "200000 <= e['moved_out_bytes'] < 430000")" True
    same "$name: repeated" "$(backend "sum(v['retries'] for v in e['verbs'].values())")" "$retries"
    expect 0 stats saved
    ok "$name: told" grep -qE "moved: .* read, .* written" out
    expect 0 get "$name" data/a back --stats saved
    same_file "$name" value back
    same "$name: received" "$(backend "200000 <= e['moved_in_bytes'] < 220000")" True
    same "$name: not repeated" "$(backend "sum(v['retries'] for v in e['verbs'].values())")" 0
    "${MSTORE_STATS:?}" saved >out || problem "mstore-stats"
    ok "$name: in depth" grep -qE "moved: .* read, .* written" out
    expect 0 destroy "$name" --yes
}

# REST: the first answer is lost
mkdir served
peer() { # NAME
    echo "exec '$REST_PEER' --backend 'FILE:$T/served/$1' --state '$T/$1.state' --fault 'lost:1@/data/a'"
}
sh -c "$(peer http) --port 0" >rest-port &
server=$!
until [ -s rest-port ]; do read -r -t 0.05 <> <(:) || true; done
printf '#!/bin/sh\n%s --stdio\n' "$(peer stdio)" >child
chmod 755 child
export MSTORE_REST_SERVER=$T/child
printf '[store http]\nurl = http://127.0.0.1:%s/\n[store stdio]\nurl = rest:///x\n' "$(cat rest-port)" >>config
for name in http stdio; do
    expect 0 create $name
    counted $name 1
done
kill "$server"

# S3: the line breaks in the middle of the value. SFTP: in front of it, as a stream that has begun is
# not repeated.
mkfifo control
through() { # STORE URL PORT CUT
    local path=${2%%\?*} options="" line
    [ "$path" = "$2" ] || options="?${2#*\?}"
    rm -f proxy-out
    "$CUTPROXY" 0 "127.0.0.1:$3" --control - <control >proxy-out &
    server=$!
    exec 8>control
    until [ -s proxy-out ]; do read -r -t 0.05 <> <(:) || true; done
    line=$(sed -n 's/^listening //p' proxy-out)
    printf '[store %s]\nurl = %s/%s%s\n' "$1" "${path/:$3/:$line}" "$own" "$options" >>config
    expect 0 create "$1"
    echo "$4" >&8
    until [ "$(wc -l <proxy-out)" -ge 2 ]; do read -r -t 0.05 <> <(:) || true; done
    counted "$1" 1
    exec 8>&-
    wait "$server"
}
[ -z "${MS_TEST_SFTP_URL:-}" ] || through sftp "$MS_TEST_SFTP_URL" "$MS_TEST_SFTP_PORT" "cut 1000 down"
[ -z "${MS_TEST_S3_URL:-}" ] || through s3 "$MS_TEST_S3_URL" "${MS_TEST_S3_ENDPOINT##*:}" "cut 100000 up"
if [ "$failures" = 0 ] && [ -z "${MS_TEST_SFTP_URL:-}" ]; then
    echo "$checks checks, 0 failures; no servers for the rest: see tests/servers/"
    exit 77
fi
finish
