#!/bin/bash
# mstore serve as a service: units, readiness, sockets handed over, behind nginx.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
printf x | "$MSTORE" passwd x >out 2>err || { grep -q 'without libssl' err && exit 77; }
fresh store
printf geheim | "$MSTORE" passwd --file users alice || problem "passwd"

# systemd finds nothing wrong with the units (it also asks for the manual page, which is not installed)
if command -v systemd-analyze >/dev/null; then
    sed "s|@CMAKE_INSTALL_FULL_BINDIR@/mstore|$MSTORE|" "$SOURCE/server/systemd/mstore-serve.service.in" >mstore-serve.service
    cp "$SOURCE/server/systemd/mstore-serve.socket" .
    systemd-analyze verify "$T/mstore-serve.service" "$T/mstore-serve.socket" 2>&1 | grep mstore-serve | grep -v "man mstore" >wrong
    same "systemd-analyze verify" "$(cat wrong)" ""
fi

# Type=notify: READY once it listens
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
s.settimeout(60)
open("bound", "w").close()
print(s.recv(100).decode())' "$T/notify" >notified &
notified=$!
until_true test -e bound
NOTIFY_SOCKET=$T/notify serve "$url" --listen 127.0.0.1:0 --audit-log none
wait "$notified"
same "what systemd is told" "$(cat notified)" "READY=1"
stop

# a socket handed over is held to the same rule
hand_over() { # ADDRESS COMMAND... - becomes the command, with a listening socket as descriptor 3
    python3 -c 'import os, socket, sys
s = socket.socket()
s.bind((sys.argv[1], 0))
s.listen()
os.dup2(s.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[2], sys.argv[2:])' "$@"
}
hand_over 0.0.0.0 "$MSTORE" serve "$url" --socket-activation >out 2>err
says "because there is no TLS"

# behind nginx, as the example has it
if command -v nginx >/dev/null; then
    cat >conf <<END
[server]
listen = unix:$T/socket
users = $T/users
behind-proxy = yes
audit-log = $T/audit
login-failures = 1
[serve store]
store = $url
path = /
END
    serve --config conf
    tls_files nginx
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    {
        echo "daemon off; pid $T/nginx.pid; error_log stderr; worker_processes 1; events {} http { access_log off;"
        for temporary in client_body proxy fastcgi uwsgi scgi; do echo "${temporary}_temp_path $T/nginx-$temporary;"; done
        sed -e "s|unix:/run/mstore/serve.sock|unix:$T/socket|" -e "s|listen 443 ssl|listen 127.0.0.1:$port ssl|" \
            -e '/listen \[::\]/d' -e "s|/etc/ssl/store.example.org.pem|$T/nginx.pem|" \
            -e "s|/etc/ssl/store.example.org.key|$T/nginx.key|" "$SOURCE/server/examples/nginx.conf"
        echo "}"
    } >nginx.conf
    [ "$(id -u)" != 0 ] || sed -i '1i user root;' nginx.conf
    nginx -e stderr -p "$T" -c "$T/nginx.conf" 2>nginx.err &
    nginx=$!
    until_true curl -s --cacert nginx.pem "https://127.0.0.1:$port/healthz"
    by() { rest --cacert nginx.pem -o body -w '%{http_code}' "$@"; }
    noise 3000000 1 >noise
    same "POST" "$(by -u alice:geheim --data-binary @noise "https://127.0.0.1:$port/data/a%25b")" 200
    same "GET" "$(by -u alice:geheim "https://127.0.0.1:$port/data/a%25b")" 200
    same_file "3 MB through nginx" noise body
    same "the root, by two slashes" "$(by -u alice:geheim "https://127.0.0.1:$port//")" 200
    same "a wrong password" "$(by -u alice:x "https://127.0.0.1:$port/data/a")" 401
    same "another" "$(by -u alice:y "https://127.0.0.1:$port/data/a")" 429
    same "no metrics" "$(curl -sS --cacert nginx.pem -o body -w '%{http_code}' "https://127.0.0.1:$port/metrics")" 403
    ok "the client's address is written down" grep -q ' peer=127.0.0.1 user=alice ' audit
    kill -TERM "$nginx"
    wait "$nginx"
    stop
fi
finish
