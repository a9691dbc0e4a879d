#!/usr/bin/env bash
# A store of many members, as its owner meets it: made from a file, used like any other, with a
# member lost, replaced by somebody else's folder, and back.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=400ms

files() { # FOLDER - what is in it, but for MStore's own
    (cd "$1" && find . -type f -not -path './mstore-*' | sort | tr '\n' ' ')
}

# ---- bad files, each with a sentence that names it
for command in ls plan status create; do
    expect 2 $command nothing.conf # as for a name that the configuration does not have
    one_line
    says "nothing.conf"
done
conf within '[namespace]' 'kind = plain' 'redundancy = all' # a file within it is a fault of the file
sed -i 's|^url.*within.two.*|url = nothing.conf|' within.conf
expect 1 plan within.conf
says "member two: "
expect 1 create within.conf
conf open '[namespace]' 'kind = plain' 'redundancy = all'
chmod 644 open.conf
expect 1 create open.conf
says "chmod 600"
conf bare
expect 1 create bare.conf
says "no [namespace NAME] section"
conf keyless '[namespace]' 'kind = plain' 'redundancy = all'
sed -i /^key/d keyless.conf
expect 1 create keyless.conf
says "openssl rand -hex 32"
conf greedy '[namespace]' 'kind = immutable' 'redundancy = copies 4'
expect 1 create greedy.conf
says "greedy.conf"
expect 2 ls bare.conf --levels data=2
says "--levels"

# ---- what cannot be created cannot be planned
conf foreign '[namespace]' 'kind = plain' 'redundancy = all' 'names = bytes'
for url in foo://x foreign.conf; do
    sed -i "/member two/,/^url/s|^url.*|url = $url|" foreign.conf
    for command in create plan; do
        expect "$([ $url = foo://x ] && echo 2 || echo 1)" $command foreign.conf
        one_line
        says "member two: "
    done
done
says "a store cannot be a member of itself"

# ---- what it will be worth, before there is anything
conf plan '[namespace]' 'kind = immutable' 'redundancy = ec 2+1' \
    '[namespace config]' 'kind = mutable' 'redundancy = copies 2'
expect 0 plan plan.conf
prints "immutable, ec 2+1"
prints "on 3 members, of which 1 may be lost"
prints "note: "
expect 0 plan plan.conf --json --failure-rate 10% --repair-time 2d --write-price 0.005 --value-size 64MiB
json_ok
same "plan" "$(json '[(n["name"], n["tolerates"], round(n["overhead"], 1), n["put"]["puts"]) for n in d["namespaces"]]')" \
    "[('', 1, 1.5, 3), ('config', 0, 2.0, 2)]"
same "price" "$(json 'round(d["namespaces"][0]["put"]["price_of_million"])')" 25
same "of one of two" "$(json 'abs(d["namespaces"][1]["loss_years"] - 1 / (2 * 0.10536051565782628)) < 1e-6')" True
expect 2 plan plan.conf --write-price x
expect 2 plan plan.conf --failure-rate 150%
expect 2 plan plan.conf --failure-rate 0
says "between 0 and 1"
ok "nothing was made" test ! -e plan.one

# ---- mirrors: each member is an ordinary store
conf mirror '[namespace]' 'kind = plain' 'redundancy = all' 'levels = 1'
expect 3 ls mirror.conf
says "does not exist: run mstore create mirror.conf"
expect 0 create mirror.conf
expect 4 create mirror.conf
says "exists already"
rm mirror.two/mstore-*/layout/*
expect 0 status mirror.conf
ok "a layout is missing" grep -qE '^two .* ok, but it lacks layout 1: run mstore heal$' out
expect 0 heal mirror.conf
expect 0 status mirror.conf
ok "it is back" grep -qE '^two .* ok$' out
echo hello >hello
expect 0 put mirror.conf data/0123abcd hello
expect 0 put mirror.conf config hello
for member in one two three; do
    same "member $member" "$(files "mirror.$member")" "./co/config ./data/01/0123abcd "
    expect 0 get "file://$T/mirror.$member" data/0123abcd --levels =1
    same "alone" "$(cat out)" hello
done
expect 0 ls mirror.conf
same "listing" "$(tr '\n' ' ' <out)" "config data/0123abcd "
expect 0 ls mirror.conf data
prints "data/0123abcd"

# ---- a member that is lost is done without; an empty folder in its place is not written to
mv mirror.two away
mkdir mirror.two
expect 0 get mirror.conf data/0123abcd
same "one lost" "$(cat out)" hello
expect 0 put mirror.conf data/0456 hello
same "left alone" "$(files mirror.two)" ""
expect 0 ls mirror.conf
same "listing" "$(tr '\n' ' ' <out)" "config data/0123abcd data/0456 "
rm -rf "$MSTORE_STATE_DIR"
expect 5 status mirror.conf
prints "put its storage in place"
says "1 of 3 members cannot be used"
mv mirror.three gone
rm -rf "$MSTORE_STATE_DIR"
expect 5 ls mirror.conf
says "could leave out keys"
rmdir mirror.two
mv away mirror.two
mv gone mirror.three
rm -rf "$MSTORE_STATE_DIR"
expect 0 status mirror.conf --json
json_ok
same "all answer" "$(json '[m["answers"] for m in d["members"]]')" "[True, True, True]"
same "policy" "$(json 'd["namespaces"][0]["redundancy"], d["namespaces"][0]["tolerates"]')" "('all', 2)"

# ---- another member's storage in its place is refused
mv mirror.two mirror.x && mv mirror.three mirror.two && mv mirror.x mirror.three
expect 5 status mirror.conf
prints "the storage is that of member"
prints "exchanged in the configuration?"
same "advice to empty another member's storage" "$(grep -c 'put an empty one' out)" 0
rm -rf "$MSTORE_STATE_DIR"
mv mirror.two mirror.x && mv mirror.three mirror.two && mv mirror.x mirror.three

# ---- mutable and immutable namespaces, in copies and shards
conf home '[namespace]' 'kind = mutable' 'redundancy = all' \
    '[namespace data]' 'kind = immutable' 'redundancy = ec 2+1' 'levels = 1' 'compress = zstd' \
    '[namespace sums]' 'kind = immutable' 'redundancy = copies 2' 'verify = sha256'
expect 0 create home.conf
head -c 300000 /dev/urandom >big
sum=$(sha256sum <big | cut -c1-64)
expect 0 put home.conf data/0123abcd big
expect 0 put home.conf "sums/$sum" big
expect 2 put home.conf "sums/${sum%?????}00000" big
says "SHA-256"
expect 0 put home.conf config hello
echo again | expect 0 put home.conf config -
expect 0 ls home.conf --json
json_ok --json-lines
same "sizes" "$(python3 -c 'import json,sys
print(sorted((json.loads(l)["key"][:5], json.loads(l)["size"]) for l in open("out")))')" \
    "[('confi', 6), ('data/', 300000), ('sums/', 300000)]"
# ---- flipped bits are answered from the others
object=$(find home.one/mstore-*/val/n.data! -type f | head -n 1)
cp -p "$object" whole
printf 'X' | dd of="$object" bs=1 seek=$(($(stat -c %s "$object") / 2)) conv=notrunc status=none
expect 0 get home.conf data/0123abcd
same_file "with a flipped bit" out big
cp -p whole "$object"


# ---- any member may be away
for lost in one two three; do
    rm -rf "$MSTORE_STATE_DIR"
    mv "home.$lost" away
    expect 0 get home.conf data/0123abcd
    same_file "without $lost" out big
    expect 0 get home.conf "sums/$sum"
    same_file "without $lost" out big
    expect 0 get home.conf data/0123abcd --offset 65530 --size 70000
    tail -c +65531 big | head -c 70000 >part
    same_file "a part without $lost" out part
    echo "without $lost" | expect 0 put home.conf config -
    expect 0 get home.conf config
    same "config" "$(cat out)" "without $lost"
    expect 0 ls home.conf
    same "listing" "$(grep -c -e config -e 0123abcd -e "sums/$sum" out)" 3
    expect 0 put home.conf "data/$lost" big
    mv away "home.$lost"
done
rm -rf "$MSTORE_STATE_DIR"
expect 0 get home.conf config
same "the newest, though two members were away since" "$(cat out)" "without three"

# ---- what is counted: one of three is away, and a load costs nothing more
rm -rf "$MSTORE_STATE_DIR"
mv home.two away
expect 0 get home.conf config --stats saved
mv away home.two
expect 0 stats saved --json
json_ok
entity() { # KIND NAME EXPRESSION over e
    json "[$3 for e in d['entities'] if (e['kind'], e['store'], e['name']) == ('$1', 'home.conf', '$2')]"
}
same "counted" "$(entity namespace '' '(e["verbs"]["load"]["calls"], e["verbs"]["load"]["errors"], e["events"]["degraded"])')" \
    "[(1, 0, 1)]"
same "the member" "$(entity member two 'e["events"]["breaker_opened"]')" "[1]"
same "the others" "$(entity member one 'e["events"]')" "[{}]"
"${MSTORE_STATS:?}" saved >out || problem "mstore-stats"
prints "degraded 1"
prints "breaker_opened 1"

# ---- deletion, also with a member away
rm -rf "$MSTORE_STATE_DIR"
mv home.two away
expect 0 rm home.conf data/0123abcd config
mv away home.two
rm -rf "$MSTORE_STATE_DIR"
expect 3 get home.conf data/0123abcd
expect 3 get home.conf config
expect 0 ls home.conf
same "deleted stays deleted" "$(grep -c -e 0123abcd -e config out)" 0

# ---- the rest of the commands
expect 0 hash home.conf data/one
prints "$sum"
expect 0 mv home.conf data/one data/uno
expect 0 get home.conf data/uno
same_file "renamed" out big
head -c 2097152 /dev/urandom >even # whole blocks of what is carried at a time
expect 0 put home.conf data/even even
expect 0 mv home.conf data/even data/moved
expect 0 get home.conf data/moved
same_file "renamed" out even
expect 3 get home.conf data/even
expect 0 sweep home.conf --json
prints '{"removed":'
mv home.two away
expect 5 sweep home.conf # the others are swept, and the sentence names who is not
says "there is no store at"
mv away home.two
rm -rf "$MSTORE_STATE_DIR"
expect 0 create "file://$T/copy?sync=none"
expect 0 copy home.conf "file://$T/copy?sync=none"
expect 0 get "file://$T/copy?sync=none" data/uno
same_file "copied" out big
expect 0 bench home.conf --count 4 --size 10k
expect 2 destroy home.conf
expect 0 destroy home.conf --yes
ok "nothing is left" test ! -e home.one
expect 3 ls home.conf
finish
