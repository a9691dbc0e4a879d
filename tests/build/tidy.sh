#!/bin/bash
# tidy.sh BUILD - clang-tidy over every source file of the rooms; what has not changed since it last
# passed (the file, any header, the configuration) is not looked at again.
#
# The analyser follows at most TIDY_NODES steps (default 15000) of each function with what it calls. Its own
# limit, 225000, costs six times as much; of nine past findings the small one misses four.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=$1
stamps=build/tidy
nodes=${TIDY_NODES:-15000}
mkdir -p "$stamps"

common=$({ echo "$nodes"; cat .clang-tidy cmake/MstoreFlags.cmake; git ls-files -z '*.h' | xargs -0 cat; } | sha256sum | cut -c1-16)
todo=()
for file in $(git ls-files 'base/*.c' 'backends/*.c' 'emulator/*.c' 'store/*.c' 'mstore/*.c' 'server/*.c' 'tools/*.c' 'demo/*.c'); do
    stamp=$stamps/$(echo "$common $file $(sha256sum <"$file")" | sha256sum | cut -c1-32)
    [ -e "$stamp" ] || todo+=("$file:$stamp")
done
echo "clang-tidy: ${#todo[@]} files to look at"
[ ${#todo[@]} -gt 0 ] || exit 0

one() {
    local file=${1%%:*} stamp=${1#*:}
    if clang-tidy --quiet -p "$2" --extra-arg=-Xclang --extra-arg=-analyzer-config \
        --extra-arg=-Xclang --extra-arg=max-nodes="$3" "$file" 2>/dev/null; then
        touch "$stamp"
    else
        echo "clang-tidy: $file"
        return 1
    fi
}
export -f one
printf '%s\n' "${todo[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one "$1" "$2" "$3"' _ {} "$build" "$nodes"
