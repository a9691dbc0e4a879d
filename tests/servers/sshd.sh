#!/bin/bash
# sshd.sh up DIR [PORT] | down DIR - a throw-away OpenSSH server, SFTP alone, the login is whoever
# starts it, by key. Package: openssh-server. Data: DIR/data. With MS_SSHD_PATH it runs commands
# instead, found in the folders of that variable. See lib.sh.
set -eu
# shellcheck source=tests/servers/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

if [ "$action" = down ]; then
    stop "$dir/sshd.pid"
    exit 0
fi
if alive "$dir/sshd.pid"; then
    cat "$dir/env"
    exit 0
fi
PATH=$PATH:/usr/sbin:/sbin
need "openssh-server openssh-client" sshd ssh-keygen
sshd=$(command -v sshd) # it insists on an absolute path
choose_port 1
user=$(id -un)

mkdir -p "$dir/data" "$dir/log"
for key in host user; do
    [ -f "$dir/${key}_key" ] || ssh-keygen -q -t ed25519 -N '' -C "test-$key" -f "$dir/${key}_key"
done
cp "$dir/user_key.pub" "$dir/authorized_keys"
# A second line for proxies on ports of their own; some clients take no pattern there.
for known in $port '*'; do
    echo "[127.0.0.1]:$known $(cut -d' ' -f1,2 "$dir/host_key.pub")"
done >"$dir/known_hosts"

purpose="ForceCommand internal-sftp -d $dir/data"
[ -z "${MS_SSHD_PATH:-}" ] || purpose="SetEnv PATH=$MS_SSHD_PATH"
cat >"$dir/sshd_config" <<CONF
ListenAddress 127.0.0.1:$port
HostKey $dir/host_key
PidFile none
AuthorizedKeysFile $dir/authorized_keys
AuthenticationMethods publickey
AllowUsers $user
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
DisableForwarding yes
PermitTTY no
PrintMotd no
MaxStartups 200
MaxSessions 200
Subsystem sftp internal-sftp -d $dir/data
$purpose
CONF
# Run as root it wants its (empty) directory for the separation of privileges.
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
spawn "$dir/sshd.pid" "$dir/log/sshd" "$sshd" -D -e -f "$dir/sshd_config"
wait_for 10 "$dir/sshd.pid" port_open "$port" || die "sshd did not come up, see $dir/log/sshd"

cat >"$dir/ssh_config" <<CONF
Host test
  HostName 127.0.0.1
  Port $port
  User $user
  IdentityFile $dir/user_key
  IdentitiesOnly yes
  UserKnownHostsFile $dir/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
CONF
private "$dir/rclone.conf" <<CONF
[sftp]
type = sftp
host = 127.0.0.1
port = $port
user = $user
key_file = $dir/user_key
known_hosts_file = $dir/known_hosts
shell_type = none
CONF
private "$dir/env" <<ENV
MS_TEST_SFTP_URL='sftp://$user@127.0.0.1:$port/$dir/data?identity=$dir/user_key&known_hosts=$dir/known_hosts'
MS_TEST_SFTP_PORT='$port'
MS_TEST_SFTP_ROOT='$dir/data'
MS_TEST_SFTP_IDENTITY='$dir/user_key'
MS_TEST_SFTP_KNOWN_HOSTS='$dir/known_hosts'
MS_TEST_SFTP_CONFIG='$dir/ssh_config'
MS_TEST_SFTP_RCLONE='$dir/rclone.conf'
ENV
cat "$dir/env"
