#!/bin/bash
# demo/run.sh [URL] - builds mstore and shows its main job, step by step, each step checked.
# Without URL: on a folder of its own, removed afterwards; then one store out of four folders, and
# what it survives (demo/many.sh).  Installs what is missing first.
#   ./demo/run.sh
#   ./demo/run.sh 'file:///tmp/my-store?emulate.latency=20ms'
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/scripts/packages.sh"

case ${1:-} in
-h | --help)
    sed -n '2,7s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

need_packages $BUILD_PACKAGES

build=$top/build/demo
log=$build/build.log
mkdir -p "$build"
echo "Building (log: ${log#"$top"/}) ..."
if ! {
    cmake -S "$top" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DMSTORE_TESTS=OFF \
        -DMSTORE_BENCH=OFF && ninja -C "$build" mstore mstore-stats mstore-demo
} >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "DEMO FAILED: the build failed, see $log" >&2
    exit 1
fi

scratch=
cleanup() { [ -z "$scratch" ] || rm -rf "$scratch"; }
trap cleanup EXIT
if [ $# -gt 0 ]; then
    url=$1
else
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/mstore-demo.XXXXXX")
    url=file://$scratch/store
fi

status=0
"$build/demo/mstore-demo" "$url" || status=$?
if [ $status = 0 ] && [ -n "$scratch" ]; then
    "$top/demo/many.sh" "$build/tools/mstore/mstore" "$scratch/many" || status=$?
fi
if [ $status = 0 ]; then
    echo "DEMO OK"
else
    echo "DEMO FAILED (exit code $status)" >&2
fi
exit $status
