#!/bin/bash
# rclone.sh up DIR [PORT] | down DIR - a second SFTP server, independent of OpenSSH: `rclone serve
# sftp`, without any of OpenSSH's extensions. Package: rclone. Data: DIR/data. See lib.sh.
set -eu
# shellcheck source=tests/servers/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

if [ "$action" = down ]; then
    stop "$dir/rclone.pid"
    exit 0
fi
if alive "$dir/rclone.pid"; then
    cat "$dir/env"
    exit 0
fi
need rclone rclone
need openssh-client ssh-keygen
choose_port 1

mkdir -p "$dir/data" "$dir/log"
for key in host user; do
    [ -f "$dir/${key}_key" ] || ssh-keygen -q -t ed25519 -N '' -C "test-$key" -f "$dir/${key}_key"
done
cp "$dir/user_key.pub" "$dir/authorized_keys"
# the second line is for proxies on ports of their own
for known in $port '*'; do
    echo "[127.0.0.1]:$known $(cut -d' ' -f1,2 "$dir/host_key.pub")"
done >"$dir/known_hosts"
: >"$dir/empty.conf"
# Without its cache a file is there when it was closed; without a time to keep directories it sees
# each change.
spawn "$dir/rclone.pid" "$dir/log/rclone" env -u AWS_CA_BUNDLE rclone --config "$dir/empty.conf" \
    --cache-dir "$dir/cache" serve sftp "$dir/data" --addr "127.0.0.1:$port" --user test \
    --key "$dir/host_key" --authorized-keys "$dir/authorized_keys" --vfs-cache-mode off \
    --dir-cache-time 0
wait_for 10 "$dir/rclone.pid" port_open "$port" || die "rclone did not come up, see $dir/log/rclone"

private "$dir/env" <<ENV
MS_TEST_SFTP2_URL='sftp://test@127.0.0.1:$port//?identity=$dir/user_key&known_hosts=$dir/known_hosts'
MS_TEST_SFTP2_PORT='$port'
MS_TEST_SFTP2_ROOT='$dir/data'
ENV
cat "$dir/env"
