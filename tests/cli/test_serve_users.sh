#!/bin/bash
# mstore serve: who may use which store; limits of failed logins; SIGHUP; the audit log.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
client=$SOURCE/tests/cli/serve_client.py
status() { rest -o body -D head -w '%{http_code}' "$@"; }
user() { printf %s "$2" | "$MSTORE" passwd --file users "$1" || problem "cannot make $1"; }
printf x | "$MSTORE" passwd x >out 2>err || { grep -q 'without libssl' err && exit 77; }
user alice geheim
user bob 'pass:wort'
token=$("$MSTORE" passwd --file users --token carol)

# one user
fresh solo
printf 'geheim\n' >secret
chmod 600 secret
serve "$url" --listen 127.0.0.1:0 --user solo --password-file secret --audit-log audit
same "without a login" "$(status "$at/")" 401
same "the body" "$(cat body)" "Unauthorized"
ok "the header" grep -qix $'www-authenticate: basic realm="borgstore rest server"\r' head
same "with one" "$(status -u solo:geheim "$at/")" 200
same "a wrong one" "$(status -u solo:geheimer "$at/")" 401
same "another Accept comes first" "$(curl -s -o body -w '%{http_code}' "$at/x")" 406
stop
MSTORE_SERVE_PASSWORD=ausderumgebung serve "$url" --listen 127.0.0.1:0 --user solo --audit-log none
same "by the environment" "$(status -u solo:ausderumgebung "$at/")" 200
stop
chmod 644 secret
expect 1 serve "$url" --user solo --password-file secret
one_line
says "secret:1: it holds a password, and others may read the file; run: chmod 600 secret"

# nobody listens to the world unprotected
expect 2 serve "$url" --listen 0.0.0.0:0
one_line
says "others could read and change what goes over 0.0.0.0:0, because there is no TLS"
serve "$url" --listen 0.0.0.0:0 --insecure --audit-log none
stop

# stores with users of their own
fresh one
fresh two
cat >conf <<END
[server]
listen = 127.0.0.1:0
users = $T/users
audit-log = $T/audit
login-failures = 3
login-interval = 1h
[store two]
url = file://$T/two?sync=none
[serve one]
store = file://$T/one?sync=none
user = alice carol
quota = 1000
[serve two]
store = two
path = /deep/er
user = bob
permissions = {"": "lr", "data": "lrw"}
[serve open]
store = two
user = anyone
permissions = borgbackup-read-only
END
rm -f audit
serve --config conf
same "alice, one" "$(status -u alice:geheim --data-binary hello "$at/one/data/a")" 200
same "bob, one" "$(status -u bob:pass:wort "$at/one/data/a")" 403
same "carol by her token, one" "$(status -H "Authorization: Bearer $token" "$at/one/data/a")" 200
same "bob, two" "$(status -u bob:pass:wort --data-binary hello "$at/deep/er/data/b")" 200
same "not over what is there" "$(status -u bob:pass:wort --data-binary other "$at/deep/er/data/b")" 403
same "alice, two" "$(status -u alice:geheim "$at/deep/er/data/b")" 403
same "anyone, open" "$(status "$at/open/data/b")" 200
same "what anyone gets" "$(cat body)" hello
same "anyone writes" "$(status --data-binary x "$at/open/data/c")" 403
same "a quota" "$(head -c 2000 /dev/zero | status -u alice:geheim --data-binary @- "$at/one/data/big")" 507
same "no such store" "$(status -u alice:geheim "$at/three/data/a")" 404
same "half a path" "$(status -u bob:pass:wort "$at/deep/data/b")" 404

# guessing: limited before the work is done; who was right goes on
for i in 1 2 3; do same "guess $i" "$(status -u "alice:$i" "$at/one/data/a")" 401; done
same "guess 4" "$(status -u alice:4 "$at/one/data/a")" 429
ok "when to come again" grep -qiE '^retry-after: (3[0-9]{3})' head
same "a right password that is not remembered" "$(status -u eve:geheim "$at/one/data/a")" 429
same "a remembered one" "$(status -u alice:geheim "$at/one/data/a")" 200

# the audit log: a line for each, nobody forges one, no secret in it
rest -o body "$at/open/data/x%0a2026-11-21T00:00:00.000Z%20peer=1"
until_true grep -q 'name=/open/data/x%0a2026-11-21T00:00:00.000Z%20peer\\x3d1 ' audit
ok "who, where, what" grep -qE ' peer=127\.0\.0\.1 user=alice store=one method=POST cmd=- name=/one/data/a to=- status=200 in=5 out=0 ms=' audit
same "lines that are none" "$(grep -vcE '^20[0-9T:.-]+Z peer=127\.0\.0\.1 user=[a-z-]+ store=[a-z-]+ method=[A-Z]+ ' audit)" 0

# SIGHUP: the log is opened anew, another password counts, a store appears
mv audit audit.old
user alice neu
printf '[serve late]\nstore = two\nuser = bob\n' >>conf
kill -HUP "$server"
until_true test -e audit
same "the old password" "$(status -u alice:geheim "$at/one/data/a")" 429
same "the store that came" "$(status -u bob:pass:wort "$at/late/data/b")" 200
# a broken file keeps all, and is named
cp conf good
printf 'colour = red\n' >>conf
kill -HUP "$server"
until_true grep -q 'nothing was reloaded: conf:[0-9]*: \[serve\] has no key "colour"' serve.err
same "all goes on" "$(status -u bob:pass:wort "$at/late/data/b")" 200
chmod 644 users
cp good conf
kill -HUP "$server"
until_true grep -q "nothing was reloaded: others may read the users' hashes" serve.err
chmod 600 users

# reloading under load: nothing is refused, nothing breaks
rm -f enough
python3 "$client" load "$at/late/data/b" bob:pass:wort 4 enough >loaded 2>&1 &
loading=$!
for i in 1 2 3 4 5 6; do
    mv audit "audit.$i"
    sed -i "s/^quota = .*/quota = $((i + 1000))/" conf
    kill -HUP "$server"
    until_true test -s audit
done
touch enough
wait "$loading"
same "under load" "$(tr '\n' ' ' <loaded)" "requests some wrong "
same "another log's form" "$(sed -i 's/^login-interval.*/&\naudit-format = json/' conf; mv audit audit.7; kill -HUP "$server"; until_true test -e audit
    status -u bob:pass:wort "$at/late/data/b")" 200
until_true grep -q '"status":200' audit
cp audit out
json_ok --json-lines
stop
ok "no secret in any log" sh -c "! cat audit* serve.err serve.out | grep -qE -e 'geheim|wort|$token|$(printf alice:geheim | base64)'"

# behind a proxy of ours the client's address counts
sed -i 's/^login-failures.*/login-failures = 1\nbehind-proxy = yes/; /^audit-format/d' conf
rm audit*
serve --config conf
by() { status -H "X-Forwarded-For: $1" -u "$2" "$at/one/data/a"; }
same "one client" "$(by '198.51.100.7, 192.0.2.1' alice:x)" 401
same "the same" "$(by '198.51.100.8, 192.0.2.1' alice:x)" 429
same "another" "$(by 192.0.2.2 alice:neu)" 200
same "no address" "$(by nonsense alice:y)" 401
stop
ok "the log has it" grep -q ' peer=192.0.2.1 user=- ' audit

# a new certificate: connections that are there stay, new ones get it
tls_files old new
cp old.pem cert.pem && cp old.key key.pem
serve "$url" --listen 127.0.0.1:0 --tls-cert cert.pem --tls-key key.pem --audit-log audit
rm -f audit ready go
python3 "$client" renew 127.0.0.1 "${at##*:}" old.pem new.pem ready go >renewed 2>&1 &
renewing=$!
until_true test -e ready
cp new.pem cert.pem # without its key: refused
kill -HUP "$server"
until_true grep -q 'nothing was reloaded' serve.err
cp new.key key.pem
rm -f audit
kill -HUP "$server"
until_true test -e audit
touch go
wait "$renewing"
same "renewed" "$(tr '\n' '|' <renewed)" "200 ok|200 ok same|new|"
stop
finish
