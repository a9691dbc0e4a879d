# shellcheck shell=bash
# What the tests of the command line share; sourced first. Each test has a folder $T of its own.
#
#   expect STATUS ARGUMENT...   runs mstore; its output is then in $T/out and $T/err
#   says TEXT, prints TEXT      the last standard error, the last output holds TEXT
#   same WHAT A B               two strings are equal
#   finish                      ends the test
set -u
: "${MSTORE:?is the path of the program}" "${SOURCE:?is the path of the project}"
T=$(mktemp -d "${TMPDIR:-/tmp}/mstore-cli.XXXXXX")
trap 'chmod -R u+rwX "$T" 2>/dev/null; rm -rf "$T"' EXIT
cd "$T" || exit 1
mkdir "$T/stats" "$T/home"
: >"$T/config"
export MSTORE_CONFIG=$T/config MSTORE_STATS_DIR=$T/stats HOME=$T/home LC_ALL=C
unset MSTORE_LATENCY MSTORE_BANDWIDTH XDG_CONFIG_HOME
checks=0 failures=0 url=

problem() {
    failures=$((failures + 1))
    echo "FAILED at line ${BASH_LINENO[1]}: $*"
    echo "  output: $(head -c 600 "$T/out" 2>/dev/null | tr '\0' '?')"
    echo "  errors: $(head -c 3000 "$T/err" 2>/dev/null)"
}
expect() { # STATUS ARGUMENT... - standard input is passed on
    local wanted=$1 status
    shift
    checks=$((checks + 1))
    "$MSTORE" "$@" >"$T/out" 2>"$T/err"
    status=$?
    [ "$status" = "$wanted" ] || problem "mstore $* ended with $status, not $wanted"
    if grep -q -E 'Sanitizer|runtime error' "$T/err"; then problem "a sanitizer speaks"; fi
}
says() {
    checks=$((checks + 1))
    grep -q -F -e "$1" "$T/err" || problem "standard error lacks \"$1\""
}
prints() {
    checks=$((checks + 1))
    grep -q -F -e "$1" "$T/out" || problem "the output lacks \"$1\""
}
silent() { # the last run said nothing on standard error
    checks=$((checks + 1))
    [ ! -s "$T/err" ] || problem "standard error is not empty"
}
one_line() { # the last run said exactly one line, in the form of an error
    checks=$((checks + 1))
    sed -i '/^profiling:/d' "$T/err" # a coverage build under another user cannot write its counters
    { [ "$(wc -l <"$T/err")" = 1 ] && grep -q '^mstore: ' "$T/err"; } ||
        problem "not one line of error"
}
same() {
    checks=$((checks + 1))
    [ "$2" = "$3" ] || problem "$1: \"$2\" is not \"$3\""
}
same_file() { # WHAT A B
    checks=$((checks + 1))
    cmp -s "$2" "$3" || problem "$1: $2 and $3 differ"
}
ok() { # WHAT COMMAND...
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || problem "$what"
}
json_ok() { # the last output is JSON; json_ok --json-lines: each line is
    checks=$((checks + 1))
    python3 -m json.tool "$@" "$T/out" >/dev/null 2>&1 || problem "the output is not JSON"
}
json() { # EXPRESSION over d - prints its value
    python3 -c 'import json,sys; d = json.load(open(sys.argv[1])); print(eval("(" + sys.argv[2] + ")"))' \
        "$T/out" "$1"
}
# For values larger than memory: $bytes of them; a command with a look at its memory.
stream() { # bytes that are not alike, quickly: a counter under a cipher
    head -c "${bytes:?}" /dev/zero | openssl enc -aes-128-ctr -K 00 -iv 00 2>/dev/null
}
peak() { # COMMAND... - its largest memory is then in `peak`, KiB
    python3 "$SOURCE/tests/cli/peak.py" peak "$MSTORE" "$@" 2>err
}
small() { # WHAT KIB - the last command had no more memory
    local kib
    kib=$(cat peak)
    ok "$1: memory was measured" test "$kib" -gt 1000
    ok "$1: $kib KiB" test "$kib" -lt "$2"
}
fresh() { # NAME - makes an empty store; its URL (without syncs, for speed) is then in $url
    url="file://$T/$1?sync=none"
    "$MSTORE" create "$url" || problem "cannot create $url"
}
put() { # KEY TEXT - into $url
    printf %s "$2" | "$MSTORE" put "$url" "$1" - || problem "cannot put $1"
}
noise() { # BYTES SEED - bytes that are not alike
    python3 -c 'import random, sys
sys.stdout.buffer.write(random.Random(int(sys.argv[2])).randbytes(int(sys.argv[1])))' "$1" "$2"
}
as_user() { # COMMAND... - without root's rights
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}
finish() {
    echo "$checks checks, $failures failures"
    [ "$failures" = 0 ] && [ "$checks" -gt 0 ]
    exit
}
conf() { # NAME POLICY-LINES... - NAME.conf: a store of three members in folders of their own, NAME.one …
    local name=$1 member
    shift
    {
        printf '[mstore]\nkey = %064d\n' 4711
        for member in one two three; do
            printf '[member %s]\nurl = file://%s/%s.%s?sync=none\n' $member "$T" "$name" $member
        done
        printf '%s\n' "$@"
    } >"$name.conf"
    chmod 600 "$name.conf"
}
put_values() { # FILE.conf - four items in each of data, config and the root
    local ns i
    for i in 1 2 3 4; do
        for ns in data/0 config/c p; do
            echo "value $ns$i" >value
            expect 0 put "$1" $ns$i value
        done
    done
}
values() { # FILE.conf - what put_values has stored is there
    local ns i
    for i in 1 2 3 4; do
        for ns in data/0 config/c p; do
            expect 0 get "$1" $ns$i
            same "$1 $ns$i" "$(cat out)" "value $ns$i"
        done
    done
}
