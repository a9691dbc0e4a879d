#!/bin/bash
# all.sh up DIR | down DIR - every server of this folder at once, each in DIR/NAME. DIR/env holds the
# settings of all, for `set -a; . DIR/env`; Swift's are named MS_TEST_SWIFT_* beside Ceph's
# MS_TEST_S3_*. See lib.sh.
set -eu
# shellcheck source=tests/servers/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"
here=$(dirname "$(readlink -f "$0")")
servers="sshd rclone ceph swift"

if [ "$action" = down ]; then
    for server in $servers; do "$here/$server.sh" down "$dir/$server"; done
    exit 0
fi
mkdir -p "$dir/log"
jobs=()
for server in $servers; do
    "$here/$server.sh" up "$dir/$server" >"$dir/log/$server" 2>&1 &
    jobs+=("$server:$!")
done
failed=
for job in "${jobs[@]}"; do
    wait "${job#*:}" || {
        failed=1
        tail -n 5 "$dir/log/${job%%:*}" >&2
    }
done
[ -z "$failed" ] || {
    "$0" down "$dir"
    exit 1
}
for server in $servers; do
    sed "s/^/$server /" "$dir/$server/env"
done | sed 's/^swift MS_TEST_S3_/MS_TEST_SWIFT_/; s/^[a-z]* //' | private "$dir/env"
cat "$dir/env"
