#!/bin/bash
# mstore serve: several [serve] sections over one store have one count for its quota, one rule for what is new, one
# look-after and one end.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
status() { rest -o answer -w '%{http_code}' "$@"; }
usage() { rest -X POST "$at/$1/?cmd=quota"; }
fresh store
head -c 6000 /dev/zero >value
configure() { # PERMISSIONS QUOTA OF-THE-OTHER
    printf '[server]\nlisten = 127.0.0.1:0\naudit-log = none\n[serve full]\nstore = %s\nquota = %s\n[serve new]\nstore = %s\npermissions = %s\n%b' \
        "$url" "$2" "$url" "$1" "${3:-quota = $2\n}" >conf
    chmod 600 conf
}

configure '"":lrw' 10000
serve --config conf
same "by one" "$(status --data-binary @value "$at/full/data/one")" 200
same "too much by the other" "$(status --data-binary @value "$at/new/data/two")" 507
same "what is counted" "$(usage new)" '{"limit": 10000, "usage": 6000}'
same "replacing by the other" "$(status -d x "$at/new/data/one")" 403
same "deleting" "$(status -X DELETE "$at/full/data/one")" 200
same "there is room again" "$(status --data-binary @value "$at/new/data/two")" 200
# at once, by both: together they do not pass the limit
for i in 1 2 3 4; do
    for section in full new; do
        status -d "$(printf '%0700d' 0)" "$at/$section/data/$section-$i" >"code.$section.$i" &
        uploads="${uploads:-} $!"
    done
done
# shellcheck disable=SC2086
wait $uploads
same "those that fit" "$(cat code.* | grep -o 200 | wc -l)" 5
same "what is counted then" "$(usage full)" '{"limit": 10000, "usage": 9500}'
# other rights at SIGHUP leave the store, and the count, as they are
configure '"":lrwD' 10000
kill -HUP "$server"
until_true rest -f -X DELETE "$at/new/data/two"
same "the count after a reload" "$(usage full)" '{"limit": 10000, "usage": 3500}'
# no two limits of one store
configure '"":lrwD' 10000 '\n'
: >serve.err
kill -HUP "$server"
until_true grep -q 'nothing was reloaded: conf: \[serve full\] and \[serve new\] are one storage, whose quota is one' serve.err
# what ends for one ends for all
same "the end" "$(status -X DELETE "$at/full/?cmd=destroy")" 200
same "for the other, too" "$(status "$at/new/data/full-1")" 410
same "made anew" "$(status -X POST "$at/new/?cmd=create")" 200
same "an empty count" "$(usage full)" '{"limit": 10000, "usage": 0}'
stop
configure '"":lrw' 10000 'quota = 20000\n'
expect 1 serve --config conf
one_line
says "give both the same store and quota"

# a store of many: what one section starts is the other's, too
cat >home.conf <<END
[mstore]
key = 0000000000000000000000000000000000000000000000000000000000000007
[member one]
url = file://$T/m1?sync=none
[member two]
url = file://$T/m2?sync=none
[namespace data]
kind = plain
redundancy = all
END
printf '[server]\nlisten = 127.0.0.1:0\naudit-log = none\n[serve a]\nstore = %s/home.conf\n[serve b]\nstore = %s/./home.conf\n[serve c]\nstore = both\n[store both]\nurl = %s/home.conf\n' \
    "$T" "$T" "$T" >conf
chmod 600 home.conf conf
expect 0 create home.conf
serve --config conf
until_true curl -sf "$at/healthz"
token=$(curl -s "$at/ui/session.json" | sed 's/.*"token":"\([0-9a-f]*\)".*/\1/')
same "a scrub by one" "$(curl -s -X POST -H "Origin: $at" -H "X-Mstore-Token: $token" "$at/ui/start?store=a&work=scrub")" '{}'
done_by() { curl -s "$at/metrics" | grep -qx "mstore_upkeep_runs_total{store=\"$1\",work=\"scrub\",result=\"done\"} 1"; }
until_true done_by b
until_true done_by c
curl -s "$at/stats.json" >figures.json
ok "one look-after" python3 -c '
import json
a, b, c = json.load(open("figures.json"))["stores"]
for other in b, c:
    assert a["upkeep"]["scrub"] == other["upkeep"]["scrub"] and a["looked_ms"] == other["looked_ms"], (a["upkeep"], other["upkeep"])'
stop
finish
