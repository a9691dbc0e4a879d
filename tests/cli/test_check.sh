#!/bin/bash
# check: what it says of a good storage and of faulty ones, and that nothing of it stays.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh store
put data/a "hello"
untouched() {
    same "cleaned up" "$(cd "$T/store" && find . -type f | sort)" ./data/a
    same "no folder left" "$(cd "$T/store" && echo *)" data
}
all="connect authenticate store write info read_back range list round_trip clock rename"
all="$all only_if_absent delete upload download free_space durability capabilities clean_up"

expect 0 check "$url"
silent
for what in $all; do
    ok "$what" grep -qE "^${what//_/ } +ok " out
done
same "lines" "$(wc -l <out)" 19
prints "like ours"
prints "one of 4 writers"
prints "only if absent, "
untouched
expect 0 check "file://$T/store?sync=full"
prints "survives a power cut"
expect 0 check "$url"
prints "none: what is written"
printf '[store nas]\nurl = %s\npermissions = "":r\nquota = 1\n' "$url" >config
expect 0 check nas # of the storage alone
untouched

expect 0 check "$url" --json
json_ok
same "no failures" "$(json 'd["failures"]')" 0
same "results" "$(json '" ".join(c["check"].replace(" ", "_") for c in d["checks"]
    if c["result"] == "ok" and c["code"] == "OK")')" "$all"
same "numbers" "$(json 'd["round_trip_ns"] > 0 and d["upload_bytes_per_second"] > 0 and
    d["download_bytes_per_second"] > 0 and abs(d["clock_ahead_ns"]) < 60 * 10**9')" True

# a line with delay and little bandwidth: what it measures is what there is, and soon
export MSTORE_LATENCY=20000 MSTORE_BANDWIDTH=8000000
expect 0 check "$url" --json
unset MSTORE_LATENCY MSTORE_BANDWIDTH
same "round trip" "$(json '20 * 10**6 <= d["round_trip_ns"] < 2000 * 10**6')" True
same "upload" "$(json '100 * 1000 < d["upload_bytes_per_second"] <= 1000 * 1000')" True
same "download" "$(json '100 * 1000 < d["download_bytes_per_second"] <= 1000 * 1000')" True

failing() { # STATUS OPTION STEP... - exactly these fail, and nothing stays
    local status=$1 option=$2
    shift 2
    expect "$status" check "$url&$option"
    same "$option" "$(sed -n 's/ \+FAILED .*//p' out | tr ' \n' '_ ')" "$* "
    one_line
    says "first: ${1//_/ }"
    untouched
}
lacks() {
    for what; do
        ok "$what is left out" test -z "$(grep "^${what//_/ } " out)"
    done
}
failing 5 emulate.error=store:1 write
lacks info read_back range list round_trip clock rename only_if_absent delete upload download
ok "it still tells" grep -q "^durability  *ok" out
expect 5 check "$url&emulate.error=store:1" --json
same "skipped" "$(json '[c["result"] for c in d["checks"] if c["check"] == "rename"]')" "['skipped']"
same "no number" "$(json 'd["round_trip_ns"], d["clock_ahead_ns"]')" "(None, None)"
failing 5 emulate.error=move:1 rename
failing 1 emulate.error=move:1:IO rename
failing 5 emulate.error=list:1 list
failing 1 emulate.error=info:1:ACCESS info
lacks round_trip clock rename delete
expect 1 check "$url&emulate.flip=1" # a bit of each load is wrong
ok "read back" grep -qE "^read back +FAILED .*not what was written" out
lacks range rename only_if_absent download
untouched
failing 5 emulate.gone=1-1000 write free_space clean_up
prints "something may be left in mstore-check-"

expect 3 check "file://$T/missing"
ok "connect" grep -qE "^connect +ok" out
ok "what to do" grep -qE "^store +FAILED .*make it with: mstore create file://$T/missing" out
lacks write
same "lines" "$(wc -l <out)" 3
one_line
ok "nothing was made" test ! -e missing
printf '[store later]\nurl = file://%s/missing\n' "$T" >config
expect 3 check later
prints "make it with: mstore create later"
expect 2 check nonesuch
expect 2 check "nonesuch://x"
expect 2 check "$url&colour=red"
expect 2 check

if [ "$(id -u)" != 0 ] || command -v setpriv >/dev/null; then
    chmod 755 "$T"
    mkdir -m 777 stats-user
    chmod -R a+rX store
    chmod a-w store
    status=0
    MSTORE_STATS_DIR=$T/stats-user as_user "$MSTORE" check "$url" >out 2>err || status=$?
    same "read-only" "$status" 1
    ok "write" grep -qE "^write +FAILED .*denied" out
    lacks read_back
    chmod u+w store
fi

# servers that cannot be reached, do not let us in, are somebody else
unset "${!AWS_@}"
serve() { # MODE [CERTIFICATE] - its port is then in $port; it lives until fd 7 is closed
    rm -f port lives
    mkfifo lives
    python3 "$SOURCE/tests/cli/bad_server.py" port "$@" <lives 2>server.log &
    server=$!
    exec 7>lives
    until [ -s port ] || ! kill -0 "$server" 2>/dev/null; do read -r -t 0.05 <> <(:) || true; done
    port=$(cat port)
}
stop() {
    exec 7>&-
    wait "$server"
}
stage() { # STATUS SCHEME PORT STEP LINES TEXT - the step fails with TEXT, as the last of LINES
    expect "$1" check "s3:work@$2://127.0.0.1:$3/bucket?region=x&timeout=5"
    one_line
    says "1 check failed, first: $4"
    ok "$4" grep -qE "^$4 +FAILED .*$6" out
    same "lines" "$(wc -l <out)" "$5"
    ok "no secret" test -z "$(grep -h HUNTER out err)"
}
mkdir -p "$HOME/.aws"
printf '[work]\naws_access_key_id = KEY\naws_secret_access_key = HUNTER2\n' >"$HOME/.aws/credentials"
stage 5 http 1 connect 1 127.0.0.1:1
serve refuse
stage 6 http "$port" authenticate 2 "key"
expect 6 ls "s3:work@http://127.0.0.1:$port/bucket?region=x" # other commands as well
one_line
stop
serve nobucket # which no create of ours makes
stage 3 http "$port" store 3 "aws s3 mb s3://bucket --endpoint-url http://127.0.0.1:$port"
ok "no advice that leads nowhere" test -z "$(grep -h 'mstore create' out err)"
stop
serve mail
stage 1 http "$port" connect 1 "127.0.0.1"
stop
if openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 2>/dev/null; then
    cat key.pem cert.pem >both.pem
    serve tls both.pem
    stage 6 https "$port" connect 1 "certificate"
    stop
fi

# Ctrl-C, in the middle of large values and of small ones
for condition in "[ -n \"\$(find '$T/store' -size +200k)\" ]" "[ -e '$T'/store/mstore-check-*/value ]"; do
    for signal in INT TERM; do
        export MSTORE_LATENCY=20000 MSTORE_BANDWIDTH=8000000
        status=$(python3 "$SOURCE/tests/cli/interrupt.py" $signal "$condition" "$MSTORE" check "$url" \
            2>err | tail -n 1)
        unset MSTORE_LATENCY MSTORE_BANDWIDTH
        same "interrupted" "$status" 130
        says interrupted
        one_line
        untouched
    done
done
finish
