#!/bin/bash
# mstore serve: where it listens, TLS, sockets handed over, standard input and output, its end.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
fresh store
quiet=(--audit-log none)

# several addresses at once; what goes in comes out
serve "$url" "${quiet[@]}" --listen 127.0.0.1:0 --listen "unix:$T/socket"
until_true grep -q unix: serve.out
rest --data-binary 'some bytes' "$at/data/one" || problem "POST over TCP"
same "GET over TCP" "$(rest "$at/data/one")" "some bytes"
same "GET over a UNIX socket" "$(rest --unix-socket socket http://x/data/one)" "some bytes"
expect 0 get "$at" data/one
prints "some bytes"
same "health" "$(curl -sS "$at/healthz")" ok
stop
ok "the socket is removed" test ! -e socket
ok "nobody listens any more" sh -c "! curl -s $at/healthz"

# IPv6, where there is one
if [ -e /proc/net/if_inet6 ] && grep -q '^00000000000000000000000000000001' /proc/net/if_inet6; then
    serve "$url" "${quiet[@]}" --listen '[::1]:0'
    same "GET over IPv6" "$(rest "$at/data/one")" "some bytes"
    stop
fi

# one sentence for what cannot be
expect 2 serve "$url" --listen nowhere
one_line
says "must be HOST:PORT, [IPV6]:PORT or unix:PATH"
serve "$url" "${quiet[@]}" --listen 127.0.0.1:0
expect 1 serve "$url" --listen "${at#http://}"
one_line
says "cannot listen on ${at#http://}"
stop
expect 2 serve "$url" --set requests
says "--set wants KEY=VALUE"
expect 2 serve "$url" --socket-activation
says "no socket was handed over"

# TLS: from 1.2 on, verified
tls_files tls other
serve "$url" "${quiet[@]}" --listen 127.0.0.1:0 --tls-cert tls.pem --tls-key tls.key
same "GET over TLS" "$(rest --cacert tls.pem "$at/data/one")" "some bytes"
noise 3000000 1 >noise
rest --cacert tls.pem --data-binary @noise "$at/data/noise" || problem "POST over TLS"
rest --cacert tls.pem "$at/data/noise" >back
same_file "3 MB over TLS" noise back
ok "another certificate is not trusted" sh -c "! curl -s --cacert other.pem $at/healthz"
ok "TLS 1.2" curl -sS -o answer --tlsv1.2 --tls-max 1.2 --cacert tls.pem "$at/healthz"
ok "no TLS 1.1" sh -c "! curl -s --tlsv1.1 --tls-max 1.1 --ciphers DEFAULT@SECLEVEL=0 --cacert tls.pem $at/healthz"
ok "no plain HTTP" sh -c "! curl -s ${at/https/http}/healthz"
# a new certificate at SIGHUP
cp other.pem tls.pem
cp other.key tls.key
kill -HUP "$server"
until_true curl -sS --cacert other.pem "$at/healthz"
stop
tls_files tls
expect 1 serve "$url" --tls-cert missing.pem --tls-key tls.key
one_line
says "cannot read the TLS certificate missing.pem"
expect 1 serve "$url" --tls-cert config --tls-key tls.key
one_line
says "cannot use config as the TLS certificate (PEM)"
expect 1 serve "$url" --tls-cert tls.pem --tls-key other.key
one_line
says "other.key"
expect 2 serve "$url" --tls-cert tls.pem
says "the certificate lacks its key"

# a socket handed over as systemd does it
cat >hand-over.py <<'EOF'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])
EOF
python3 hand-over.py "$T/handed" "$MSTORE" serve "$url" "${quiet[@]}" --socket-activation >serve.out 2>serve.err &
server=$!
until_true curl -sS --unix-socket handed http://x/healthz
same "GET over a socket handed over" "$(rest --unix-socket handed http://x/data/one)" "some bytes"
ok "only that one" test "$(grep -c 'listening on' serve.out)" = 1
stop
ok "it is not ours to remove" test -S handed

# standard input and output: no Host, goes on after "close", ends at the end of input
accept='Accept: application/vnd.x.borgstore.rest.v1'
printf 'GET /data/one HTTP/1.1\r\n%s\r\nConnection: close\r\n\r\nPOST /data/two HTTP/1.1\r\n%s\r\nContent-Length: 3\r\n\r\ntwoGET /data/two HTTP/1.1\r\n%s\r\n\r\n' \
    "$accept" "$accept" "$accept" >requests
expect 0 serve "$url" --stdio "${quiet[@]}" <requests
same "answers" "$(grep -ao 'HTTP/1.1 200 OK' out | wc -l)" 3
prints "some bytesHTTP/1.1 200"
same "the last one" "$(tail -c 3 out)" two
ok "nothing is said on standard output beside" sh -c '! grep -a listening out'
printf 'nonsense\r\n\r\n' >requests
expect 0 serve "$url" --stdio "${quiet[@]}" <requests
prints "HTTP/1.1 400 "
# a signal ends it while it waits for its client
mkfifo requests.pipe
"$MSTORE" serve "$url" --stdio "${quiet[@]}" <requests.pipe >serve.out 2>serve.err &
server=$!
exec 7>requests.pipe
printf 'GET /data/one HTTP/1.1\r\n%s\r\n\r\n' "$accept" >&7
until_true grep -q 'some bytes' serve.out
stop
exec 7>&-

# the end: what is under way is finished, the status is 0; a second signal ends at once
upload() { # NAME SECONDS
    { printf begin; sleep "$2"; printf end; } |
        rest -o /dev/null -w '%{http_code}' -X POST -T - -H 'Expect:' "$at/data/$1"
}
under_way() { # beside the request that asks
    curl -s "$at/metrics" | grep -q '^mstore_server_requests_in_flight 2$'
}
serve "$url" "${quiet[@]}" --listen 127.0.0.1:0
upload late 2 >code &
client=$!
until_true under_way
stop
wait "$client"
same "the upload under way" "$(cat code)" 200
expect 0 get "$url" data/late
prints "beginend"
serve "$url" "${quiet[@]}" --listen 127.0.0.1:0
upload later 30 >code 2>/dev/null &
client=$!
until_true under_way
kill -TERM "$server"
until_true sh -c "! curl -s $at/healthz"
ok "it waits" kill -0 "$server"
stop 143
kill "$client" 2>/dev/null
expect 3 get "$url" data/later

# much larger than memory, both ways, again and again: of a local folder, and of a store of three
conf home '[namespace data]' 'kind = mutable' 'redundancy = copies 2' 'names = bytes'
expect 0 create home.conf
if [ -n "${MOST_KIB:-}" ]; then bytes=$((256 << 20)); else bytes=$((40 << 20)); fi
wanted=$(stream | sha256sum)
for store in "$url" "$T/home.conf"; do
    MSTORE_STATE_DIR=$T/state serve "$store" "${quiet[@]}" --listen 127.0.0.1:0
    stream | rest --fail-with-body -X POST -T - -H 'Expect:' "$at/data/big" || problem "a large upload"
    for i in 1 2; do same "the same bytes, $i" "$(rest "$at/data/big" | sha256sum)" "$wanted"; done
    resident=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$server/status")
    ok "$resident KiB" test "$resident" -lt "${MOST_KIB:-100000000}"
    stop
done
finish
