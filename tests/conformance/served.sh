#!/bin/bash
# served.sh KIND CONFORMANCE BIN - the suite of backends over our own server, by our REST driver:
# `mstore serve` of a local folder (file), a store in memory (memory) or a store of many (mstore) on
# a port, or borgstore-server-rest over its pipes (pipe). BIN: the folder of both programs.
set -u
kind=$1 conformance=$2 bin=$3
unset MSTORE_CONFIG
T=$(mktemp -d /tmp/mstore-served-XXXXXX)
server=
# shellcheck disable=SC2317,SC2329 # the trap calls it
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$T"
}
trap finish EXIT
case $kind in
pipe) # as it is started by a client, but without waiting for the disk
    cat >"$T/server" <<END
#!/bin/bash
exec "$bin/borgstore-server-rest" --stdio --backend "file://\${3#FILE:}?sync=none"
END
    chmod +x "$T/server"
    MSTORE_SERVED=$T/server "$conformance" "REST of mstore"
    exit
    ;;
file) store="file://$T/store?sync=none" ;;
memory) store=memory:served ;;
mstore)
    {
        echo "[mstore]"
        echo "key = 00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
        for m in a b c; do
            printf '[member %s]\nurl = memory:%s\n' $m $m
        done
        printf '[namespace]\nkind = mutable\nredundancy = copies 3\nnames = bytes\n'
    } >"$T/home.conf"
    chmod 600 "$T/home.conf"
    store=$T/home.conf
    ;;
esac
export MSTORE_STATE_DIR=$T/state XDG_CONFIG_HOME=$T
"$bin/mstore" serve "$store" --listen 127.0.0.1:0 --audit-log none >"$T/out" 2>"$T/err" &
server=$!
for _ in $(seq 500); do
    [ -s "$T/out" ] && break
    sleep 0.02
done
url=$(sed -n 's/^listening on //p' "$T/out")
[ -n "$url" ] || {
    cat "$T/err"
    exit 1
}
MSTORE_SERVED=$url "$conformance" "REST of mstore"
code=$?
[ $code = 0 ] || tail -n 5 "$T/err"
exit $code
