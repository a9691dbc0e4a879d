# shellcheck shell=bash
# For tests of `mstore serve`; sourced after lib.sh.
#   serve ARGUMENT...   starts it in the background: $server is its process, $at where it listens
#   stop [STATUS]       ends it and looks at its exit status (0)
#   tls_files NAME...   a certificate and key each, for this machine
#   rest CURL-ARGUMENT... curl as a BorgStore client
server='' at=''
serve() {
    : >serve.out
    "$MSTORE" serve "$@" >serve.out 2>serve.err &
    server=$!
    for _ in $(seq 400); do
        at=$(sed -n 's/^listening on //p' serve.out | head -n 1)
        [ -z "$at" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        read -r -t 0.05 <> <(:) || true
    done
    cat serve.err
    problem "mstore serve $* does not listen"
}
stop() { # [STATUS]
    local status
    kill -TERM "$server"
    wait "$server"
    status=$?
    same "exit status of the server" "$status" "${1:-0}"
    if grep -q -E 'Sanitizer|runtime error' serve.err; then
        cat serve.err
        problem "a sanitizer speaks"
    fi
}
tls_files() { # NAME... - NAME.pem and NAME.key, a certificate for this machine each
    local name
    for name; do
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -keyout "$name.key" \
            -out "$name.pem" -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
    done
}
rest() { curl -sS -H 'Accept: application/vnd.x.borgstore.rest.v1' "$@"; }
until_true() { # COMMAND... - at most 20 s
    for _ in $(seq 400); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        read -r -t 0.05 <> <(:) || true
    done
    problem "never true: $*"
}
