#!/usr/bin/env bash
# create, open and destroy of a store of many members: what is not the store's is never taken and
# never erased; all members are looked at before the first is touched.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms

conf() { # FILE KEY SPACE MEMBER... - each in a folder of its own name
    local file=$1 key=$2 space=$3
    shift 3
    printf '[mstore]\nkey = %064d\n%s' "$key" "${top:-}" >"$file"
    for member in "$@"; do
        printf '[member %s]\nurl = file://%s/%s?sync=none\n%s' "$member" "$T" "$member" \
            "${more:-}" >>"$file"
    done
    printf '%b\n' "$space" >>"$file"
    chmod 600 "$file"
}
data='[namespace data]\nkind = immutable\nredundancy = copies 2\nverify = none'
plain='[namespace]\nkind = plain\nredundancy = all'
files() { find "$@" -type f 2>/dev/null | sort | tr '\n' ' '; }

# ---- something is there already
conf home.conf 1 "$data" a b c
mkdir c
echo x >c/thesis.txt
expect 4 create home.conf
one_line
says "member c: "
says "it holds thesis.txt, which is not this store's"
same "what was there" "$(cat c/thesis.txt)" x
ok "no other member was made" test ! -e a -a ! -e b
mv c/thesis.txt c/.thesis.tmp # what a listing does not show
expect 4 create home.conf
says "is not empty"
ok "no other member was made for a hidden file" test ! -e a -a ! -e b -a -e c/.thesis.tmp
rm c/.thesis.tmp

# ---- once there, it is made; broken off, it can be made again
expect 0 create home.conf
rm -r b a
expect 4 create home.conf
says "exists already"
rm -r c
mkdir a
expect 0 create home.conf
for folder in a b c; do rm -r $folder/mstore-*/layout; done
rm -r c b/mstore-*/member
expect 0 create home.conf
expect 4 create home.conf
echo hello >hello
expect 0 put home.conf data/key hello

# ---- another store in the same folders
conf other.conf 2 "$plain" d a
expect 4 create other.conf
one_line
says "member a: "
says "holds another store (UUID "
same "which one" "$(sed 's/.*UUID //; s/[-)]//g' err)" "$(cd a && echo mstore-* | cut -d- -f2)"
ok "nothing was made of it" test ! -e d -a "$(ls a | wc -l)" = 1
expect 0 get home.conf data/key -

# ---- a member to be added is looked at likewise
mkdir e
echo x >e/thesis.txt
expect 4 add home.conf e "file://$T/e?sync=none"
says "thesis.txt, which is not this store's"
same "a folder that was not added" "$(files e)" "e/thesis.txt "
conf home.conf 1 "$data" a b c

# ---- destroy: all members answer, or nothing is erased
before=$(files a b c)
mv b away
for _ in 1 2; do
    expect 5 destroy home.conf --yes
    one_line
    says "member b: "
    same "what is left without b" "$(files a away c | sed "s|away/|b/|g" | tr ' ' '\n' | sort | tr -d '\n')" \
        "$(tr -d ' \n' <<<"$before")"
done
mv away b
echo x >b/thesis.txt
expect 4 destroy home.conf --yes
one_line
says "member b: "
says "thesis.txt, which is not this store's"
rm b/thesis.txt
same "what is left besides a foreign file" "$(files a b c)" "$before"
expect 0 destroy home.conf --yes
ok "all is gone" test ! -e a -a ! -e b -a ! -e c
expect 3 destroy home.conf --yes
says "does not exist"

# ---- it is forgotten: it may be made again
expect 0 create home.conf
expect 0 put home.conf data/key hello

# ---- a destroy that was broken off is finished by the same command
break_off() { # CONDITION ARGUMENT... - killed once it holds
    local ended
    ended=$(python3 "$SOURCE/tests/cli/interrupt.py" KILL "$1" "$MSTORE" "${@:2}" 2>err | tail -n 1)
    same "how it was broken off" "$ended" -9
}
begun() { # c is slow: its end comes last
    conf home.conf 1 "$1" a b c
    sed -i "s|/c?sync=none|/c?sync=none\&emulate.latency=120ms|" home.conf
    expect 0 create home.conf
    expect 0 put home.conf "$2" hello
    break_off "[ ! -e $T/a ] && [ ! -e $T/b ]" destroy home.conf --yes
}
for left in all nothing mark; do
    expect 0 destroy home.conf --yes
    begun "$data" data/key
    case $left in
    nothing) rm -r c ;;
    mark) rm -r c/mstore-*/member c/mstore-*/layout ;;
    esac
    expect 3 ls home.conf
    says "is being destroyed: run mstore destroy home.conf --yes again"
    expect 3 create home.conf
    says "is being destroyed"
    expect 0 destroy home.conf --yes
    ok "all is gone after $left" test ! -e a -a ! -e b -a ! -e c
    expect 3 ls home.conf
    says "does not exist: run mstore create"
    expect 0 create home.conf
done
expect 0 destroy home.conf --yes

# ---- what is left of plain keys, once the mark has gone, may be anybody's
begun "$plain" key
rm -r c/mstore-*
expect 4 destroy home.conf --yes
says "member c: "
says "holds key"
ok "it is still there" test -e c/key
rm c/key
expect 0 destroy home.conf --yes

# ---- two members on one storage
conf home.conf 1 "$data" a b
for way in "ln -s a b" "ln -s b a" true; do
    rm -rf a b
    mkdir a
    $way
    [ "$way" != "ln -s b a" ] || { rmdir a/b 2>/dev/null; rm -rf a; mkdir b; ln -s b a; }
    [ "$way" != true ] || sed -i "s|/b?|/a/?|" home.conf
    for _ in 1 2 3 4 5; do
        expect 4 create home.conf
        one_line
        says "each member one of its own"
        checks=$((checks + 1))
        grep -qE 'storage of member (a, .*member b|b, .*member a) too' err || problem "no names"
        same "what is left of it" "$(files a/ b/)" ""
    done
done

# ---- likewise where nothing is yet: nothing stays
conf home.conf 1 "$data" new spare
sed -i "s|/spare?sync=none|/./new|; s|/new?sync=none|/new|" home.conf
for _ in 1 2 3 4 5; do
    expect 4 create home.conf
    one_line
    says "each member one of its own"
    ok "nothing was made" test ! -e new
done

rm -rf a b
conf home.conf 1 "$data" a b
expect 0 create home.conf

# ---- all members away: that is not a store that does not exist
expect 0 put home.conf data/key hello
mkdir away
mv a b away
for way in none empty; do
    [ $way = none ] || mkdir a b
    expect 5 ls home.conf
    one_line
    says "layout 1 of which was seen here before"
    expect 5 create home.conf
    says "remove $MSTORE_STATE_DIR"
    same "nothing was made ($way)" "$(files a b)" ""
    expect 5 destroy home.conf --yes
done
rmdir a b
mv away/a away/b .
expect 0 get home.conf data/key -
same "the value" "$(cat out)" hello

# ---- placement = buckets is for storages that have values already: they stay
mkdir -p m1/data m2/data
echo one >m1/data/0123abcd
conf old.conf 3 '[namespace data]\nkind = plain\nredundancy = all\nlevels = 0' m1 m2
sed -i "s|^key|placement = buckets\nkey|; s|^url|buckets = 128\nurl|" old.conf
mkdir m2/mstore-0123456789abcdef0123456789abcdef
expect 4 create old.conf
says "member m2: "
says "holds another store"
same "what was there" "$(files m1 m2)" "m1/data/0123abcd "
rmdir m2/mstore-*
expect 0 create old.conf
expect 0 get old.conf data/0123abcd -
same "a value from before" "$(cat out)" one
expect 0 destroy old.conf --yes
same "what stays" "$(files m1 m2)" "m1/data/0123abcd "
ok "nothing of the store stays" test -z "$(ls -d m?/mstore-* 2>/dev/null)"
expect 0 create old.conf

# ---- a store within a store: made before, it must be empty, too
conf inner.conf 4 '[namespace]\nkind = mutable\nredundancy = all\nnames = bytes' i1 i2
conf outer.conf 5 "$data" o1 o2
sed -i "s|^\[namespace|[member in]\nurl = inner.conf\n[namespace|" outer.conf
expect 0 create inner.conf
expect 0 put inner.conf thesis hello
expect 4 create outer.conf
says "member in: inner.conf is not empty: it holds thesis"
ok "nothing was made beside it" test ! -e o1 -a ! -e o2
expect 0 rm inner.conf thesis
expect 0 create outer.conf
expect 0 put outer.conf data/key hello
mv o2 away/
expect 5 destroy outer.conf --yes
says "member o2: "
expect 0 info inner.conf "$(printf 'mstore-%s\001member' "$(ls o1 | cut -d- -f2)")"
mv away/o2 .
sed -i "s|/i2?sync=none|/i2?sync=none\&emulate.latency=120ms|" inner.conf
break_off "[ ! -e $T/o1 ] && [ ! -e $T/o2 ] && [ ! -e $T/i1 ]" destroy outer.conf --yes
ok "half of the inner one is there" test -e i2
expect 0 destroy outer.conf --yes
ok "all is gone, the inner one too" test ! -e i1 -a ! -e i2 -a ! -e o1 -a ! -e o2
expect 0 create outer.conf

finish
