#!/usr/bin/env bash
# disaster.sh [COUNT] - a store of three members, a folder, an SFTP account and a bucket, and what
# happens to such: a server killed with -9 in the middle of a load, the disk of one wiped, bits of
# another flipped. Nothing acknowledged is lost; heal brings every member back to what it should have.
# COUNT objects (default 1500; 100000 takes some 20 minutes). $MANY: tests/network/many_objects.c.
set -u
[ -n "${MS_TEST_S3_URL:-}" ] || exit 77
command -v sshd >/dev/null || [ -x /usr/sbin/sshd ] || exit 77
count=${1:-1500}
T=$(mktemp -d "${TMPDIR:-/tmp}/mstore-disaster-XXXXXX")
servers=${SOURCE:?}/tests/servers
export MSTORE_STATE_DIR=$T/state
cleanup() {
    [ ! -e "$T/home.conf" ] || "$MSTORE" destroy "$T/home.conf" --yes >/dev/null 2>&1
    "$servers/sshd.sh" down "$T/sshd" >/dev/null 2>&1
    rm -rf "$T"
}
trap cleanup EXIT
bucket=${MS_TEST_S3_URL%%\?*}/disaster-$$
case $MS_TEST_S3_URL in *\?*) bucket="$bucket?${MS_TEST_S3_URL#*\?}" ;; esac

say() { printf '== %s (%d s)\n' "$*" "$SECONDS"; }
die() {
    echo "disaster.sh: $*" >&2
    tail -n 20 "$T/out" >&2
    exit 1
}
must() { "$@" >"$T/out" 2>&1 || die "$*"; }
# A process and all it has started, killed with -9.
kill_tree() {
    local child
    for child in $(pgrep -P "$1"); do kill_tree "$child"; done
    kill -KILL "$1" 2>/dev/null
}
# What a member has, of the objects themselves, by its own tool: "NAME SIZE" a line. Temporaries of
# the killed server's uploads are not objects: `mstore sweep` removes them when they are old.
objects_of() {
    case $1 in
    folder) find "$T/folder" -type f -path '*/val/*' ! -name '*.tmp' -printf '%P %s\n' ;;
    sftp) find "$T/sshd/data/member" -type f -path '*/val/*' ! -name '*.tmp' -printf '%P %s\n' ;;
    bucket)
        s3cmd -c "$MS_TEST_S3_S3CMD" ls -r "s3://$MS_TEST_S3_BUCKET/disaster-$$/" |
            awk '$4 ~ /\/val\// { sub(".*/disaster-[0-9]*/", "", $4); print $4, $3 }'
        ;;
    esac | sort
}

must "$servers/sshd.sh" up "$T/sshd"
# shellcheck source=/dev/null
. "$T/sshd/env"
port=$MS_TEST_SFTP_PORT
{
    printf '[mstore]\nkey = %064d\n' 815
    printf '[member folder]\nurl = file://%s/folder?sync=none\n' "$T"
    printf '[member sftp]\nurl = %s\n' "${MS_TEST_SFTP_URL/\/data\?/\/data\/member?}"
    printf '[member bucket]\nurl = %s\n' "$bucket"
    printf '[namespace data]\nkind = immutable\nverify = sha256\nredundancy = all\nlevels = 1\n'
} >"$T/home.conf"
chmod 600 "$T/home.conf"
must "$MSTORE" create "$T/home.conf"

: >"$T/acked"
say "load $count objects, the SFTP server killed in the middle"
"$MANY" load "$T/home.conf" "$count" "$T/acked" >"$T/loaded" 2>&1 &
loading=$!
until [ "$(wc -l <"$T/acked" 2>/dev/null || echo 0)" -ge $((count / 3)) ]; do
    kill -0 $loading 2>/dev/null || break
    sleep 0.1
done
read -r pid _ <"$T/sshd/sshd.pid"
kill_tree "$pid"
say "killed after $(wc -l <"$T/acked") of $count"
wait $loading || die "the load ended with an error: $(cat "$T/loaded")"
[ "$(wc -l <"$T/acked")" -eq "$count" ] || die "one dead member of three made stores fail: $(tail -n 3 "$T/loaded")"
must "$MANY" compare "$T/home.conf" "$T/acked"
[ "$(objects_of sftp | wc -l)" -lt "$count" ] || die "the server was killed too late to matter"

say "the server is back; the folder is wiped; bits flipped in 1 % of the files behind the SFTP server"
rm -rf "$T/sshd/sshd.pid"
must "$servers/sshd.sh" up "$T/sshd" "$port"
find "$T/folder" -type f -path '*/val/*' -delete
find "$T/sshd/data/member" -type f -path '*/val/*' | sort | awk 'NR % 100 == 50' >"$T/rotten"
[ -s "$T/rotten" ] || die "nothing to damage"
while read -r file; do
    printf '\125\252' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") * 2 / 3)) conv=notrunc status=none
done <"$T/rotten"

say "everything is read back"
must "$MANY" compare "$T/home.conf" "$T/acked"

say "heal --deep"
must "$MSTORE" heal "$T/home.conf" --deep
say "scrub --deep"
must "$MSTORE" scrub "$T/home.conf" --deep

say "every member has every object, and the same bytes"
for member in folder sftp bucket; do
    objects_of $member >"$T/$member.objects"
    [ "$(wc -l <"$T/$member.objects")" -eq "$count" ] || die "$member has $(wc -l <"$T/$member.objects") of $count objects"
done
must cmp "$T/folder.objects" "$T/sftp.objects"
must cmp "$T/folder.objects" "$T/bucket.objects"
while read -r name _; do
    cmp -s "$T/folder/$name" "$T/sshd/data/member/$name" || die "$name differs between folder and SFTP"
done <"$T/folder.objects"
must "$MANY" compare "$T/home.conf" "$T/acked"
say "done"
