#!/bin/bash
# Which room includes which: a room may include headers of rooms above it in this list (and its own),
# never below; docs/architecture.md has the list.  Also: pthread calls only in base/, the system clock
# only in base/, and public headers include public headers alone.
set -u
cd "$(dirname "$0")/../.." || exit 1

rank() {
    case $1 in
    include | mstore-public) echo 0 ;;
    base) echo 1 ;;
    backends) echo 2 ;;
    emulator) echo 3 ;;
    store) echo 4 ;;
    mstore) echo 5 ;;
    server) echo 6 ;;
    tools) echo 7 ;;
    demo) echo 8 ;;
    *) echo "" ;;
    esac
}

bad=0
complain() {
    echo "$*"
    bad=1
}

# The last rooms are people's ways in and do not know each other.
is_way_in() { [ "$1" = tools ] || [ "$1" = demo ]; }

count=0
while IFS=: read -r file line text; do
    room=${file%%/*}
    path=$(echo "$text" | sed -E 's/.*#[[:space:]]*include[[:space:]]*[<"]([^>"]+)[>"].*/\1/')
    quoted=$(echo "$text" | grep -c '"')
    count=$((count + 1))
    case $path in
    mstore/*.h)
        [ "$quoted" = 1 ] || continue # public headers: everybody may
        target=mstore
        ;;
    */*) target=${path%%/*} ;;
    *)
        [ "$quoted" = 0 ] || complain "$file:$line: \"$path\" is not written from the top folder"
        continue
        ;;
    esac
    [ "$quoted" = 1 ] || continue
    mine=$(rank "$room") theirs=$(rank "$target")
    [ -n "$theirs" ] || { complain "$file:$line: \"$path\": there is no room $target"; continue; }
    [ "$theirs" -le "$mine" ] || complain "$file:$line: $room includes $path, which is below it"
    if [ "$target" = server ] && [ "$room" != server ] && [ "$path" != server/serve.h ]; then
        complain "$file:$line: $room includes $path: of the server only server/serve.h is for others"
    fi
    if [ "$target" != "$room" ] && is_way_in "$target"; then
        complain "$file:$line: $room includes $path of $target"
    fi
    [ "$room" != demo ] || [ "$target" = demo ] || complain "$file:$line: the demo uses the public headers alone"
done < <(grep -rnE '^[[:space:]]*#[[:space:]]*include' include base backends emulator store mstore server \
    tools demo --include='*.c' --include='*.h' 2>/dev/null)

[ "$count" -gt 50 ] || complain "only $count includes seen: is this the right folder?"

if grep -rnE '\bpthread_[a-z_]+ *\(' backends emulator store mstore server tools demo --include='*.[ch]' 2>/dev/null |
    grep -vE 'backends/(sftp|s3|rest)/'; then
    complain "pthread calls belong to base/"
fi
if grep -rnE '\b(clock_gettime|gettimeofday|nanosleep|usleep|sleep|time) *\(' backends emulator store mstore server \
    --include='*.[ch]' 2>/dev/null | grep -vE '^[^:]+:[0-9]+: *(/?\*|//)|ms_sleep'; then
    complain "time is handed in: use the clock of the handle"
fi
if grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' include; then
    complain "public headers include <...> alone"
fi

# Each public header compiles alone, in C and in C++ when there is a C++ compiler.
for header in include/mstore/*.h; do
    ${CC:-gcc} -std=c17 -pedantic -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c "$header" ||
        complain "$header does not compile alone"
    if command -v g++ >/dev/null; then
        g++ -Wall -Wextra -Werror -Iinclude -fsyntax-only -x c++ "$header" ||
            complain "$header does not compile alone as C++"
    fi
done

[ $bad = 0 ] && echo "rooms: $count includes in order"
exit $bad
