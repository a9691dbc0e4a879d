#!/bin/bash
# demo/many.sh MSTORE FOLDER - one store out of four folders: pull the plug on one, let another rot, plug in again,
# heal; with a picture of where the pieces of each value are. Each step is checked. Told with the commands a
# user would type; run.sh calls it.
set -eu
mstore=$(readlink -f "$1")
mkdir -p "$2"
work=$(cd "$2" && pwd)
cd "$work"
export MSTORE_STATE_DIR=$work/state
members="disk nas bucket friend"
shown=8
step_number=0

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then
    bold=$'\033[1m' green=$'\033[32m' yellow=$'\033[33m' red=$'\033[31m' plain=$'\033[0m'
else
    bold='' green='' yellow='' red='' plain=''
fi

step() { printf '\n%s%s. %s%s\n' "$bold" "$((step_number += 1))" "$1" "$plain"; }
tell() { printf '   %s\n' "$*"; }
ok() { printf '   ok: %s\n' "$*"; }
fail() {
    printf '   NOT SO: %s\n' "$*"
    exit 1
}
run() { # COMMAND... - shown as typed, then done
    printf '   $ mstore %s\n' "$*"
    "$mstore" "$@" >"$work/out" 2>&1 || {
        sed 's/^/     /' "$work/out"
        fail "that was expected to work"
    }
}

# Which pieces (0, 1: data; 2: parity) of which key each folder holds, as its own files say.
pieces() {
    local member
    for member in $members; do
        [ -d "$member" ] || continue
        find "$member" -type f -path '*/val/*' -printf '%f\n' |
            sed -nE "s/^k\\.([0-9a-f]{64})!.*\\.([0-9a-f]{4})([0-9a-f]{2})\$/\\1 $member \\3/p"
    done
}
picture() {
    pieces >"$work/pieces"
    printf '\n   %-14s' ''
    # shellcheck disable=SC2086
    printf '%-8s' $members
    printf '\n'
    awk -v members="$members" -v shown="$shown" -v green="$green" -v yellow="$yellow" -v red="$red" -v plain="$plain" '
        NR == FNR { keys[++n] = $1; next }
        {
            at[$1, $2] = at[$1, $2] ($3 == "02" ? "P" : $3 + 0)
            if (!(($1, $3) in seen)) have[$1]++
            seen[$1, $3] = 1
        }
        END {
            count = split(members, m, " ")
            for (i = 1; i <= n; i++) {
                k = keys[i]
                if (have[k] >= 3) whole++
                else if (have[k] == 2) degraded++
                else lost++
                if (i > shown) continue
                printf("   %.8s…     ", k)
                for (j = 1; j <= count; j++) {
                    text = at[k, m[j]]
                    colour = have[k] >= 3 ? green : yellow
                    if (text == "") { text = "."; colour = plain }
                    printf("%s%-8s%s", colour, text, plain)
                }
                printf("\n")
            }
            if (n > shown) printf("   … and %d more\n", n - shown)
            printf("\n   %d whole, %s%d degraded%s, %s%d lost%s\n", whole,
                degraded ? yellow : "", degraded, plain, lost ? red : "", lost, plain)
        }' "$work/keys" "$work/pieces"
}
# Every value back, byte for byte.
compare() {
    local key count=0
    rm -rf "$work/back"
    mkdir "$work/back"
    while read -r key; do
        "$mstore" get home.conf "data/$key" "$work/back/$key" 2>"$work/out" || {
            sed 's/^/     /' "$work/out"
            fail "data/$key could not be read"
        }
        cmp -s "$work/back/$key" "$work/files/$key" || fail "data/$key has other bytes"
        count=$((count + 1))
    done <"$work/keys"
    ok "$count values read back, byte for byte: $1"
}
# Puts COUNT files of a few KiB, each under the SHA-256 of its content.
keep() {
    local i key
    mkdir -p files
    for ((i = 0; i < $1; i++)); do
        head -c $((1000 + RANDOM)) /dev/urandom >new
        key=$(sha256sum <new | cut -c1-64)
        mv new "files/$key"
        "$mstore" put home.conf "data/$key" "files/$key" >"$work/out" 2>&1 || {
            cat "$work/out"
            fail "put of data/$key"
        }
        echo "$key" >>keys
    done
}

step "One store out of four storages: any two pieces of three make a value"
{
    printf '[mstore]\nkey = %s\n' "$(head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n')"
    for member in $members; do printf '[member %s]\nurl = file://%s/%s?sync=none\n' "$member" "$work" "$member"; done
    printf '[namespace data]\nkind = immutable\nverify = sha256\nredundancy = ec 2+1\nlevels = 0\n'
} >home.conf
chmod 600 home.conf
sed -n '3,$s/^/     /p' home.conf
run create home.conf
keep 30
ok "$(wc -l <keys) values put; where the pieces are (0 1 data, P parity):"
picture

step "Pull the plug on the disk, and go on"
mv disk unplugged
keep 10
ok "10 more values put while it was away"
compare "one storage of four is away"
picture

step "Let another one rot: flip bits in every tenth file of the NAS"
find nas -type f -path '*/val/*' | sort | awk 'NR % 10 == 1' >rotten
while read -r file; do
    printf '\377' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc status=none
done <rotten
ok "$(wc -l <rotten) files damaged"

step "Plug the disk in again and heal"
mv unplugged disk
run heal home.conf --deep
sed 's/^/     /' out
picture
run scrub home.conf --deep
sed 's/^/     /' out
compare "healed"

step "Wipe the friend's storage altogether, then heal"
find friend -type f -path '*/val/*' -delete
picture
run heal home.conf
picture
compare "healed again"
printf '\nNothing was lost, as promised.\n'
