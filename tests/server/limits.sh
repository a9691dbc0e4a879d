#!/bin/bash
# limits.sh - every limit of `mstore serve`, by the command line: what is beyond it, what its client is
# told, and that others are served meanwhile.
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?}/tests/cli/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
fresh store
put data/small "a small value"
head -c 30000000 /dev/zero | "$MSTORE" put "$url" data/large - || problem "a large value"

limited() { # KEY=VALUE... - a server with these
    local sets=() key
    for key; do sets+=(--set "$key"); done
    serve "$url" --audit-log none --listen 127.0.0.1:0 "${sets[@]}"
}
told() { # WHAT WANTED COMMAND... - a client of limits.py; the lines of what it prints joined by '|'
    local what=$1 wanted=$2 command=$3
    shift 3
    same "$what" "$(python3 "$SOURCE/tests/server/limits.py" "$command" "${at##*:}" "$@" 2>&1 | tr '\n' '|')" "$wanted|"
    same "$what: others" "$(rest "$at/data/small")" "a small value"
}
count() { # REASON - how many were refused
    curl -s "$at/metrics" | sed -n "s/^mstore_server_refused_total{reason=\"$1\"} //p"
}
counted() { same "counted: $1" "$(count "$1")" "$2"; }

# ---- sizes
limited header-size=2KiB body-size=1000
told "headers of the limit" "200 OK; a small value" head 2048
told "larger headers" "431 the headers are too large" head 2049
told "a larger line" "414 the request line is too long" line 3000
counted header_size 2
same "a body of the limit" "$(head -c 1000 /dev/zero | rest -o body -w '%{http_code}' --data-binary @- "$at/data/b")" 200
same "a larger one" "$(head -c 1001 /dev/zero | rest -o body -w '%{http_code}' --data-binary @- "$at/data/b")" 413
same "its answer" "$(cat body)" "the body is too large"
same "a larger one in chunks" "$(head -c 1001 /dev/zero | rest -o body -w '%{http_code}' -X POST -T - "$at/data/c")" 413
counted body_size 2
same "what was there" "$(rest "$at/data/b" | wc -c)" 1000
stop
expect 3 get "$url" data/c

# ---- connections
limited connections=5
told "connections in all" "200|503 Service Unavailable; Retry-After: 5; too many connections|200 OK; ok" many 5 127.0.0.2
ok "counted" test "$(count connections)" -ge 1
stop
limited connections-per-address=5
told "of one address" "200|503 Service Unavailable; Retry-After: 5; too many connections|200 OK; ok" many 5
told "another has its own" "200|200 OK; ok|200 OK; ok" many 5 127.0.0.2
ok "counted" test "$(count connections_per_address)" -ge 1
stop

# ---- requests at once
limited requests=3
told "requests" "503 Service Unavailable; Retry-After: 1; too many requests at once|200 OK|200 OK|200 OK" busy /data/at-once 3
counted requests_in_flight 1
same "those under way" "$(rest "$at/data/at-once-2")" 0123456789
stop

# ---- time: one after the other, each of a second
limited header-timeout=1s
told "headers that trickle" "408 the request came too slowly|in time" slow-head
counted slow 1
stop
limited idle-timeout=1s
told "between requests" "200 OK; a small value|nothing|in time" idle
counted idle 1
stop
limited body-timeout=1s least-rate=100KB/s
late="408 the request came too slowly|in time"
told "a body that stops" "$late" stalled /data/stalled
told "a body that trickles" "$late" slow /data/slow
counted slow 2
same "what came in half" "$(rest -o body -w '%{http_code}' "$at/data/stalled") $(rest -o body -w '%{http_code}' "$at/data/slow")" "404 404"
stop
for reader in lazy sipping; do
    limited body-timeout=1s least-rate=100KB/s
    told "a reader: $reader" "cut off" $reader /data/large
    same "one that reads" "$(rest "$at/data/large" | wc -c)" 30000000
    stop
done
limited stop-timeout=1s
python3 "$SOURCE/tests/server/limits.py" stalled "${at##*:}" /data/stalled >told 2>&1 &
client=$!
until_true sh -c "curl -s $at/metrics | grep -q '^mstore_server_requests_in_flight 2\$'"
stop
wait "$client"
expect 3 get "$url" data/stalled

# ---- logins
printf 'geheim\n' >secret
chmod 600 secret
login() { rest -o body -D head -w '%{http_code}' -u "solo:$1" "$at/data/small"; }
if printf x | "$MSTORE" passwd x >out 2>&1; then
    serve "$url" --audit-log none --listen 127.0.0.1:0 --user solo --password-file secret \
        --set login-failures=2 --set login-interval=1h --set login-checks=1 --set login-remember=1h
    same "guesses" "$(login 1) $(login 2) $(login 3)" "401 401 429"
    ok "when to come again" grep -qiE '^retry-after: [0-9]+' head
    stop
fi

# ---- what cannot be a limit: one sentence
wrong() { # KEY=VALUE SENTENCE
    expect 2 serve "$url" --listen 127.0.0.1:0 --set "$1"
    one_line
    says "$2"
}
for key in connections connections-per-address requests body-size header-timeout idle-timeout body-timeout \
    stop-timeout least-rate login-failures login-interval login-checks; do
    wrong $key=0 "$key = 0 is too small"
done
wrong requests=901 "requests = 901 is too large"
wrong header-size=1023 "header-size = 1023 is too small"
wrong header-size=2MiB "header-size = 2MiB is too large"
wrong connections=many connections
wrong idle-timeout=-1s idle-timeout
wrong least-rate=fast least-rate
wrong limit=1 '[server] has no key "limit"'
finish
