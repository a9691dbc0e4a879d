#!/usr/bin/env bash
# A store of many members as a member of another one.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state

conf() { # NAME KEY LINES...
    local name=$1 key=$2
    shift 2
    {
        printf '[mstore]\nkey = %064d\n' "$key"
        printf '%s\n' "$@"
    } >"$name.conf"
    chmod 600 "$name.conf"
}
member() { # NAME - a member in a folder of its own
    printf '[member %s]\nurl = file://%s/%s?sync=none\n' "$1" "$T" "$1"
}

# ---- what cannot be, each in one sentence
conf plain 8 "$(member p1)" '[namespace]' 'kind = plain' 'redundancy = none'
conf wrong 7 '[member in]' 'url = plain.conf' "$(member w2)" '[namespace]' 'kind = mutable' \
    'redundancy = all'
expect 1 create wrong.conf
says "names = bytes"
says "plain.conf cannot be a member of another store"
ok "nothing was made" test ! -e p1 -a ! -e w2
conf same 8 '[member in]' 'url = plain.conf' '[namespace]' 'kind = plain' 'redundancy = none'
expect 1 create same.conf
says "have the same key"
conf a 1 '[member in]' 'url = b.conf' '[namespace]' 'kind = plain' 'redundancy = none'
conf b 2 '[member in]' 'url = ../'"${T##*/}"'/c.conf' '[namespace]' 'kind = plain' 'redundancy = none'
conf c 3 '[member in]' 'url = a.conf' '[namespace]' 'kind = plain' 'redundancy = none'
expect 1 ls a.conf
says "cannot be a member of itself"
one_line
conf away 4 '[member in]' 'url = nowhere.conf' '[namespace]' 'kind = plain' 'redundancy = none'
expect 1 ls away.conf
says "nowhere.conf"

# ---- three members, one of them three others
mkdir sub
conf sub/inner 8 "$(member i1)" "$(member i2)" "$(member i3)" \
    '[namespace]' 'kind = mutable' 'redundancy = all' 'names = bytes'
conf outer 7 '[member in]' 'url = sub/inner.conf' "$(member o2)" "$(member o3)" \
    '[namespace]' 'kind = mutable' 'redundancy = all' \
    '[namespace data]' 'kind = immutable' 'redundancy = ec 2+1' 'levels = 1' \
    '[namespace files]' 'kind = plain' 'redundancy = all' 'levels = 1'
expect 3 ls outer.conf
says "does not exist"
expect 0 create outer.conf # and the one inside
expect 4 create outer.conf
expect 0 status outer.conf
head -c 3000000 /dev/urandom >big
echo hello >hello
expect 0 put outer.conf data/0123abcd big
expect 0 put outer.conf config hello
expect 0 put outer.conf files/0456abcd hello
expect 0 ls outer.conf
same "listing" "$(tr '\n' ' ' <out)" "config data/0123abcd files/0456abcd "
expect 0 ls sub/inner.conf
same "a plain item is one key" "$(grep -c "files.01.0456abcd\|files.04.0456abcd" out)" 1

# ---- whatever is lost, the others have it
without() { # FOLDER...
    local f
    rm -rf "$MSTORE_STATE_DIR"
    for f in "$@"; do mv "$f" "$f.away"; done
    expect 0 get outer.conf data/0123abcd
    same_file "without $*" out big
    expect 0 get outer.conf files/0456abcd
    same "without $*" "$(cat out)" hello
    echo "without $*" | expect 0 put outer.conf config -
    expect 0 get outer.conf config
    same "config" "$(cat out)" "without $*"
    expect 0 ls outer.conf
    same "listing without $*" "$(tr '\n' ' ' <out)" "config data/0123abcd files/0456abcd "
    for f in "$@"; do mv "$f.away" "$f"; done
}
without i1         # of the inner one
without i2 o3      # one of each: the inner one still is a whole member
without i1 i2      # the inner one as a member
rm -rf "$MSTORE_STATE_DIR"
mv i1 i1.away && mv i2 i2.away && mv o2 o2.away
expect 5 get outer.conf data/0123abcd
mv i1.away i1 && mv i2.away i2 && mv o2.away o2
rm -rf "$MSTORE_STATE_DIR"

# ---- a member of it away: it is usable, only how full it is nobody knows
expect 0 heal sub/inner.conf
expect 0 heal outer.conf
mv i1 i1.away
expect 0 status outer.conf
ok "fill unknown" grep -qE '^in +active +1 +[0-9.]+ .?s +0 +- +ok' out
expect 0 status outer.conf --json
same "usable" "$(json '[(m["answers"], m["total_bytes"] is None, m["breaker"]) for m in d["members"]][0]')" \
    "(True, True, 'closed')"
mv i1.away i1
rm -rf "$MSTORE_STATE_DIR"
expect 0 status outer.conf
ok "fill known" grep -qE '^in +active +1 +[0-9.]+ .?s +[0-9.]+ .*of .*ok' out

# ---- and the inner one is a store as any
expect 0 heal sub/inner.conf
rm -rf "$MSTORE_STATE_DIR"
expect 0 heal outer.conf
expect 0 scrub outer.conf --deep
expect 0 rm outer.conf --soft files/0456abcd
expect 3 get outer.conf files/0456abcd
expect 0 undelete outer.conf files/0456abcd
expect 0 get outer.conf files/0456abcd
expect 0 rm outer.conf data/0123abcd
expect 3 get outer.conf data/0123abcd
expect 0 destroy outer.conf --yes
ok "nothing is left" test ! -e i1
finish
