#!/bin/bash
# bench and stats.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
fresh store
put data/a "hello"

expect 0 bench "$url" --count 20 --size 1k --jobs 2
for what in store load list delete "store, one batch"; do
    ok "$what" grep -qE "^$what  +[0-9]+ " out
done
same "cleaned up" "$("$MSTORE" ls "$url" --all)" data/a
expect 0 bench "$url" --count 20 --namespace scratch --json --levels scratch=1
json_ok
same "rows" "$(json '[(r["what"], r["items"]) for r in d["rows"]] == [(w, 20) for w in
    ["store", "store, one batch", "load", "list", "delete"]]')" True
same "quantiles are in order" "$(json 'all(r["p50_ns"] <= r["p90_ns"] <= r["p99_ns"] <= r["max_ns"]
    for r in d["rows"])')" True
same "cleaned up" "$("$MSTORE" ls "$url" --all)" data/a
expect 5 bench "$url&emulate.fail=load:5" --count 20 --jobs 1
one_line
same "cleaned up after a failure" "$("$MSTORE" ls "$url" --all)" data/a

# what a killed writer left
mkdir -p store/data
printf half >store/data/tmp01234567.tmp
expect 0 sweep "$url"
same "a young one" "$(cat out)" "0 removed"
touch -d '3 hours ago' store/data/tmp01234567.tmp
expect 0 sweep "$url" --older 4h --json
same "not that old" "$(json 'd["removed"]')" 0
expect 0 sweep "$url" --older 2h --json
same "an old one" "$(json 'd["removed"]')" 1
ok "it is gone" test ! -e store/data/tmp01234567.tmp
same "nothing else is" "$("$MSTORE" ls "$url" --all)" data/a

# statistics of a process that ended, and of one that runs
expect 0 get "$url" data/a --stats saved
expect 0 stats saved
prints "load"
expect 0 stats saved --json
json_ok --json-lines
same "one load" "$(json '[e["verbs"]["load"]["calls"] for e in d["entities"]
    if e["kind"] == "backend" and "load" in e["verbs"]]')" "[1]"
expect 0 stats
says "no running program"
mkfifo hold
"$MSTORE" put "$url" data/slow - <hold &
pid=$!
exec 3>hold
printf x >&3
until [ -s "stats/$pid.stats" ]; do read -r -t 0.05 <> <(:) || true; done
expect 0 stats
prints "process $pid"
expect 0 stats "$pid"
prints "process $pid"
expect 0 stats "$url" --json
json_ok --json-lines
same "by store" "$(json 'd["pid"]')" "$pid"
expect 0 stats "file://$T/elsewhere"
says "no running program"
exec 3>&-
wait "$pid"
same "it ended well" "$?" 0
expect 3 stats 999999999
one_line
echo nonsense >nonsense
expect 1 stats nonsense
expect 2 stats nonesuch
finish
