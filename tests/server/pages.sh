#!/usr/bin/env bash
# pages.sh - the pages of `mstore serve` by curl: who may see and do what, headers, tokens, hosts, metrics.
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/server/site.sh
. "$here/site.sh"

alice=alice:alice-password
bob=bob:bob-password
# status WANTED WHAT CURL-ARGUMENT... - the answer's status; its headers in $T/headers, body in $T/body
status() {
    local wanted=$1 what=$2 got
    shift 2
    got=$(curl -s --max-time 20 -o "$T/body" -D "$T/headers" -w '%{http_code}' "$@")
    [ "$got" = "$wanted" ] || complain "$what: status $got instead of $wanted: $(head -c 300 "$T/body")"
}
has_header() { # TEXT WHAT
    grep -qi "^$1" "$T/headers" || complain "$2: there is no header \"$1\" in: $(cat "$T/headers")"
}
says() { grep -qF -- "$1" "$T/body" || complain "$2: it does not say \"$1\" but $(head -c 300 "$T/body")"; }
says_not() { ! grep -qF -- "$1" "$T/body" || complain "$2: it says \"$1\""; }

u=http://$main
key=$(hex_of data/large)
hidden=$(hex_of data/hidden)
secret=$(hex_of data/secret-name)
pages="/healthz /metrics /stats.json /ui /ui/ /ui/app.js /ui/browse.js /ui/plot.js /ui/style.css /ui/icon.svg
/ui/session.json /ui/list.json?store=home /ui/download?store=home&key=$key /ui/none"
actions="/ui/undelete?store=home&key=$hidden /ui/start?store=home&work=heal /ui/stop?store=home"

for page in $pages; do
    wanted=200
    [ "$page" != /ui/none ] || wanted=404
    status $wanted "$page" -u $alice "$u$page"
    has_header "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" "$page"
    has_header "X-Content-Type-Options: nosniff" "$page"
    has_header "Referrer-Policy: no-referrer" "$page"
    has_header "Cross-Origin-Opener-Policy: same-origin" "$page"
    has_header "Cache-Control: no-store" "$page"
    status 421 "$page for a foreign host" -u $alice -H 'Host: evil.example' "$u$page"
    says_not members "$page for a foreign host"
    status $wanted "$page for a configured host" -u $alice -H 'Host: backup.example.org:80' "$u$page"
    status $wanted "$page for localhost" -u $alice -H 'Host: localhost:1' "$u$page"
    status 405 "POST of $page" -u $alice -X POST -H "Origin: $u" "$u$page"
    case $page in
    /healthz | /metrics) status 200 "$page without a login" "$u$page" ;;
    *)
        status 401 "$page without a login" "$u$page"
        has_header "X-Content-Type-Options: nosniff" "$page without a login"
        status 401 "$page with a wrong password" -u alice:wrong "$u$page"
        ;;
    esac
done

token_of() {
    curl -s -u "$1" "$u/ui/session.json" | python3 -c 'import json, sys; print(json.load(sys.stdin)["token"])'
}
token=$(token_of $alice) bobs=$(token_of $bob)
[ "${#token}" = 64 ] && [ "$token" != "$bobs" ] || complain "the tokens of two users: $token $bobs"
for action in $actions; do
    origin="Origin: $u" mine="X-Mstore-Token: $token"
    status 401 "$action without a login" -X POST -H "$origin" -H "$mine" "$u$action"
    status 403 "$action without a token" -u $alice -X POST -H "$origin" "$u$action"
    status 403 "$action with another's token" -u $alice -X POST -H "$origin" -H "X-Mstore-Token: $bobs" "$u$action"
    status 403 "$action with half a token" -u $alice -X POST -H "$origin" -H "X-Mstore-Token: ${token:0:32}" "$u$action"
    status 403 "$action without an Origin" -u $alice -X POST -H "$mine" "$u$action"
    status 403 "$action of a foreign page" -u $alice -X POST -H "$mine" -H "Origin: http://evil.example" "$u$action"
    status 403 "$action of an opaque origin" -u $alice -X POST -H "$mine" -H "Origin: null" "$u$action"
    status 421 "$action for a foreign host" -u $alice -X POST -H "Host: evil.example" -H "Origin: http://evil.example" -H "$mine" "$u$action"
    status 405 "GET of $action" -u $alice -H "$origin" -H "$mine" "$u$action"
    has_header "Allow: POST" "GET of $action"
done
status 404 "the item is still hidden" -u $alice "$u/ui/download?store=home&key=$hidden"

# Rights: managers start, letters of permissions decide, other people's stores are not there.
status 403 "bob starts a heal" -u $bob -X POST -H "Origin: $u" -H "X-Mstore-Token: $bobs" "$u/ui/start?store=home&work=heal"
says "managers of [server]" "bob starts a heal"
status 404 "alice stops nothing" -u $alice -X POST -H "Origin: $u" -H "X-Mstore-Token: $token" "$u/ui/stop?store=home"
status 400 "alice starts nonsense" -u $alice -X POST -H "Origin: $u" -H "X-Mstore-Token: $token" "$u/ui/start?store=home&work=nonsense"
status 501 "alice heals one storage" -u $alice -X POST -H "Origin: $u" -H "X-Mstore-Token: $token" "$u/ui/start?store=alices&work=heal"
status 200 "the sealed store's level" -u $bob "$u/ui/list.json?store=sealed&prefix=646174612f"
says '"name":"secret-name"' "the sealed store's level"
status 403 "the sealed item" -u $bob "$u/ui/download?store=sealed&key=$secret"
status 403 "the sealed item brought back" -u $bob -X POST -H "Origin: $u" -H "X-Mstore-Token: $bobs" "$u/ui/undelete?store=sealed&key=$secret"
status 404 "a store that is not bob's" -u $bob "$u/ui/list.json?store=alices"
status 400 "a level without its slash" -u $bob "$u/ui/list.json?store=home&prefix=64"
status 400 "a key that is no hex" -u $bob "$u/ui/download?store=home&key=xy"
status 404 "a key that is not there" -u $bob "$u/ui/download?store=home&key=646174612f6464"
status 200 "bob's statistics" -u $bob "$u/stats.json"
says_not '"alices"' "bob's statistics"
says_not "$T" "bob's statistics"
status 200 "alice's statistics" -u $alice "$u/stats.json"
says '"alices"' "alice's statistics"

# Download.
status 200 "a download" -u $bob "$u/ui/download?store=home&key=$key"
cmp -s "$T/body" "$T/large" || complain "the downloaded bytes are others"
has_header 'Content-Disposition: attachment; filename="large"' "a download"
has_header "Content-Type: application/octet-stream" "a download"
status 200 "a hostile download" -u $bob "$u/ui/download?store=odd&key=$(hex_of "data/$hostile")"
has_header 'Content-Disposition: attachment; filename="_img_src_x_onerror_alert_1__"' "a hostile download"

# Metrics and health.
status 200 "metrics" "$u/metrics"
python3 "$here/../stats/check_prometheus.py" <"$T/body" || complain "the metrics are malformed"
if command -v promtool >/dev/null; then
    promtool check metrics <"$T/body" >"$T/out" 2>&1 || complain "promtool: $(cat "$T/out")"
fi
for name in key-1 large hidden secret-name; do says_not "$name" "metrics"; done
says 'mstore_member_up{store="home",member="three"} 1' "metrics"
says 'mstore_server_requests_total{method="GET",code="421"}' "metrics"
says 'mstore_server_refused_total{reason="host"}' "metrics"
status 401 "metrics by a proxy" -H 'X-Forwarded-For: 192.0.2.1' "$u/metrics"
status 200 "metrics for a user by a proxy" -u $bob -H 'X-Forwarded-For: 192.0.2.1' "$u/metrics"
if [ -n "$other" ]; then
    status 401 "metrics from elsewhere" "http://$other/metrics"
    status 200 "metrics for a user from elsewhere" -u $bob "http://$other/metrics"
    status 200 "health from elsewhere" "http://$other/healthz"
else
    echo "this machine has no address but loopback: metrics from elsewhere were not tried"
fi
status 200 health "$u/healthz"
says ok health
serve broken serve "file://$T/nowhere" --listen 127.0.0.1:0 --audit-log none --set metrics=users
for _ in $(seq 1 100); do
    [ "$(curl -s -o "$T/body" -w '%{http_code}' "http://$address/healthz")" = 200 ] || break
done
status 503 "health of a store that is not there" "http://$address/healthz"
says "is not open" "health of a store that is not there"
status 403 "metrics for users, where there are none" "http://$address/metrics"
grep -q 'user=bob store=home method=GET.*name=/ui/download to=- status=200' "$T/audit.txt" ||
    complain "the audit log lacks bob's download: $(grep download "$T/audit.txt" | tail -n 2)"
[ $bad = 0 ] || exit 1
echo "every page, action and right as it should be ($SECONDS s)"
