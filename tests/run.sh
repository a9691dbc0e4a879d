#!/bin/bash
# tests/run.sh [--quick] [STAGE...] - installs what is missing, builds, and runs every test.
#
# Stages, in order (all by default; --quick: the first two):
#   static    formatting, shell scripts, room borders, manual pages
#   release   gcc, Release: all tests that need no server
#   network   the same build against real servers: ctest's label network
#   clang     clang, Release: builds without a warning, unit tests
#   asan      AddressSanitizer and UndefinedBehaviorSanitizer: the whole suite, with servers; from the
#             same run the line coverage of every room, at least 90 %
#   tsan      ThreadSanitizer: all that has threads, with servers
#   tidy      clang-tidy
#   fuzz      every fuzz target for a few seconds (FUZZ_SECONDS, default 8)
#
# Ends with the sum of all stages: "N passed, N failed, N skipped".  A skipped test fails the run
# unless tests/skips.txt names it.  Up to four tests of a stage that fail beside others run once more
# alone, and those that then pass are named before the sum; what a sanitizer finds fails at once.
# Logs: build/logs/.  The servers (tests/servers/) are started once and stopped at the end.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
. scripts/packages.sh

all_stages="static release network clang asan tsan tidy fuzz"
stages=
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        sed -n '2,20s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    --quick) stages="static release" ;;
    -*)
        echo "tests/run.sh: unknown option $1 (see --help)" >&2
        exit 2
        ;;
    *)
        case " $all_stages " in
        *" $1 "*) stages="$stages $1" ;;
        *)
            echo "tests/run.sh: unknown stage $1 (there are: $all_stages)" >&2
            exit 2
            ;;
        esac
        ;;
    esac
    shift
done
[ -n "$stages" ] || stages=$all_stages

need_packages $BUILD_PACKAGES $TEST_PACKAGES || exit 1

logs=$top/build/logs
mkdir -p "$logs"
: >"$logs/evidence.log"
jobs=$(nproc)
passed=0 failed=0 skipped=0
troubles=
unsteady=
ahead= # what is built beside the tests of the network

say() { printf '\n== %s\n' "$*"; }
pass() { passed=$((passed + 1)); }
fail() { # WHAT [LOG]
    failed=$((failed + 1))
    troubles="$troubles
  $1"
    echo "FAILED: $1"
    [ -z "${2:-}" ] || tail -n 40 "$2"
    [ -z "${2:-}" ] || { echo "-- $1"; tail -n 15 "$2"; } >>"$logs/evidence.log"
}
check() { # WHAT COMMAND... - one check that counts as one test
    local what=$1 log
    log=$logs/$(echo "$1" | tr -c 'a-z0-9\n' '-').log
    shift
    if "$@" >"$log" 2>&1; then
        pass
        echo "ok: $what"
    else
        fail "$what" "$log"
        return 1
    fi
}

# Real servers for the tests of the network, once for all stages; their settings are exported.
servers=
start_servers() {
    [ -z "$servers" ] || return 0
    servers=$(mktemp -d /tmp/mstore-servers-XXXXXX)
    trap '[ -z "$ahead" ] || kill -- "-$ahead"; tests/servers/all.sh down "$servers" >/dev/null 2>&1; rm -rf "$servers"' EXIT
    trap 'exit 130' INT TERM HUP
    if ! check "servers for the tests of the network" tests/servers/all.sh up "$servers"; then
        find "$servers" -path '*/log/*' -type f -exec tail -n 5 {} +
        return 0 # their tests are skipped, and that is a failure
    fi
    set -a
    # shellcheck source=/dev/null
    . "$servers/env"
    set +a
}

build() { # PRESET [ARGUMENT...] - configures and builds; one check
    local preset=$1
    shift
    finish_ahead
    check "build $preset" sh -c "cmake --preset $preset && cmake --build --preset $preset $*"
}

# The tests of the network wait more than they compute. What later stages build, and clang-tidy, is
# done beside them at the lowest priority; those stages then find it done.
start_ahead() {
    local stage later='' presets='' last=true
    for stage in $stages; do
        case $stage in
        network) later=yes ;;
        clang | asan | tsan | fuzz) [ -z "$later" ] || presets="$presets $stage" ;;
        tidy) [ -z "$later" ] || presets="$presets clang" ;;
        esac
    done
    [ -n "$presets" ] || return 0
    case " $stages " in *" tidy "*) last=tests/build/tidy.sh ;; esac
    # shellcheck disable=SC2016
    setsid nice -n 19 bash -c '
        for preset in $1; do
            targets=
            [ $preset != fuzz ] || targets="--target fuzz_targets"
            cmake --preset "$preset" && cmake --build --preset "$preset" $targets
        done
        "$2" build/clang' ahead "$presets" "$last" >"$logs/ahead.log" 2>&1 &
    ahead=$!
}
finish_ahead() {
    [ -z "$ahead" ] || wait "$ahead"
    ahead=
}

# ctest begins with what took longest the last time; here is what it knows of that at first.
guess_costs() { # PRESET
    local folder=build/$1/Testing/Temporary
    [ ! -e "$folder/CTestCostData.txt" ] || return 0
    mkdir -p "$folder"
    grep -v '^#' tests/longest.txt | awk '{ print $1, 1, 200 - NR } END { print "---" }' >"$folder/CTestCostData.txt"
}

# second_look PRESET LOG FAILED - whether all that failed there passes alone
second_look() {
    local again=${2%.log}-again.log names
    [ "$3" -le 4 ] || return 1
    ! grep -aqE '(ERROR|WARNING|SUMMARY): [A-Za-z]+Sanitizer|: runtime error: ' "$2" || return 1
    echo "failed, and runs once more alone:"
    tests/build/why.sh "$2"
    ctest --test-dir "build/$1" --rerun-failed --output-on-failure -j 1 >"$again" 2>&1
    names=$(sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) .* Passed .*/\1/p' "$again")
    [ "$(echo "$names" | grep -c .)" = "$3" ] || return 1
    # shellcheck disable=SC2086
    unsteady="$unsteady
  $1:$(printf ' %s' $names)"
}

# suite PRESET [CTEST-ARGUMENT...] - runs ctest there and adds up its figures
suite() {
    local preset=$1 log=$logs/ctest-$1${stage:+-$stage}.log line tests bad names
    shift
    guess_costs "$preset"
    ctest --test-dir "build/$preset" --output-on-failure -j "$jobs" "$@" >"$log" 2>&1 # the last -j counts
    line=$(grep -aE 'tests passed, [0-9]+ tests failed out of [0-9]+' "$log")
    if [ -z "$line" ]; then
        fail "$preset: ctest ran no test" "$log"
        return
    fi
    tests=$(echo "$line" | sed -E 's/.* out of ([0-9]+).*/\1/')
    bad=$(echo "$line" | sed -E 's/.*, ([0-9]+) tests failed.*/\1/')
    names=$(sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.+\**(Skipped|Not Run).*/\1/p' "$log")
    for name in $names; do
        tests=$((tests - 1))
        if grep -q "^$name:" tests/skips.txt; then
            skipped=$((skipped + 1))
            echo "skipped: $name ($(sed -n "s/^$name: *//p" tests/skips.txt | head -n 1))"
        else
            fail "$preset: $name was skipped, and tests/skips.txt does not name it"
        fi
    done
    if [ "$bad" != 0 ] && second_look "$preset" "$log" "$bad"; then
        bad=0
    elif [ "$bad" != 0 ]; then
        sed -n '/Start testing/,$p' "$log" | grep -avE '^ *Start |Passed +[0-9]' | tail -n 150
        { echo "== $preset${stage:+, stage $stage}"; tests/build/why.sh "$log"; } >>"$logs/evidence.log"
        troubles="$troubles
  $preset: $(sed -n '/The following tests FAILED/,$p' "$log" | grep -aE '^\s+[0-9]+ - ' | tr -s ' \n' ' ')"
    fi
    failed=$((failed + bad))
    passed=$((passed + tests - bad))
    grep -aE 'tests passed,|Total Test time' "$log"
}

sources() { git ls-files '*.c' '*.h' 2>/dev/null || find . -name build -prune -o -name '*.[ch]' -print; }
scripts() { git ls-files '*.sh' .ci/run 2>/dev/null || find . -name build -prune -o -name '*.sh' -print; }

slow='^(conformance_(swift|sftp2|served_.*|.*_h2|.*_ssh|.*_emulated)|network_.*)$' # minutes of waiting: once is enough
alone='^(cli|stats|fuzz|sim|test_sim|test_cli|test_fault_(alloc|full|power|rest|s3))|_memory$|_sim$|^test_mstore_(change|paxos)$' # nothing runs beside another there

stage_static() {
    check "formatting" sh -c "clang-format --dry-run --Werror $(sources | tr '\n' ' ')"
    # shellcheck disable=SC2046
    check "shell scripts" shellcheck -x -S warning $(scripts)
    check "room borders" tests/build/rooms.sh
    check "reasons of failures" tests/build/why.sh --try
    check "manual pages" sh -c 'for p in docs/man/*.1; do mandoc -T lint -W warning "$p" || exit 1; done'
}
stage_release() {
    build release && suite release -LE network
    check "install and use from outside" tests/build/install.sh build/release
    check "demo" tests/build/demo.sh build/release
    check "cost of the statistics" tests/build/stats_cost.sh build/release
    sed -n "/^a load/p" "$logs"/cost-of-the-statistics*.log
}
stage_network() {
    build release && start_servers && start_ahead && suite release -L network -j $((3 * jobs)) # they wait for servers
}
stage_clang() { build clang && suite clang -R '^test_'; }
stage_asan() {
    export ASAN_OPTIONS=detect_stack_use_after_return=0:allocator_may_return_null=1
    find build/asan -name '*.gcda' -delete 2>/dev/null
    build asan && start_servers && suite asan -E "$slow" -j $((jobs + 1)) # some wait for servers
    check "line coverage of every room above 90 %" tests/build/coverage.sh build/asan
    sed -n '/^room/,$p' "$logs"/line-coverage*.log
}
stage_tsan() {
    export TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1
    build tsan && start_servers && suite tsan -E "$slow|$alone" -j $((jobs + 1))
}
stage_tidy() {
    finish_ahead
    [ -f build/clang/compile_commands.json ] || cmake --preset clang >/dev/null
    check "clang-tidy" tests/build/tidy.sh build/clang
}
stage_fuzz() { build fuzz --target fuzz_targets && check "fuzz targets" tests/fuzz/run.sh "${FUZZ_SECONDS:-8}"; }

started=$SECONDS
for stage in $stages; do
    say "$stage"
    stage_started=$SECONDS
    stage_"$stage"
    echo "($stage took $((SECONDS - stage_started)) s)"
done

say "result"
echo "all stages took $((SECONDS - started)) s"
[ -z "$unsteady" ] || echo "What failed beside others and passed alone:$unsteady"
[ -z "$troubles" ] || echo "What failed:$troubles"
[ -z "$troubles" ] || head -n 140 "$logs/evidence.log"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
