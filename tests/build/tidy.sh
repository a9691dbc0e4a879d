#!/bin/bash
# tidy.sh BUILD - clang-tidy over every source file of the rooms; what has not changed since it last
# passed (the file, any header, the configuration) is not looked at again.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
stamps=build/tidy
mkdir -p "$stamps"

common=$({ cat .clang-tidy cmake/MstoreFlags.cmake; git ls-files -z '*.h' | xargs -0 cat; } | sha256sum | cut -c1-16)
todo=()
for file in $(git ls-files 'base/*.c' 'backends/*.c' 'emulator/*.c' 'store/*.c' 'mstore/*.c' 'server/*.c' 'tools/*.c' 'demo/*.c'); do
    stamp=$stamps/$(echo "$common $file $(sha256sum <"$file")" | sha256sum | cut -c1-32)
    [ -e "$stamp" ] || todo+=("$file:$stamp")
done
echo "clang-tidy: ${#todo[@]} files to look at"
[ ${#todo[@]} -gt 0 ] || exit 0

one() {
    local file=${1%%:*} stamp=${1#*:}
    if clang-tidy --quiet -p "$2" "$file" 2>/dev/null; then
        touch "$stamp"
    else
        echo "clang-tidy: $file"
        return 1
    fi
}
export -f one
printf '%s\n' "${todo[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one "$1" "$2"' _ {} "$build"
