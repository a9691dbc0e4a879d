#!/bin/bash
# mstore serve at SIGHUP: limits are those of the new configuration; what would open a socket that is there to
# others, and what only a restart can do, is refused as a whole.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
printf x | "$MSTORE" passwd x >out 2>err || { grep -q 'without libssl' err && exit 77; }
fresh store
printf 'some bytes' >value
expect 0 put "$url" data/one value
printf geheim | "$MSTORE" passwd --file users alice || problem "cannot make alice"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout key.pem -out cert.pem \
    -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 2>/dev/null
configured=0
status() { rest -k -o answer -w '%{http_code}' "$@"; }
# configure LINES - of [server]
configure() {
    printf '[server]\naudit-log = none\nusers = users\n%b\n[serve mark]\nstore = %s\npath = /%s\n[serve one]\nstore = %s\npath = /\n' \
        "$1" "$url" "$((++configured))" "$url" >conf
    chmod 600 conf
}
reload() { # until what comes last, the paths, is there, too
    kill -HUP "$server"
    until_true rest -f -u alice:geheim "$at/$configured/data/one"
}
no_connection() { # but the one that asks
    curl -s "$at/metrics" | grep -qx 'mstore_server_connections 1'
}
both_served() { # 8 and 9
    local fd line
    exec 8<>"/dev/tcp/127.0.0.1/${at##*:}" 9<>"/dev/tcp/127.0.0.1/${at##*:}"
    for fd in 8 9; do
        (trap '' PIPE; printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n' >&"$fd")
        read -r -t 20 line <&"$fd" && [ "$line" = $'HTTP/1.1 200 OK\r' ] && continue
        exec 8>&- 9>&-
        return 1
    done
}
two_connections() { until_true both_served; } # one before may be seen to end only now
refuse_reload() { # SENTENCE
    : >serve.err
    kill -HUP "$server"
    until_true grep -qF -- "nothing was reloaded: $1" serve.err
}


# limits of logins and of requests
address='listen = 127.0.0.1:0'
configure "$address\nlogin-failures = 100\nheader-size = 16KiB\nbody-size = 1MiB"
serve --config conf
for _ in 1 2 3 4; do same "a wrong password" "$(status -u alice:falsch "$at/data/one")" 401; done
long=$(printf '%04000d' 0)
same "a long header" "$(status -u alice:geheim -H "X: $long" "$at/data/one")" 200
configure "$address\nlogin-failures = 2\nheader-size = 2KiB\nbody-size = 5"
reload
same "a wrong password after four" "$(status -u alice:falsch "$at/data/one")" 429
same "a header that has become too long" "$(status -u alice:geheim -H "X: $long" "$at/data/one")" 431
same "a body that has become too large" "$(status -u alice:geheim -d 123456 "$at/data/two")" 413
same "one that has not" "$(status -u alice:geheim -d 12345 "$at/data/two")" 200
configure "$address\nconnections-per-address = 2"
reload
same "its own limit for logins" "$(status -u alice:falsch "$at/data/one")" 401
until_true no_connection
two_connections
same "a third connection" "$(status -u alice:geheim "$at/data/one")" 503
exec 8>&- 9>&-
configure "$address"
until_true rest -f -u alice:geheim "$at/data/one"
reload
two_connections
same "a third connection again" "$(status -u alice:geheim "$at/data/one")" 200
exec 8>&- 9>&-

# what only a restart can do
configure "listen = 127.0.0.1:0 unix:socket"
refuse_reload "conf: listen is another than at the start: restart the server for that"
configure "$address\ntls-cert = cert.pem\ntls-key = key.pem"
refuse_reload "conf: TLS cannot be switched on while the server runs: restart it"
same "all goes on" "$(status -u alice:geheim "$at/data/one")" 200
stop

# a socket that others reach, which the configuration does not show: as at the start, so at SIGHUP
cat >hand-over.py <<'PY'
import os, socket, sys
s = socket.socket()
s.bind(("0.0.0.0", 0))
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
PY
secure='tls-cert = cert.pem\ntls-key = key.pem'
configure "$secure"
: >serve.out
python3 hand-over.py "$MSTORE" serve --config conf --socket-activation >serve.out 2>serve.err &
server=$!
until_true grep -q '^listening on https://0.0.0.0:' serve.out
at=https://127.0.0.1:$(sed -n 's/^listening on .*://p' serve.out)
same "without a login" "$(status "$at/data/one")" 401
configure "$secure"
sed -i '/^users/d' conf
refuse_reload "conf: everybody who reaches 0.0.0.0:"
configure "$secure"
echo 'user = anyone' >>conf
refuse_reload "conf: everybody who reaches 0.0.0.0:"
configure ''
refuse_reload "conf: TLS cannot be switched off while the server runs: restart it"
same "still without a login" "$(status "$at/data/one")" 401
same "with one" "$(status -u alice:geheim "$at/data/one")" 200
stop

# more connections than the usual soft limit of descriptors
ulimit -Sn 64
configure "$address\nconnections = 500"
serve --config conf
limit=$(sed -n 's/^Max open files *\([0-9]*\) .*/\1/p' "/proc/$server/limits")
ok "$limit descriptors" test "$limit" -gt 500
stop
finish
