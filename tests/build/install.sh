#!/bin/bash
# install.sh BUILD - installs BUILD into a folder, then builds and runs a program outside the tree
# against it: through the CMake package (shared and static) and through pkg-config.
set -eu
cd "$(dirname "$0")/../.."
build=$1
work=$(mktemp -d "${TMPDIR:-/tmp}/mstore-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/install.log"
for file in include/mstore/mstore.h bin/mstore bin/mstore-stats; do
    [ -e "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
libdir=$(dirname "$(find "$prefix" -name mstore.pc)")/..
[ -e "$libdir/libmstore.a" ] || { echo "no libmstore.a"; exit 1; }

# SONAME, and nothing but ms_ symbols to the outside
readelf -d "$libdir/libmstore.so" | grep -q 'SONAME.*libmstore\.so\.0' || { echo "wrong SONAME"; exit 1; }
foreign=$(nm -D --defined-only "$libdir/libmstore.so" | awk '{print $3}' | grep -v '^ms_' || true)
[ -z "$foreign" ] || { echo "symbols that do not start with ms_: $foreign"; exit 1; }

run_example() { # PROGRAM
    rm -rf "$work/store"
    LD_LIBRARY_PATH=$libdir "$1" "file://$work/store" >"$work/out"
    printf 'loaded: hello, store\nlisted: hello, 12 bytes\n' | diff - "$work/out"
}

cp -r demo/example "$work/example"
cmake -S "$work/example" -B "$work/example/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/example/build" >/dev/null
run_example "$work/example/build/example"
run_example "$work/example/build/example_static"
ldd "$work/example/build/example_static" | grep -q libmstore && { echo "static example needs the shared library"; exit 1; }

export PKG_CONFIG_PATH=$libdir/pkgconfig
# shellcheck disable=SC2046
cc "$work/example/example.c" $(pkg-config --cflags --libs mstore) -o "$work/by_pc"
run_example "$work/by_pc"
# shellcheck disable=SC2046
cc "$work/example/example.c" $(pkg-config --cflags mstore) \
    "$libdir/libmstore.a" $(pkg-config --libs $(pkg-config --print-requires-private mstore)) -pthread -lm -o "$work/by_pc_static"
run_example "$work/by_pc_static"
echo "installed, found by CMake and pkg-config, used shared and static"
