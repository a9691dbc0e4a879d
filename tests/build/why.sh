#!/bin/bash
# why.sh LOG [LINES] - why tests failed, from what `ctest --output-on-failure` wrote: for each test that
# failed its name, what cmocka and the sanitizers found, and its last lines (all tests together at most
# about LINES, default 120). `why.sh --try` checks itself.
set -u

why() {
    awk -v most="${2:-120}" '
        function ends(  i, kept, first) {
            if (name == "") return
            if (tests++ < 12) {
                text[tests] = "-- " name "\n"
                kept = most / (failed < 12 ? failed : 12) - 2
                if (kept > 15) kept = 15
                if (kept < 4) kept = 4
                first = n > kept ? n - int(kept) + 1 : 1
                for (i = 1; i < first && found < 8; i++)
                    if (line[i] ~ /\[ +(FAILED|ERROR|LINE) +\]|: error: |WARNING: ThreadSanitizer|ERROR: [A-Z][A-Za-z]*Sanitizer|SUMMARY: |runtime error|FAILED|in vain/) {
                        text[tests] = text[tests] line[i] "\n"
                        found++
                    }
                for (i = first; i <= n; i++) text[tests] = text[tests] line[i] "\n"
                printf "%s", text[tests]
            }
            name = ""; n = 0; found = 0
        }
        NR == FNR {
            if (/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: .*\*\*\*/ && !/\*\*\*(Skipped|Not Run)/) failed++
            next
        }
        /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
            ends()
            if (/\*\*\*/ && !/\*\*\*(Skipped|Not Run)/) {
                match($0, /: [^ ]+/)
                name = substr($0, RSTART + 2, RLENGTH - 2)
                match($0, /\*\*\*.*/)
                name = name " (" substr($0, RSTART + 3) ")"
            }
            next
        }
        /^ +Start +[0-9]+: / || /^[0-9]+% tests passed/ { ends() }
        name != "" && /[^ \t]/ { line[++n] = substr($0, 1, 300) }
        END { ends() }' "$1" "$1"
}

try() {
    local log
    log=$(mktemp "${TMPDIR:-/tmp}/mstore-why.XXXXXX")
    # shellcheck disable=SC2064
    trap "rm -f '$log'" EXIT
    {
        echo '1/4 Test #1: test_good ......   Passed   0.10 sec'
        echo '      Start  3: cli_bad'
        echo '2/4 Test #2: test_unit ......***Failed    0.10 sec'
        echo '[  ERROR   ] --- 0x1 != 0x2'
        for n in $(seq 40); do echo "talk $n"; done
        echo '      Start  4: test_skip'
        echo '3/4 Test #3: cli_bad ........***Exception: SegFault  0.20 sec'
        echo 'bad.sh: the answer was 41'
        echo
        echo '4/4 Test #4: test_skip ......***Skipped   0.00 sec'
        echo 'no server'
        echo '50% tests passed, 2 tests failed out of 4'
        echo 'Label Time Summary:'
    } >"$log"
    diff - <(why "$log") <<'WANTED'
-- test_unit (Failed    0.10 sec)
[  ERROR   ] --- 0x1 != 0x2
talk 26
talk 27
talk 28
talk 29
talk 30
talk 31
talk 32
talk 33
talk 34
talk 35
talk 36
talk 37
talk 38
talk 39
talk 40
-- cli_bad (Exception: SegFault  0.20 sec)
bad.sh: the answer was 41
WANTED
}

case ${1:-} in
--try) try ;;
*) why "$@" ;;
esac
