#!/usr/bin/env bash
# Members that have missed something are believed again although there are keys in disorder of which
# they missed nothing: values that are lost. And they are not as long as what one missed could not be
# made up for.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=300ms

conf home '[namespace]' 'kind = plain' 'redundancy = all' \
    '[namespace sums]' 'kind = plain' 'verify = sha256' 'redundancy = all' 'levels = 0' \
    '[namespace data]' 'kind = immutable' 'verify = none' 'redundancy = copies 3' 'levels = 0'
expect 0 create home.conf
sum=$(printf 'right' | sha256sum | cut -c1-64)
for key in a b c data/a data/lost; do echo "$key" | "$MSTORE" put home.conf "$key" -; done

away() { mv "home.$1" off; }
back() {
    mv off "home.$1"
    rm -rf state # its breaker
}
heal() { "$MSTORE" heal home.conf >out 2>err; } # what it cannot put right it tells
ripen() { find home.* -path '*/away/*' -exec touch -d '20 minutes ago' {} +; }
marked() { "$MSTORE" status home.conf --json >out && json '[m["marked"] for m in d["members"]]'; }

# ---- disorder: a value that is lost; and two and three miss deletions
for member in one two three; do # cut below what a frame has
    find home.$member/mstore-* -path '*/val/*lost*' -type f -exec truncate -s 20 {} +
done
away two
expect 0 rm home.conf a
back two
away three
expect 0 rm home.conf b
back three
same "both marked" "$(marked)" "[False, True, True]"
expect 5 ls home.conf
heal
says "data/lost: 0 good of the 1"
ripen
heal
same "all are believed" "$(marked)" "[False, False, False]"
expect 0 ls home.conf
expect 3 get home.conf a
expect 3 get home.conf b

# ---- what two missed cannot be made up for yet: a copy that may be of a store under way
away two
expect 0 rm home.conf data/a
back two
heal
ripen
heal
same "two is not believed" "$(marked)" "[False, True, False]"
expect 3 get home.conf data/a
find home.two -type f -path '*/val/*' -exec touch -d '30 minutes ago' {} +
heal
same "it is" "$(marked)" "[False, False, False]"
expect 3 get home.conf data/a

# ---- of a key that two missed nobody has the right value
away two
printf right >value
expect 0 put home.conf "sums/$sum" value
for member in one three; do printf %s "wrong $member" >"home.$member/sums/$sum"; done
back two
heal
ripen
heal
same "not believed" "$(marked)" "[False, True, False]"
expect 0 put home.conf "sums/$sum" value
heal
same "believed" "$(marked)" "[False, False, False]"
for member in one two three; do same "$member" "$(cat "home.$member/sums/$sum")" right; done
finish
