#!/usr/bin/env bash
# Hiding, bringing back, renaming and removing for good, as the owner of three folders does it, with
# one of them away now and then; and what heal makes of a rename that was broken off.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=400ms

{
    printf '[mstore]\nkey = %064d\n' 4711
    for member in one two three; do
        printf '[member %s]\nurl = file://%s/%s?sync=none\n' $member "$T" $member
    done
    printf '%s\n' '[namespace data]' 'kind = immutable' 'redundancy = copies 3' \
        '[namespace safe]' 'kind = immutable' 'redundancy = ec 2+1' \
        '[namespace files]' 'kind = plain' 'redundancy = all'
} >home.conf
chmod 600 home.conf
listed() { # NAMESPACE [OPTION...] - its keys, in one line
    expect 0 ls home.conf "$@"
    sed "s,^$1/,," out | tr '\n' ' ' | sed 's/ $//'
}
values() { # how many objects of values all members have
    find one two three -type f \( -path '*/val/*' -o -path '*/files/*' \) | wc -l
}
left() { # KIND - objects of MStore's own of that kind on all members
    find one two three -type f -path "*/mstore-*/$1/*" | wc -l
}

expect 0 create home.conf
for ns in data safe files; do
    head -c 70000 /dev/urandom >$ns.value
    expect 0 put home.conf $ns/0123abcd $ns.value
    expect 0 put home.conf $ns/0124 $ns.value
done
before=$(values)
same "objects" "$before" 18

# ---- there and back
for ns in data safe files; do
    key=$ns/0123abcd
    expect 3 undelete home.conf $key
    one_line
    expect 0 rm home.conf --soft $key
    silent
    same "live keys of $ns" "$(listed $ns)" "0124"
    same "hidden keys of $ns" "$(listed $ns --deleted)" "0123abcd"
    expect 0 ls home.conf $ns --all
    same "all keys of $ns" "$(grep -c . out)" 2
    expect 3 get home.conf $key
    one_line
    expect 0 get home.conf $key --deleted
    same_file "$key" out $ns.value
    expect 0 info home.conf $key --deleted
    prints 70000
    expect 0 hash home.conf $key --deleted
    prints "$(sha256sum <$ns.value | cut -d' ' -f1)"
    expect 3 rm home.conf --soft $key
    expect 0 undelete home.conf $key
    expect 0 get home.conf $key
    same_file "$key" out $ns.value
    same "keys of $ns" "$(listed $ns)" "0123abcd 0124"
    # a live item is in nobody's way, and nobody's in its way
    expect 0 rm home.conf --soft $key
    expect 0 put home.conf $key $ns.value
    expect 4 undelete home.conf $key
    says "0123abcd"
    expect 0 rm home.conf --deleted $key
    expect 3 get home.conf $key --deleted
    expect 0 get home.conf $key
    same_file "$key" out $ns.value
    # renames, of the hidden one too
    expect 0 mv home.conf $key $ns/ffff
    same "keys of $ns" "$(listed $ns)" "0124 ffff"
    expect 0 rm home.conf --soft $ns/ffff
    expect 0 mv home.conf --deleted $ns/ffff $key
    same "hidden keys of $ns" "$(listed $ns --deleted)" "0123abcd"
    expect 0 undelete home.conf $key
    expect 0 get home.conf $key
    same_file "$key" out $ns.value
done
same "objects" "$(values)" "$before"
same "intents" "$(left intent)" 0
expect 0 scrub home.conf --deep
prints ", 0 not as they should be"

# ---- a member that was away has nothing to say about it
mv two away
for ns in data safe files; do
    expect 0 rm home.conf --soft $ns/0123abcd
done
mv away two
for ns in data safe; do
    expect 3 get home.conf $ns/0123abcd
    expect 0 get home.conf $ns/0123abcd --deleted
    same_file "$ns/0123abcd" out $ns.value
    same "live keys of $ns" "$(listed $ns)" "0124"
done
expect 0 rm home.conf --deleted data/0123abcd safe/0123abcd
for ns in data safe; do
    expect 3 get home.conf $ns/0123abcd
    expect 3 get home.conf $ns/0123abcd --deleted
    same "keys of $ns" "$(listed $ns --all)" "0124"
done

find two -path '*/val/*' -type f -exec touch -d '30 minutes ago' {} + # or it could be of a store under way

# ---- a rename that was broken off: both names are there, until the next heal
id=0000000000000001-000000000000abcd
for ns in data files; do
    expect 0 put home.conf $ns/new $ns.value
    for member in one two; do
        folder=$(find $member -maxdepth 1 -name 'mstore-*')/intent/n.$ns'!'/k.0124'!'
        mkdir -p "$folder"
        printf '[intent]\nformat = 1\ndeleted = no\nnew = %s\n' "$(printf '%s/new' $ns | od -An -tx1 | tr -d ' \n')" \
            >"$folder/$id.r"
    done
done
expect 0 heal home.conf
same "keys of data" "$(listed data)" "0124 new" # its client may be at work yet
find one two -path '*/intent/*' -name "$id.r" -exec touch -d '30 minutes ago' {} +
expect 0 heal home.conf
for ns in data files; do
    same "keys of $ns" "$(listed $ns)" "new"
    expect 0 get home.conf $ns/new
    same_file "$ns/new" out $ns.value
done
same "intents" "$(left intent)" 0
# nothing is overwritten by one that is old
expect 0 put home.conf files/0124 safe.value
for member in one two; do
    folder=$(find $member -maxdepth 1 -name 'mstore-*')/intent/n.files'!'/k.0124'!'
    mkdir -p "$folder"
    printf '[intent]\nformat = 1\ndeleted = no\nnew = 66696c65732f6e6577\n' >"$folder/$id.r"
done
find one two -path '*/intent/*' -name "$id.r" -exec touch -d '30 minutes ago' {} +
expect 0 heal home.conf
same "keys of files" "$(listed files)" "0124 new"
expect 0 get home.conf files/new
same_file "files/new" out files.value
expect 0 get home.conf files/0124
same_file "files/0124" out safe.value
same "intents" "$(left intent)" 0

# ---- one of which no copy can be read: where to is not known any more, and both names stay
for ns in data files; do
    expect 0 put home.conf $ns/0127 $ns.value
    for member in one two; do
        folder=$(find $member -maxdepth 1 -name 'mstore-*')/intent/n.$ns'!'/k.0127'!'
        mkdir -p "$folder"
        printf '[intent]\nformat = 1\ndeleted = no\nnew = 66\x80\n' >"$folder/$id.r"
    done
done
find one two -path '*/intent/*' -name "$id.r" -exec touch -d '30 minutes ago' {} +
mv one away
expect 5 heal home.conf
mv away one
same "intents" "$(find one two -path '*/intent/*' -name "$id.r" | wc -l)" 4
expect 0 heal home.conf
says "a rename was broken off, and where to cannot be read: what is there stays"
same "intents" "$(left intent)" 0
for ns in data files; do
    expect 0 get home.conf $ns/0127
    same_file "$ns/0127" out $ns.value
    expect 0 rm home.conf $ns/0127
done

# ---- two that lead to each other's beginning, both broken off: one is finished, then the other
begin() { # FROM TO - in data
    local member folder
    for member in one two; do
        folder=$(find $member -maxdepth 1 -name 'mstore-*')/intent/n.data'!'/k.$1'!'
        mkdir -p "$folder"
        printf '[intent]\nformat = 1\ndeleted = no\nnew = %s\n' "$(printf 'data/%s' "$2" | od -An -tx1 | tr -d ' \n')" \
            >"$folder/$id.r"
    done
}
age() { find one two -path "*/intent/*/k.$1!/$id.r" -exec touch -d '30 minutes ago' {} +; }
for key in 0125 0126; do expect 0 put home.conf data/$key data.value; done
begin 0125 0126
begin 0126 0125
age 0125 # whose 0126 leads back, and may be at work
expect 7 heal home.conf
says "another rename leads back from where it ends"
same "keys of data" "$(listed data)" "0125 0126 new"
age 0126
expect 7 scrub home.conf
says "a rename was broken off"
expect 7 heal home.conf
says "another rename leads back from where it ends"
same "keys of data" "$(listed data)" "0126 new"
expect 0 heal home.conf
same "keys of data" "$(listed data)" "0126 new"
expect 0 get home.conf data/0126
same_file "data/0126" out data.value
same "intents" "$(left intent)" 0
finish
