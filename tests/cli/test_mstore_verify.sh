#!/usr/bin/env bash
# verify = sha256 of plain keys: what one member has damaged is read from another one; what all have
# damaged is no value, neither of `get` nor of `copy`; heal --deep puts right what can be.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state

conf home '[namespace]' 'kind = plain' 'verify = sha256' 'redundancy = all' 'levels = 0'
expect 0 create home.conf
expect 0 create "file://$T/away"
sum() { sha256sum "$1" | cut -c1-64; }
spoil() { # KEY MEMBER... - one byte more
    local member
    for member in "${@:2}"; do printf x >>"home.$member/$1"; done
}
bytes=20000000
echo hello >small
stream >long
for size in small long; do
    key=$(sum $size)
    expect 0 put home.conf "$key" $size
    for _ in 1 2 3; do
        expect 0 get home.conf "$key" got
        same_file "$size" got $size
    done
    rm got
done

# ---- one or two bad copies of three, whichever is asked first
key=$(sum small)
spoil "$key" one three
for _ in 1 2 3 4 5 6; do
    expect 0 get home.conf "$key"
    same_file "to standard output" out small
    expect 0 get home.conf "$key" got
    same_file "to a file" got small
    rm got
done
expect 0 copy home.conf "file://$T/away"
same_file "copied" "away/$key" small
expect 0 rm "file://$T/away" "$key"

# ---- all are bad: no file, no value
spoil "$key" two
expect 1 get home.conf "$key"
says "is damaged: its digest is another"
same "nothing came" "$(wc -c <out)" 0
expect 1 get home.conf "$key" got
ok "no file" [ ! -e got ]
expect 1 copy home.conf "file://$T/away"
ok "not copied" [ ! -e "away/$key" ]

# ---- one that passes in a stream: the end does not come
key=$(sum long)
expect 0 rm "file://$T/away" "$key"
for member in one two three; do
    printf x | dd of="home.$member/$key" bs=1 seek=12345678 conv=notrunc 2>/dev/null
done
expect 1 get home.conf "$key"
says "its SHA-256 is not the key (verify = sha256); run heal --deep"
expect 1 get home.conf "$key" got
ok "no file, nothing beside it" [ -z "$(ls -d got* 2>/dev/null)" ]
expect 1 copy home.conf "file://$T/away"
ok "not copied" [ ! -e "away/$key" ]
cp long "home.one/$key"
"$MSTORE" heal home.conf --deep >out 2>err
expect 0 get home.conf "$key" got
same_file "put right" got long
finish
