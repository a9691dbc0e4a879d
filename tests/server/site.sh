# shellcheck shell=bash disable=SC2034
# site.sh - sourced: a running `mstore serve` of several stores for tests of its pages, at $main (and at
# $other, not loopback, if there is such an address): "home" of three members, the third of which is
# behind a server of its own (kill_third, back_third), "odd" with hostile names, "sealed" that may only be
# listed, "alices" that is not bob's. Users alice (manages) and bob; a folder $T for everything.
T=$(mktemp -d "${TMPDIR:-/tmp}/mstore-pages-XXXXXX")
export MSTORE_STATE_DIR=$T/state MSTORE_STATS_DIR=$T/stats MSTORE_CONFIG=$T/none
: >"$MSTORE_CONFIG"
pids=
cleanup() { # the servers end as they should, too
    local status=$?
    for pid in $pids; do kill "$pid" 2>/dev/null; done
    wait
    ! grep -a -A 30 'Sanitizer' "$T"/*.log || status=1
    rm -rf "$T"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

bad=0
complain() {
    echo "${0##*/}: $*" >&2
    bad=1
}
die() {
    complain "$*"
    tail -n 20 "$T"/*.log >&2
    exit 1
}
must() { "$@" >"$T/out" 2>&1 || die "$*: $(cat "$T/out")"; }

# serve NAME ARGUMENT... - a server in the background; its first address to $address, its id to $pid
serve() {
    local name=$1
    shift
    : >"$T/$name.out"
    "$MSTORE" "$@" >"$T/$name.out" 2>"$T/$name.log" &
    pid=$!
    pids="$pids $pid"
    for _ in $(seq 1 200); do
        address=$(sed -n 's,^listening on http://\(.*\)$,\1,p' "$T/$name.out" | head -n 1)
        [ -z "$address" ] || return 0
        kill -0 "$pid" 2>/dev/null || die "the server $name ended: $(cat "$T/$name.log")"
        sleep 0.05
    done
    die "the server $name says no address"
}

# ---- what is served

serve third serve "file://$T/three" --listen 127.0.0.1:0 --audit-log none
third_pid=$pid third=$address
cat >"$T/home.conf" <<CONF
[mstore]
key = 0000000000000000000000000000000000000000000000000000000000000007
[member one]
url = file://$T/one?sync=none
[member two]
url = file://$T/two?sync=none
[member three]
url = http://$third/?timeout=2s&retries=0
[namespace data]
kind = immutable
redundancy = copies 3
names = bytes
[namespace config]
kind = plain
redundancy = all
CONF
chmod 600 "$T/home.conf"
must "$MSTORE" create "$T/home.conf"
head -c 300000 /dev/urandom >"$T/large"
echo "a small value" >"$T/small"
must "$MSTORE" create "file://$T/seed"
mkdir -p "$T/seed/data/many"
for i in $(seq 100 224); do echo "value $i" >"$T/seed/data/many/key-$i"; done
must "$MSTORE" copy "file://$T/seed" "$T/home.conf"
must "$MSTORE" put "$T/home.conf" data/large "$T/large"
must "$MSTORE" put "$T/home.conf" data/hidden "$T/small"
must "$MSTORE" rm --soft "$T/home.conf" data/hidden
hostile='<img src=x onerror=alert(1)>'
printf '[store odd]\nurl = file://%s/odd\nnames = bytes\n' "$T" >"$MSTORE_CONFIG"
must "$MSTORE" create odd
must "$MSTORE" put odd "data/$hostile" "$T/small"
must "$MSTORE" put odd $'data/"><script>alert(2)<\x5cscript>\xe2\x80\xaetxt.exe\n\xff' "$T/small"
must "$MSTORE" create "file://$T/sealed"
must "$MSTORE" put "file://$T/sealed" data/secret-name "$T/small"

# Users with their passwords hashed cheaply.
python3 - >"$T/users" <<'PY'
import base64, hashlib
for name in ("alice", "bob"):
    salt = name.encode().ljust(16, b"-")
    key = hashlib.scrypt((name + "-password").encode(), salt=salt, n=1 << 4, r=8, p=1, dklen=32)
    text = lambda b: base64.b64encode(b).decode().rstrip("=")
    print(f"{name}:$scrypt$ln=4,r=8,p=1${text(salt)}${text(key)}")
PY
chmod 600 "$T/users"
other=$(hostname -I 2>/dev/null | tr ' ' '\n' | grep -m 1 '^[0-9.]*$')
cat >"$T/serve.conf" <<CONF
[server]
listen = 127.0.0.1:0 ${other:+$other:0}
insecure = yes
users = $T/users
managers = alice
host-names = backup.example.org
audit-log = $T/audit.txt
[store odd]
url = file://$T/odd
names = bytes
[serve odd]
store = odd
path = /odd
[serve home]
store = $T/home.conf
path = /home
[serve sealed]
store = file://$T/sealed
path = /sealed
permissions = "":l data:l
[serve alices]
store = file://$T/alices
path = /alices
user = alice
CONF
chmod 600 "$T/serve.conf"
must "$MSTORE" create "file://$T/alices"
serve main --config "$T/serve.conf" serve
main=$address
[ -z "$other" ] || other=$(sed -n "s,^listening on http://\($other:.*\)$,\1,p" "$T/main.out")

kill_third() { kill "$third_pid" && wait "$third_pid" 2>/dev/null; }
back_third() {
    serve third serve "file://$T/three" --listen "$third" --audit-log none
    third_pid=$pid
}
hex_of() { printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n'; }
