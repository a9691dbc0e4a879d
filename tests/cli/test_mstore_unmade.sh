#!/usr/bin/env bash
# A member whose url says something that is not to be had: the others serve, every command says why,
# and once the url is put right one heal brings what the member missed.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=300ms
unset "${!AWS_@}"

conf home '[namespace]' 'kind = mutable' 'redundancy = all' \
    '[namespace data]' 'kind = immutable' 'redundancy = copies 3' \
    '[namespace files]' 'kind = plain' 'redundancy = copies 3'
expect 0 create home.conf
cp -p home.conf right.conf
url_of_three() { # URL
    sed "s|^url = file://$T/home.three.*|url = $1|" right.conf >home.conf
}
echo first >value
for key in key data/0123abcd files/a files/b; do expect 0 put home.conf $key value; done

# ---- each of these
while read -r code url sentence; do
    url_of_three "$url"
    expect 0 get home.conf key -
    same "the value" "$(cat out)" first
    says "warning: the store works without member three: "
    says "$sentence"
    expect 5 status home.conf
    ok "$url: $sentence" grep -qE "^three +active .* member three: .*$sentence$" out
    says "1 of 3 members cannot be used"
    expect 5 status home.conf --json
    json_ok
    same "$url" "$(json '[(m["answers"], m["error"]) for m in d["members"]]')" \
        "[(True, None), (True, None), (False, '$code')]"
    expect 5 heal home.conf
    ok "heal says it" grep -q "^three .*$sentence" out
    ok "no secret" test -z "$(grep -h HUNTER2 out err)"
done <<'END'
CONFIG nowhere.conf nowhere.conf: No such file or directory
AUTH s3:nobody@http://127.0.0.1:9/bucket/path there is no profile "nobody" in ~/.aws/credentials or ~/.aws/config
URL s3:KEY:HUNTER2@http://127.0.0.1:9/bucket/path?nonsense=HUNTER2 the option "nonsense" is unknown here
END

# ---- all goes on without it
url_of_three nowhere.conf
echo second >value
expect 0 put home.conf key value
expect 0 put home.conf data/4567abcd value
expect 0 put home.conf files/a value
expect 0 rm home.conf files/b
expect 0 ls home.conf
same "listed" "$(cut -d' ' -f1 out | sort | tr '\n' ' ')" "data/0123abcd data/4567abcd files/a key "

# ---- check looks at the others none the less
expect 5 check home.conf
prints "three: the store's configuration nowhere.conf: No such file or directory"
same "members looked at" "$(grep -c '^member [a-z]*  [^ ]*$' out)" 3
same "of them in order" "$(grep -c '^clean up  *ok' out)" 2

# ---- but what needs it
refuses() { # ARGUMENT...
    expect 1 "$@"
    says "member three: the store's configuration nowhere.conf: No such file or directory"
}
refuses plan home.conf
refuses create home.conf
refuses destroy home.conf --yes
refuses add home.conf four "file://$T/home.four"
refuses replace home.conf three "file://$T/home.four"
ok "nothing was made" test ! -e home.four
same "nor written into the file" "$(grep -c four home.conf)" 0

# ---- a file that cannot be read as one, and more members missing than may be
url_of_three 'nowhere.conf\nthe sky is blue'
expect 1 get home.conf key -
one_line
sed "s|^url = file://$T/home.two.*|url = neither.conf|" right.conf |
    sed "s|^url = file://$T/home.three.*|url = nowhere.conf|" >home.conf
expect 1 get home.conf key -
says "member two: the store's configuration neither.conf: No such file or directory"
one_line

# ---- put right: at once there, and behind until heal has been there
cp -p right.conf home.conf
expect 0 status home.conf
silent
ok "it has missed something" grep -qE '^three +active .*ok, but it has missed something: run mstore heal$' out
ok "how much" grep -qE '^three +active +1 +[0-9.]+ .?s +[1-9]' out
expect 0 heal home.conf
mv home.one one.away
expect 0 get home.conf key -
same "after heal" "$(cat out)" second
ok "the mirror" cmp -s value home.three/files/a
ok "the value" test -n "$(find home.three -path '*/val/*4567abcd*')"
ok "not what was removed" test ! -e home.three/files/b
finish
