#!/bin/bash
# mstore passwd: lines for the file of users.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
"$MSTORE" passwd alice </dev/null >out 2>err
if grep -q 'without libssl' err; then exit 77; fi
expect 2 passwd alice </dev/null
one_line
says "the password of alice must have 1 to 1024 bytes"

# to standard output
printf 'geheim\nmore\n' >secret
expect 0 passwd alice <secret
ok "a line" grep -qE '^alice:\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$' out
silent
cp out first
expect 0 passwd alice <secret
ok "another salt" sh -c '! cmp -s first out'
expect 0 passwd --token bob
ok "a token's line" grep -qE '^bob:\$token\$[A-Za-z0-9+/]{43}$' out
ok "a token" grep -qE '^mst_[A-Za-z0-9_-]{43}$' err

# into a file: one password for each user, any number of tokens; others' lines stay
expect 0 passwd --file users alice <secret
same "mode" "$(stat -c %a users)" 600
ok "nothing is said" test ! -s out
expect 0 passwd --file users --token alice
ok "the token is said" grep -qE '^mst_' out
expect 0 passwd --file users --token alice
sed -i '1i # people' users
expect 0 passwd --file users bob <secret
grep 'alice:\$scrypt' users >before
expect 0 passwd --file users alice <secret
same "lines" "$(cut -d'$' -f1,2 users | tr '\n' ' ')" '# people alice:$token alice:$token bob:$scrypt alice:$scrypt '
ok "a new hash" sh -c '! grep -qFf before users'
ln -s users link
expect 0 passwd --file link --token carol
ok "a link stays one" test -L link
ok "what it leads to has the line" grep -q '^carol:' users

# what cannot be
expect 2 passwd 'a:b' <secret
one_line
says "the user's name \"a:b\" must be made of letters"
expect 2 passwd
printf 'something else\n' >other
chmod 600 other
expect 1 passwd --file other alice <secret
says "other:1: expected NAME:"
same "it stays" "$(cat other)" "something else"
chmod 644 users
expect 1 passwd --file users alice <secret
says "others may read the users' hashes"
says "chmod 600"
expect 1 passwd --file nowhere/users alice <secret
one_line
head -c 1025 /dev/zero | tr '\0' x >long
expect 1 passwd alice <long
says "the password is longer than 1024 bytes"
ok "no password in any message" sh -c '! grep -q geheim err'

# on a terminal: asked twice, not shown
python3 "$SOURCE/tests/cli/serve_client.py" password "$MSTORE" passwd --file tty dora >out 2>err || problem "on a terminal"
same "what was said" "$(tr '\n' '|' <out)" "Password: |Once more: |"
ok "the line" grep -q '^dora:\$scrypt' tty
finish
