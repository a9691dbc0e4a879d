#!/bin/bash
# demo.sh BUILD - the demo on a folder, through an emulated line, in memory; and where something is in the way.
set -eu
cd "$(dirname "$0")/../.."
demo=$1/demo/mstore-demo
work=$(mktemp -d "${TMPDIR:-/tmp}/mstore-demo-test.XXXXXX")
trap 'rm -rf "$work"' EXIT

for url in "file://$work/store" "file://$work/store?sync=none&emulate.latency=2ms" "memory:demo"; do
    "$demo" "$url" >"$work/out" || { cat "$work/out"; echo "failed on $url"; exit 1; }
    tail -n 1 "$work/out" | grep -q 'all as promised' || { cat "$work/out"; exit 1; }
    [ ! -e "$work/store" ] || { echo "$url was left behind"; exit 1; }
done

mkdir "$work/taken"
echo mine >"$work/taken/file"
! "$demo" "file://$work/taken" >"$work/out" || { echo "a folder that is not empty was taken"; exit 1; }
grep -q 'not empty' "$work/out" || { cat "$work/out"; exit 1; }
[ "$(cat "$work/taken/file")" = mine ] || { echo "the folder was touched"; exit 1; }
demo/many.sh "$1/tools/mstore/mstore" "$work/many" >"$work/out" || { cat "$work/out"; exit 1; }
grep -q 'ok: 40 values read back, byte for byte: healed again' "$work/out" || { cat "$work/out"; exit 1; }
[ "$(grep -c '40 whole, 0 degraded, 0 lost' "$work/out")" = 2 ] || { cat "$work/out"; exit 1; }
echo "the demo shows what it promises"
