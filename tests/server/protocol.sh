#!/bin/bash
# protocol.sh - BorgStore's REST protocol of `mstore serve` by curl: every row of the table in
# docs/server.md, and every refusal.
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?}/tests/cli/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
asks() { # STATUS BODY PATH CURL-ARGUMENT... - the body "…" is not looked at
    local status=$1 body=$2 path=$3
    shift 3
    : >body
    same "$path $*" "$(rest --path-as-is -D head -o body -w '%{http_code}' "$@" "$at$path")" "$status"
    [ "$body" = … ] || same "$path $*: the body" "$(cat body)" "$body"
}
refuses() { # STATUS PART PATH CURL-ARGUMENT... - a sentence, the same in the status line
    asks "$1" … "${@:3}"
    ok "$3: it says \"$2\": $(cat body)" grep -qF -e "$2" body
    ok "$3: so does the status line: $(head -n 1 head)" grep -qF -e "$(head -c 60 body)" <(head -n 1 head)
    ok "$3: no path in it" sh -c "! grep -qF '$T' head body"
}
has() { ok "$1: $(cat head)" grep -qi "^$1" head; }
sha() { printf %s "$1" | sha256sum | cut -d' ' -f1; }
serve "file://$T/store?sync=none" --audit-log none --listen 127.0.0.1:0 --permissions '{"": "lrwWD", "sealed": "l"}'

# ---- before it is made
refuses 410 "[STORAGE_BASE]" //
refuses 410 "" /x
refuses 410 "" "/?cmd=destroy" -X DELETE
asks 410 … /x --head
asks 200 "" "/?cmd=create" -X POST
asks 200 "" "/?cmd=create" -X POST # there, and empty

# ---- the table
asks 200 "" "/data/01?cmd=mkdir" -X POST
asks 200 "" "/data/01?cmd=mkdir" -X POST
asks 200 "" /data/a --data-binary hello
has "Cache-Control: no-store, no-cache, must-revalidate, max-age=0"
asks 200 hello /data/a
has "Content-Type: application/octet-stream"
has "Content-Length: 5"
asks 200 hello ///data/a
asks 206 ell /data/a -H 'Range: bytes=1-3'
asks 206 lo /data/a -H 'Range: bytes=3-'
asks 206 llo /data/a -H 'Range: bytes=-3'
asks 206 "" /data/a -H 'Range: bytes=9-'
asks 200 hello /data/a -H 'Range: lines=1'
asks 200 … /data/a --head
has "Content-Length: 5"
has "X-BorgStore-Is-Directory: false"
has "X-BorgStore-Atime: [0-9]"
asks 200 … / --head
has "X-BorgStore-Is-Directory: true"
asks 200 … /data --head
has "X-BorgStore-Is-Directory: true"
asks 200 … /data/
cp body out
same "a listing" "$(json '[(e["name"], e["size"], e["directory"], e["atime"] > 0) for e in d]')" "[('01', 0, True, True), ('a', 5, False, True)]"
asks 200 … //
cp body out
same "the root" "$(json '[e["name"] for e in d]')" "['data']"
asks 200 "" /data/a --data-binary another # replaced
asks 200 another /data/a
asks 200 "" /data/h --data-binary checked -H "X-Content-hash-sha256: $(sha checked)"
head -c 3000000 /dev/zero >large
asks 200 "" /data/large -X POST -T large -H Expect:
asks 200 "" /data/chunked -X POST -T - -H Expect: <large
asks 200 "$(sha256sum <large | cut -d' ' -f1)" "/data/chunked?cmd=hash" -X POST
asks 200 "$(sha another)" "/data/a?cmd=hash&algorithm=sha256" -X POST
asks 200 "$(printf another | md5sum | cut -d' ' -f1)" "/data/a?cmd=hash&algorithm=md5" -X POST
asks 200 "" "/?cmd=move&current=data/a&new=data%2Fa.del" -X POST
asks 404 … /data/a
asks 200 another /data/a.del
asks 200 '{"limit": -1, "usage": -1}' "/?cmd=quota" -X POST
asks 200 data/d "/?cmd=defrag&target=data/d" --data-binary '[["data/a.del",0,3],["data/h",5,2]]'
asks 200 anoed /data/d
joined=$(sha anoed)
name=data/${joined:0:2}/${joined:2:2}/$joined
asks 200 "$name" "/?cmd=defrag&algorithm=sha256&namespace=data&levels=2" --data-binary '[["data/d",0,5]]'
asks 200 anoed "/$name"
asks 200 "" /data/d -X DELETE
asks 200 "" "/data/01?cmd=rmdir" -X DELETE

# ---- refusals
for name in /../x /data/../../x /Upper /x.tmp /quota.hid /a//b /a/./b '/a\b'; do refuses 400 "bad name" "$name" --data-binary v; done
refuses 400 "a name is missing" / --data-binary v
refuses 400 "no such cmd" "/x?cmd=frobnicate" -X POST
refuses 400 "new=" "/?cmd=move&current=x" -X POST
refuses 400 "target= or algorithm=" "/?cmd=defrag" --data-binary '[]'
refuses 400 "[[name, offset, size], ...]" "/?cmd=defrag&target=data/d" --data-binary '{}'
refuses 400 rot13 "/data/h?cmd=hash&algorithm=rot13" -X POST
refuses 403 "Permission denied" /sealed/x --data-binary v
refuses 403 "Permission denied" /sealed/x
refuses 404 data/d /data/d
refuses 404 data/d /data/d -X DELETE
refuses 404 nowhere /nowhere/
refuses 404 nothing "/?cmd=move&current=nothing&new=x" -X POST
same "another protocol" "$(curl -sS -o body -w '%{http_code}' "$at/data/h")" 406
same "a list of protocols" "$(curl -sS -o body -w '%{http_code}' -H 'Accept: */*' "$at/data/h")" 406
refuses 409 "there" "/?cmd=create" -X POST
refuses 409 data "/data?cmd=rmdir" -X DELETE
refuses 409 data /data --data-binary "over a directory"
refuses 409 data/h /data/h/x --data-binary "below a value"
refuses 409 data/h "/data/h?cmd=mkdir" -X POST
head -c 17000000 /dev/zero | tr '\0' ' ' >long
refuses 413 "the list of parts is too long" "/?cmd=defrag&target=data/d" --data-binary @long -H Expect:
refuses 416 "Read range error from " "/?cmd=defrag&target=data/d" --data-binary '[["data/h",1,50]]'
refuses 422 "Content hash verification failed, please retry" /data/h --data-binary other -H "X-Content-hash-sha256: $(sha checked)"
asks 200 checked /data/h
refuses 501 method /x -X PUT -d v
ln -s loop store/data/loop
asks 500 … /data/loop
rm store/data/loop
asks 200 "" "/?cmd=destroy" -X DELETE
refuses 410 "" /data/h
stop
serve "file://$T/store?sync=none" --audit-log none --listen 127.0.0.1:0 --quota 1000
asks 200 "" "/?cmd=create" -X POST
asks 200 "" /data/a --data-binary 0123456789
refuses 507 "" /data/b --data-binary @large
asks 200 '{"limit": 1000, "usage": 10}' "/?cmd=quota" -X POST
stop
finish
