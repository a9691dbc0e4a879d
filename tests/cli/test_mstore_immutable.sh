#!/usr/bin/env bash
# A key of kind immutable in shards keeps its value: put, mv, copy of another one are refused, and
# nothing that was acknowledged is lost; the index of a tree is exchanged.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms
conf home '[namespace]' 'kind = immutable' 'redundancy = ec 2+1'
expect 0 create home.conf
echo "the first value" >first
echo "another one, longer" >second
echo "the First value" >equal-size
keeps() { # KEY FILE - the key has the file's bytes, and nothing is the matter with it
    expect 0 get home.conf "$1"
    same_file "$1" out "$2"
    expect 0 scrub home.conf --deep
    silent
}
refused() { # KEY
    says "$1 has another value already, and keeps it, as the namespace is of kind immutable"
    says "keep such keys in a namespace of kind mutable, or delete it first, while no member is away"
}

# ---- put
expect 0 put home.conf docs/readme first
expect 1 put home.conf docs/readme second
refused docs/readme
expect 1 put home.conf docs/readme equal-size
refused docs/readme
expect 1 put home.conf docs/readme </dev/null
refused docs/readme
keeps docs/readme first
expect 0 put home.conf docs/readme first # the same one
expect 0 heal home.conf
keeps docs/readme first
expect 0 rm home.conf docs/readme
expect 0 put home.conf docs/readme second
keeps docs/readme second

# ---- with a member away, who has a shard of it
mv home.two away
expect 1 put home.conf docs/readme first
refused docs/readme
mv away home.two
keeps docs/readme second

# ---- mv: both keys stay as they were, and nothing is left to be finished
expect 0 put home.conf docs/a first
expect 1 mv home.conf docs/a docs/readme
refused docs/readme
keeps docs/readme second
keeps docs/a first
same "intents" "$(find home.one home.two home.three -path '*/intent/*' -type f | wc -l)" 0
expect 0 put home.conf docs/b first
expect 0 mv home.conf docs/a docs/b # the same value
expect 3 get home.conf docs/a
expect 0 heal home.conf
keeps docs/b first

# ---- copy
expect 0 create "file://$T/source"
expect 0 put "file://$T/source" docs/c first
expect 0 copy "file://$T/source" home.conf
expect 0 copy "file://$T/source" home.conf
expect 0 put "file://$T/source" docs/c second
expect 1 copy "file://$T/source" home.conf
refused docs/c
keeps docs/c first

# ---- put-tree: contents are under their digests, the index is exchanged
mkdir tree
cp first tree/one
expect 0 put-tree home.conf photos tree
expect 0 put-tree home.conf photos tree
cp second tree/two
expect 0 put-tree home.conf photos tree
expect 0 get-tree home.conf photos back
ok "the tree" diff -r tree back
expect 0 ls home.conf photos --deleted
ok "no old index" test ! -s out
expect 0 heal home.conf
expect 0 get-tree home.conf photos healed
ok "the tree" diff -r tree healed

# ---- put-tree of what is stored in streams, into every kind of namespace
head -c 9000000 /dev/urandom >tree/large
cp tree/large tree/large-again
expect 0 put-tree home.conf photos tree
for kind in mutable plain; do
    conf $kind '[namespace]' "kind = $kind" 'redundancy = all'
    export MSTORE_STATE_DIR=$T/state-$kind
    expect 0 create $kind.conf
    expect 0 put-tree $kind.conf photos tree
    expect 0 get-tree $kind.conf photos back.$kind
    ok "the tree of kind $kind" diff -r tree back.$kind
done
export MSTORE_STATE_DIR=$T/state
expect 0 get-tree home.conf photos large
ok "the tree" diff -r tree large

# ---- soft-deleted twice, with different values: the last one is what comes back
for i in 1 2 3 4; do
    expect 0 put home.conf docs/again$i first
    expect 0 rm --soft home.conf docs/again$i
    expect 0 put home.conf docs/again$i second
    expect 0 rm --soft home.conf docs/again$i
    expect 0 heal home.conf
    expect 0 get home.conf docs/again$i --deleted
    same_file "the one deleted last" out second
    expect 0 undelete home.conf docs/again$i
    expect 0 get home.conf docs/again$i
    same_file "the one deleted last" out second
    expect 0 scrub home.conf --deep # nothing is the matter with what was just brought back
    silent
    expect 0 rm home.conf docs/again$i
done

# ---- what an earlier version left: two whole values; the first stays, the other is in the trash
expect 0 put home.conf docs/two first
mkdir aside
for m in one two three; do
    find home.$m -name '*k.two!*' -type f >"aside/$m"
    mv "$(cat "aside/$m")" "aside/$m.first"
done
sleep 0.01
expect 0 put home.conf docs/two second
for m in one two three; do
    mv "aside/$m.first" "$(cat "aside/$m")"
done
expect 7 scrub home.conf
says "docs/two: another value, which came later than the key's"
expect 0 heal home.conf
says "docs/two: another value, which came later than the key's (put right)"
keeps docs/two first
finish
