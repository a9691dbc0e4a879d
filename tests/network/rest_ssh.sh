#!/bin/bash
# rest_ssh.sh - a store at the other end of a real ssh, as a user of the command line has it: the
# daily commands, what ssh is told, and the sentence where something is wrong. Run by with_ssh.sh.
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?is the path of the project}/tests/cli/lib.sh"
unset "${!BORGSTORE_@}" MSTORE_REST_SERVER
log=${MS_TEST_REST_SSH_LOG:?is set by with_ssh.sh}
address=${MS_TEST_REST_SSH_URL#rest://*@} user=$(id -un)
port=${address#*:} port=${port%%/*}
at=rest://$user@127.0.0.1:$port

# A day's work. The path has what a shell would take for its own.
store="$MS_TEST_REST_SSH_URL/it's%20%24HOME%3Btouch%20owned?retries=0"
noise 3000001 5 >large
expect 0 create "$store"
ok "the folder over there" test -d "$MS_TEST_REST_ROOT/it's \$HOME;touch owned"
expect 0 put "$store" data/large large
expect 0 get "$store" data/large back
same_file "what comes back" large back
expect 0 ls "$store" data
prints large
expect 0 rm "$store" data/large
expect 0 ls "$store" data
same "nothing left" "$(cat out)" ""
expect 3 get "$store" data/large again
one_line
expect 0 check "$store"
expect 0 destroy "$store" --yes
ok "it is gone" test ! -e "$MS_TEST_REST_ROOT/it's \$HOME;touch owned"

# What ssh was told: the port, the end of its options, then the host and the command.
wanted="-o ServerAliveInterval=30 -o ServerAliveCountMax=3 -p $port -- $user@127.0.0.1 borgstore-server-rest --stdio"
same "each time the same" "$(grep -c -F -e "$wanted" "$log")" "$(wc -l <"$log")"
ok "it was asked" test -s "$log"

# What begins with '-' never gets as far.
: >"$log"
expect 2 ls "rest://-oProxyCommand=touch%20$T%2fowned/x"
one_line
says "'-'"
expect 2 ls "rest://-oProxyCommand=touch%20$T%2fowned@127.0.0.1:$port/x"
one_line
same "ssh was not asked" "$(cat "$log")" ""
ok "nothing was run" test ! -e owned

# BORGSTORE_RSH stands before the host, the port with it.
printf '#!/bin/sh\necho "rsh $*" >>"%s"\nshift\nexec ssh -p "$@"\n' "$log" >"my rsh"
chmod 755 "my rsh"
store="$at/$MS_TEST_REST_ROOT/rsh?retries=0"
export BORGSTORE_RSH="'$T/my rsh' first $port"
expect 0 create "$store"
ok "the other way was taken" grep -q -x -F -e \
    "rsh first $port $user@127.0.0.1 borgstore-server-rest --stdio --backend FILE:$MS_TEST_REST_ROOT/rsh" "$log"
expect 0 destroy "$store" --yes
export BORGSTORE_RSH=$T/nonesuch
expect 1 ls "$store"
one_line
says "$T/nonesuch"
unset BORGSTORE_RSH

# No server over there; nobody known; nobody who lets us in; nobody at all.
store="$MS_TEST_REST_SSH_URL/none?retries=0"
expect 3 ls "$store"
one_line
mv "$MS_TEST_REST_SERVERS/borgstore-server-rest" "$MS_TEST_REST_SERVERS/away"
expect 1 ls "$store"
one_line
says "127.0.0.1"
says "borgstore-server-rest"
says "not found"
mv "$MS_TEST_REST_SERVERS/away" "$MS_TEST_REST_SERVERS/borgstore-server-rest"
export MS_TEST_REST_SSH_CONFIG=$T/ssh_config
: >nobody
sed "s,UserKnownHostsFile .*,UserKnownHostsFile $T/nobody," "$MS_TEST_REST_SSH/ssh_config" >ssh_config
expect 6 ls "$store"
one_line
says "127.0.0.1"
ssh-keygen -q -t ed25519 -N '' -f other-key
sed "s,IdentityFile .*,IdentityFile $T/other-key," "$MS_TEST_REST_SSH/ssh_config" >ssh_config
expect 6 ls "$store"
one_line
says "Permission denied"
unset MS_TEST_REST_SSH_CONFIG
expect 5 ls "rest://$user@127.0.0.1:1/x?retries=0"
one_line
says "Connection refused"
finish
