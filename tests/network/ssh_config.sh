#!/bin/bash
# ssh_config.sh - sftp://ALIAS/ takes host, port, user, key and known hosts from ~/.ssh/config, as a user
# has it who calls it so for ssh. The user's folder is one of our own: libssh, like ssh, asks the
# user database for it and not $HOME, so that database is one of our own, too (nss_wrapper).
if [ -z "${MS_TEST_SFTP_URL:-}" ]; then
    echo "MS_TEST_SFTP_URL is not set: no server to talk to" >&2
    exit 77
fi
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?is the path of the project}/tests/cli/lib.sh"
unset SSH_AUTH_SOCK MSTORE_SFTP_PASSWORD MSTORE_SSH_PASSPHRASE
user=$(id -un) ssh=$HOME/.ssh
mkdir -m 700 "$ssh"
cp "$MS_TEST_SFTP_IDENTITY" "$ssh/nas-key"
cp "$MS_TEST_SFTP_KNOWN_HOSTS" "$ssh/nas-hosts"
echo "$(id -u):$(id -g)" | sed "s,.*,somebody:x:&::$HOME:/bin/sh," >passwd
echo "somebody:x:$(id -g):" >group
real=$MSTORE
cat >as-somebody <<RUN
#!/bin/sh
LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD=$T/passwd NSS_WRAPPER_GROUP=$T/group exec "$real" "\$@"
RUN
chmod 755 as-somebody
MSTORE=$T/as-somebody

host="HostName 127.0.0.1
Port $MS_TEST_SFTP_PORT
User $user
IdentityFile ~/.ssh/nas-key
IdentitiesOnly yes
UserKnownHostsFile ~/.ssh/nas-hosts"
with() { # LINE... - becomes ~/.ssh/config
    printf '%s\n' "$@" >"$ssh/config"
}
without() { # WORD - all of the host's lines but that
    printf 'Host nas\n%s\n' "$host" | grep -v "^$1" >"$ssh/config"
}
store=sftp://nas/$MS_TEST_SFTP_ROOT/config-$$

with "Host nas" "$host"
expect 0 create "$store"
echo value | expect 0 put "$store" data/a -
expect 0 get "$store" data/a -
prints value
expect 0 check "$store"

# Each line is needed: it is this file that tells.
without HostName
expect 5 ls "$store" data
says "the host nas was not found"
without Port
expect 5 ls "$store" data
says "127.0.0.1:22"
without "User "
expect 6 ls "$store" data
says "refuses the login of somebody"
without IdentityFile
expect 6 ls "$store" data
says "refuses the login of $user"
without UserKnownHostsFile
expect 6 ls "$store" data
says "is not known"

# The URL goes before the file, and so does a file that it names; none: nothing is read.
with "Host nas" "$host"
expect 6 ls "sftp://nobody@nas/$MS_TEST_SFTP_ROOT/config-$$" data
says "refuses the login of nobody"
expect 5 ls "sftp://nas:1/$MS_TEST_SFTP_ROOT/config-$$" data
says "127.0.0.1:1"
expect 5 ls "$store?ssh_config=none" data
says "the host nas was not found"
mv "$ssh/config" elsewhere
expect 5 ls "$store" data
expect 0 ls "$store?ssh_config=$T/elsewhere" data
prints a

# Include and Match, as far as libssh has them (docs/sftp.md).
mkdir "$ssh/more"
printf 'Host nas\n%s\n' "$host" >"$ssh/more/nas.conf"
for line in "Include more/*.conf" "Include ~/.ssh/more/nas.conf" "Include $ssh/more/nas.conf"; do
    with "$line"
    expect 0 ls "$store" data
    prints a
done
for line in "Host n?s !nix" "Match host nas" "Match all" "Match localuser somebody" "Match exec true" \
    "Match exec \"test %h = nas\""; do
    with "$line" "$host"
    expect 0 ls "$store" data
    prints a
done
for line in "Host !nas n*" "Match host nix" "Match localuser nobody" "Match exec false"; do
    with "$line" "$host"
    expect 5 ls "$store" data
    says "the host nas was not found"
done
with "Match user $user" "$host"
expect 0 ls "sftp://$user@nas/$MS_TEST_SFTP_ROOT/config-$$" data
prints a
with "Match user nobody" "$host"
expect 5 ls "sftp://$user@nas/$MS_TEST_SFTP_ROOT/config-$$" data

with "Host nas" "$host"
expect 0 destroy "$store" --yes
finish
