#!/bin/bash
# mstore serve: what a foreign page in somebody's browser can make that browser send over BorgStore's protocol.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
fresh store

# status WANTED CURL-ARGUMENT... - of a request of the protocol; its answer's body in answer
status() {
    local wanted=$1
    shift
    same "status of $*" "$(rest -o answer -w '%{http_code}' "$@")" "$wanted"
}

# nobody is asked for a login: neither storing by a page of another site, nor reading by one whose name leads here
serve "$url" --audit-log none --listen 127.0.0.1:0 --set host-names=nas.example
port=${at##*:}
status 200 -d value "$at/data/one"
for origin in http://evil.example null "$at"; do
    status 403 -H "Origin: $origin" -H 'Content-Type: text/plain' -d evil "$at/data/one"
    status 403 -H "Origin: $origin" -X POST "$at/?cmd=move&current=data/one&new=data/two"
    status 403 -H "Origin: $origin" -X DELETE "$at/data/one"
done
status 403 -H 'Sec-Fetch-Site: cross-site' "$at/data/one"
for host in evil.example "evil.example:$port" localhost.evil.example 127.0.0.1.evil.example '[::1' '[::1]x' :80; do
    status 421 -H "Host: $host" "$at/data/one"
done
status 421 -H 'Host: evil.example' -d evil "$at/data/one"
ok "it says why" grep -q host-names answer
for host in "127.0.0.1:$port" localhost "LOCALHOST:$port" '[::1]:80' 192.0.2.1 nas.example "nas.example:$port"; do
    status 200 -H "Host: $host" "$at/data/one"
    same "what was stored, asked by $host" "$(cat answer)" value
done
# a broken query is no absent one
status 400 -d evil "$at/data/one?cmd=%zz"
status 400 -d evil "$at/data/one?cmd=%00"
status 400 -X DELETE "$at/data/one?cmd=rmdir%"
status 200 "$at/data/one"
same "what was stored" "$(cat answer)" value
stop

# with users a browser may send the login it remembers; a name that leads here gets none
printf 'secret\n' >password
chmod 600 password
serve "$url" --audit-log none --listen 127.0.0.1:0 --user alice --password-file password
status 200 -u alice:secret -H 'Host: any.example' "$at/data/one"
status 403 -u alice:secret -H 'Host: any.example' -H 'Origin: http://any.example' "$at/data/one"
status 403 -u alice:secret -H 'Origin: http://evil.example' -d evil "$at/data/one"
# HMAC takes a key with NULs behind it for the same
status 401 -H "Authorization: Basic $(printf 'alice:secret\0' | base64)" "$at/data/one"
stop
finish
