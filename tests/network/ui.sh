#!/usr/bin/env bash
# ui.sh - the dashboard of `mstore serve` in a headless Chromium (ui.py), before a store of three members,
# one of which is behind a server of its own that is killed. UI_SHOTS=FOLDER keeps screenshots.
set -u
command -v chromedriver >/dev/null && command -v chromium >/dev/null || exit 77
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/server/site.sh
. "$here/../server/site.sh"

mkfifo "$T/ask" "$T/answer"
python3 "$here/ui.py" "$main" "$T" <"$T/answer" >"$T/ask" &
browser=$!
pids="$pids $browser"
exec 8>"$T/answer" 9<"$T/ask"
# What the browser's test wants done outside: a line each way.
while read -r wish <&9; do
    case $wish in
    away)
        kill_third
        must "$MSTORE" put "$T/home.conf" data/written-meanwhile "$T/small"
        ;;
    back) back_third ;;
    wipe) find "$T/two" -type f -path '*/val/*' -delete ;;
    count) find "$T/two" -type f -path '*/val/*' | wc -l >&8 && continue ;;
    hidden) must "$MSTORE" get "$T/home.conf" data/hidden "$T/got" ;;
    *) echo "$wish" && continue ;;
    esac
    echo 'done' >&8
done
wait "$browser" || die "the browser's test failed"
echo "the dashboard as it should be ($SECONDS s)"
