#!/bin/bash
# bench/network.sh [sftp|s3]... - mstore beside OpenSSH's sftp and rclone over real servers on this
# machine, in turn, through the delaying proxy of tests/proxy; docs/performance.md is written from it.
#
# Not a test. Prints a table: time(theirs) / time(mstore), the median of the rounds; above 1 mstore is
# faster. "cpu" is the same ratio of the client programs' processor time. Both sides start, log in
# and end within the time. Nobody waits for a disk: sync=none is what sftp does.
#
#   ROUNDS=5 LARGE_MB=256 FILES=1000 BUILD=build/release DELAYS="0 20" (round trip, ms)
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=${ROUNDS:-5} large_mb=${LARGE_MB:-256} files=${FILES:-1000} delays=${DELAYS:-0 20}
build=${BUILD:-build/release}
parts=${*:-sftp s3}
mstore=$PWD/$build/tools/mstore/mstore proxy=$PWD/$build/tests/proxy/cutproxy
for program in "$mstore" "$proxy"; do
    [ -x "$program" ] || {
        echo "bench/network.sh: no $program; build the preset release first" >&2
        exit 1
    }
done

T=$(mktemp -d /tmp/mstore-bench-XXXXXX)
proxies=
cleanup() {
    # shellcheck disable=SC2086
    [ -z "$proxies" ] || kill $proxies 2>/dev/null
    tests/servers/all.sh down "$T/servers"
    rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
mkdir "$T/home" "$T/stats" "$T/many" "$T/many/data"
: >"$T/config"
export MSTORE_CONFIG=$T/config MSTORE_STATS_DIR=$T/stats HOME=$T/home
unset AWS_CA_BUNDLE http_proxy https_proxy

for part in $parts; do
    case $part in
    sftp) tests/servers/sshd.sh up "$T/servers/sshd" >"$T/up" || exit 1 ;;
    s3) tests/servers/ceph.sh up "$T/servers/ceph" >"$T/up" || exit 1 ;;
    *)
        echo "usage: bench/network.sh [sftp|s3]..." >&2
        exit 2
        ;;
    esac
    # shellcheck source=/dev/null
    . "$T/up"
done
head -c $((large_mb << 20)) /dev/urandom >"$T/large"
for i in $(seq "$files"); do head -c 4096 /dev/urandom >"$T/many/data/file$i"; done

# through PORT ROUND-TRIP-MS - starts a proxy; its port is then in $port
through() {
    local out=$T/proxy-$1-$2
    "$proxy" 0 "127.0.0.1:$1" --delay-ms $(($2 / 2)) >"$out" &
    proxies="$proxies $!"
    until [ -s "$out" ]; do sleep 0.02; done
    port=$(sed 's/listening //' "$out")
}

# timed COMMAND... - sets $took to "SECONDS CPU-SECONDS"; ends the bench when it fails
timed() {
    local TIMEFORMAT='%R %U %S'
    if ! { time "$@" >"$T/out" 2>"$T/err"; } 2>"$T/time"; then
        echo "bench/network.sh: failed: $*" >&2
        tail -n 5 "$T/err" >&2
        exit 1
    fi
    took=$(tail -n 1 "$T/time" | awk '{print $1, $2 + $3}')
}

# pair WHAT WANTED - runs the functions theirs and ours in turn, `ready` before each; prints a row
pair() {
    local round a b
    : >"$T/pairs"
    for round in $(seq "$rounds"); do
        if [ $((round % 2)) = 1 ]; then
            ready && timed theirs && a=$took
            ready && timed ours && b=$took
        else
            ready && timed ours && b=$took
            ready && timed theirs && a=$took
        fi
        echo "$a $b" >>"$T/pairs"
    done
    awk -v what="$1" -v wanted="$2" '
        function median(v, n,   i, j, t) {
            for (i = 2; i <= n; i++)
                for (j = i; j > 1 && v[j] < v[j - 1]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
            low = v[1]; high = v[n]
            return v[int(n / 2) + 1]
        }
        { r[NR] = $1 / $3; c[NR] = $2 / ($4 > 0 ? $4 : 0.001); theirs[NR] = $1; ours[NR] = $3 }
        END {
            plain = median(theirs, NR); mine = median(ours, NR); cpu = median(c, NR); ratio = median(r, NR)
            printf "| %s | %.2f | %.2f | %.2f | %s | %s | %.2f | %.3g s | %.3g s |\n", what, ratio, low, high,
                wanted ? sprintf("%.1f", wanted) : "–", wanted ? (ratio >= wanted ? "yes" : "NO") : "", cpu, plain, mine
        }' "$T/pairs"
}
ready() { :; }

# ---- SFTP ----

sftp_at() { printf '%s\n' "$@" | sftp -q -F "$MS_TEST_SFTP_CONFIG" -P "$port" -b - test; }
sftp_pairs() { # ROUND-TRIP-MS
    local rtt=$1 connections=1 large=1.2 many=20
    [ "$rtt" = 0 ] || connections=8 large=3
    [ "$rtt" != 0 ] || many=0
    through "$MS_TEST_SFTP_PORT" "$rtt"
    local base=${MS_TEST_SFTP_URL%%\?*} options="${MS_TEST_SFTP_URL#*\?}&sync=none&connections=$connections"
    base=${base/:$MS_TEST_SFTP_PORT\//:$port/}
    local url="$base/bench?$options" root=$MS_TEST_SFTP_ROOT
    "$mstore" create "$url" || exit 1
    mkdir -p "$root/plain" "$root/bench/data"

    ready() { rm -rf "$root"/plain/* "$root"/bench/data/*; }
    theirs() { sftp_at "put $T/large $root/plain/large"; }
    ours() { "$mstore" put "$url" data/large "$T/large"; }
    pair "sftp: $large_mb MiB up, $rtt ms" $large
    cp "$T/large" "$root/plain/large"
    cp "$T/large" "$root/bench/data/large"
    ready() { rm -f "$T/got"; }
    theirs() { sftp_at "get $root/plain/large $T/got"; }
    ours() { "$mstore" get "$url" data/large "$T/got"; }
    pair "sftp: $large_mb MiB down, $rtt ms" $large

    ready() { rm -rf "$root"/plain/* "$root"/bench/data/*; }
    theirs() { sftp_at "put $T/many/data/* $root/plain/"; }
    ours() { "$mstore" copy --no-verify "file://$T/many" "$url"; } # nor do they read it back
    pair "sftp: $files files of 4 KiB up, $rtt ms" $many
    "$mstore" destroy --yes "$url"
    rm -rf "$root/plain"
}

# ---- S3 ----

rclone_at() { rclone --config "$MS_TEST_S3_RCLONE" --s3-endpoint "http://127.0.0.1:$port" "$@"; }
requests() { # how many the gateway has answered; it writes its log a moment later
    sleep 2
    grep -c ' beast: ' "$T/servers/ceph/log/client.rgw.log"
}
per_object() { # WHAT COMMAND... - requests per object of one more run
    local what=$1 before after
    shift
    ready
    before=$(requests)
    "$@" >"$T/out" 2>&1 || return
    after=$(requests)
    awk -v what="$what" -v n=$((after - before)) -v files="$files" \
        'BEGIN { printf "%s: %.2f requests per object\n", what, n / files }' >>"$T/counts"
}

s3_pairs() { # ROUND-TRIP-MS
    local rtt=$1 bucket=$MS_TEST_S3_BUCKET best=1
    through "${MS_TEST_S3_ENDPOINT##*:}" "$rtt"
    [ "$rtt" != 0 ] || best=0
    export AWS_ACCESS_KEY_ID=$MS_TEST_S3_ACCESS AWS_SECRET_ACCESS_KEY=$MS_TEST_S3_SECRET
    local url="s3:http://127.0.0.1:$port/$bucket/bench"
    local remote=s3:$bucket/plain
    "$mstore" create "$url" || exit 1

    ready() { :; }
    theirs() { rclone_at copyto "$T/large" "$remote/large" --ignore-times; }
    ours() { "$mstore" put "$url" data/large "$T/large"; }
    pair "s3: $large_mb MiB up, $rtt ms" 1
    ready() { rm -f "$T/got"; }
    theirs() { rclone_at copyto "$remote/large" "$T/got"; }
    ours() { "$mstore" get "$url" data/large "$T/got"; }
    pair "s3: $large_mb MiB down, $rtt ms" 1

    ready() {
        rclone_at purge "$remote" >"$T/out" 2>&1
        "$mstore" destroy --yes "$url" && "$mstore" create "$url"
    }
    ours() { "$mstore" copy --no-verify "file://$T/many" "$url"; } # nor do they read it back
    theirs() { rclone_at copy "$T/many/data" "$remote"; }
    pair "s3: $files objects of 4 KiB up, rclone's defaults, $rtt ms" 3
    [ "$rtt" = 0 ] || per_object "rclone, defaults" theirs
    theirs() { rclone_at copy "$T/many/data" "$remote" --transfers 64 --s3-no-head --s3-no-check-bucket --no-check-dest; }
    pair "s3: $files objects of 4 KiB up, rclone's best, $rtt ms" $best
    [ "$rtt" = 0 ] || per_object "rclone, best" theirs
    [ "$rtt" = 0 ] || per_object "mstore" ours
    ready
    "$mstore" destroy --yes "$url"
}

echo "$(nproc) processors, $rounds rounds; OpenSSH $(ssh -V 2>&1 | cut -d, -f1), $(rclone version | head -n 1)"
echo
echo "| what | ratio (median) | lowest | highest | wanted | reached | cpu | theirs | mstore |"
echo "|---|---|---|---|---|---|---|---|---|"
: >"$T/counts"
for part in $parts; do
    for delay in $delays; do "${part}_pairs" "$delay"; done
done
echo
cat "$T/counts"
