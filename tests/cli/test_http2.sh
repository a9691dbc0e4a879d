#!/bin/bash
# What can go wrong in HTTP/2 alone: streams that are refused or reset, a connection that the server
# ends, frames that are none. All of it passes when it is tried again; else it is one sentence.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
unset "${!AWS_@}" "${!BORGSTORE_@}"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=test -addext subjectAltName=IP:127.0.0.1 2>/dev/null || problem "openssl makes no certificate"
cat key.pem cert.pem >both.pem

server=
serve() { # FAULT... - the first requests get these; the store is then at $store
    rm -f port log lives
    mkfifo lives
    python3 "$SOURCE/tests/cli/h2_server.py" port log both.pem "$@" <lives 2>>server.err &
    server=$!
    exec 9>lives
    until [ -s port ] || ! kill -0 "$server" 2>/dev/null; do read -r -t 0.05 <> <(:) || true; done
    store="https://127.0.0.1:$(cat port)/x?ca=$T/cert.pem&timeout=5s"
}
unserve() {
    exec 9>&-
    wait "$server"
}

# create is one request. One that was not carried out, or that may have been: it is made again. Who
# agreed to HTTP/2 and then sends what is none is no server of another kind, but one that broke.
# Each is of the kind that is tried again; two show that it is, the others need not wait for that.
for fault in refused reset goaway cut garbage; do
    serve "$fault" "$fault"
    expect 5 create "$store&retries=0"
    one_line
    says "127.0.0.1:$(cat port)"
    same "$fault: asked once" "$(paste -sd' ' log)" "$fault"
    unserve
done
for fault in refused goaway; do
    serve "$fault"
    expect 0 create "$store"
    same "$fault: asked twice" "$(paste -sd' ' log)" "$fault answered"
    unserve
done
finish
