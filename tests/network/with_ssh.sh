#!/bin/bash
# with_ssh.sh PEER COMMAND... - runs COMMAND with an sshd that finds a server of the REST protocol
# under the name borgstore-server-rest: MS_TEST_REST_SSH_URL. The `ssh` it finds in its PATH is the
# real one with the key and the known hosts of that sshd, and leaves its arguments in
# MS_TEST_REST_SSH_LOG, a line each time; with SSH_SHARED=1 all of them go over one connection, which
# saves the time of the logins. MS_TEST_REST_ROOT is the folder of the stores,
# MS_TEST_REST_SSH that of sshd, MS_TEST_REST_SERVERS where it looks for the server.
set -u
peer=$1
shift
sshd=$(readlink -f "$(dirname "$0")/../servers/sshd.sh")
T=$(mktemp -d /tmp/mstore-ssh-XXXXXX)
trap '"$sshd" down "$T/sshd"; rm -rf "$T"' EXIT
trap 'exit 130' INT TERM

mkdir "$T/servers" "$T/stores" "$T/bin"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$peer" >"$T/servers/borgstore-server-rest"
cat >"$T/bin/ssh" <<SSH
#!/bin/sh
echo "\$*" >>"$T/ssh.log"
exec "$(command -v ssh)" -F "\${MS_TEST_REST_SSH_CONFIG:-$T/sshd/ssh_config}" "\$@"
SSH
chmod 755 "$T/servers/borgstore-server-rest" "$T/bin/ssh"
MS_SSHD_PATH=$T/servers:/usr/bin:/bin "$sshd" up "$T/sshd" >/dev/null || exit 1
port=$(sed -n "s/^MS_TEST_SFTP_PORT='\(.*\)'/\1/p" "$T/sshd/env")
sed -i 's/^Host test$/Host test 127.0.0.1/; /^  Port /d' "$T/sshd/ssh_config"
if [ "${SSH_SHARED:-}" = 1 ]; then
    printf '  ControlMaster auto\n  ControlPath %s/shared\n  ControlPersist 60\n' "$T" >>"$T/sshd/ssh_config"
fi

user=$(id -un)
export MS_TEST_REST_SSH_URL="rest://$user@127.0.0.1:$port/$T/stores" MS_TEST_REST_ROOT=$T/stores
export MS_TEST_REST_SSH=$T/sshd MS_TEST_REST_SERVERS=$T/servers MS_TEST_REST_SSH_LOG=$T/ssh.log
: >"$T/ssh.log"
PATH=$T/bin:$PATH "$@"
status=$?
[ ! -S "$T/shared" ] || ssh -F "$T/sshd/ssh_config" -O exit 127.0.0.1 2>/dev/null
exit "$status"
