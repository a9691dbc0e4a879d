#!/usr/bin/env bash
# add, drain, replace are killed, or interrupted with Ctrl-C, at every stage; the very same command
# again finishes the job: every key is where it belongs, and the owner's file is right.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms

{
    printf '[mstore]\nkey = %064d\n' 4711
    for member in one two three four; do
        printf '[member %s]\nurl = file://%s/%s?sync=none\n' $member "$T" $member
    done
    printf '%s\n' '[namespace]' 'kind = plain' 'redundancy = copies 2' \
        '[namespace data]' 'kind = immutable' 'redundancy = copies 2' 'verify = none' \
        '[namespace ec]' 'kind = immutable' 'redundancy = ec 2+1' 'verify = none' \
        '[namespace config]' 'kind = mutable' 'redundancy = copies 3'
} >home.conf
chmod 600 home.conf
expect 0 create home.conf
for i in 1 2 3 4 5 6 7 8; do
    for ns in data/0 ec/0 config/c p; do
        echo "value $ns$i" >value
        expect 0 put home.conf $ns$i value
    done
done
mkdir base
cp -a home.conf one two three four state base

afresh() { # all as it was before
    rm -rf one two three four new state home.conf
    cp -a base/. .
}
# ---- conditions
layout() { # COUNT EPOCH p|f - it is proposed, in force, on so many members
    echo "[ \$(ls $T/*/mstore-*/layout/*$2.$3 2>/dev/null | wc -l) -ge $1 ]"
}
there() { echo "ls $T/$1 >/dev/null 2>&1"; } # PATTERN
section="grep -q new $T/home.conf"
moved="[ -n \"\$(find $T/new $T/two/mstore-*/val -newer $T/home.conf -path '*/val/*' -type f)\" ]"

runs=0 broken=0
break_off() { # SIGNAL CONDITION ARGUMENT... - once the condition holds
    local signal=$1 condition=$2 ended
    shift 2
    ended=$(python3 "$SOURCE/tests/cli/interrupt.py" "$signal" "$condition" "$MSTORE" "$@" 2>err |
        tail -n 1)
    runs=$((runs + 1))
    case $ended in 0) ;; -9 | -2 | 130) broken=$((broken + 1)) ;; *) problem "$* ended with $ended" ;; esac
}
whole() { # WHAT SECTIONS - every key is where it belongs
    expect 0 scrub home.conf --deep
    expect 0 rebalance home.conf --json
    same "$1: what is left to be moved" "$(json 'd["keys_moved"], d["keys_wanting"]')" "(0, 0)"
    same "$1: proposed" "$("$MSTORE" status home.conf --json | grep -oE '"proposed": *[0-9]+' |
        grep -oE '[0-9]+$')" 0
    same "$1: sections" "$(grep -c '^\[member ' home.conf)" "$2"
    same "$1: beside the file" "$(find . -maxdepth 1 -name 'home.conf?*')" ""
}

# ---- a dead member is replaced
for stage in "$section" "$(there '*/mstore-*/block/*')" "$(layout 1 2 p)" "$(layout 1 2 f)" \
    "$(layout 4 2 f)" "$moved" "$(layout 1 3 p)" "$(layout 1 3 f)" "$(layout 4 3 f)"; do
    afresh
    rm -r two
    break_off KILL "$stage" replace home.conf two "file://$T/new?sync=none"
    expect 0 replace home.conf two "file://$T/new?sync=none"
    prints "member two-2 is in layout 3"
    prints "member two is gone"
    whole "dead, $stage" 5
done

# ---- one that lives, under a name of its own; with Ctrl-C
for stage in "$section" "$(layout 4 2 p)" "$(layout 4 3 p)"; do
    afresh
    break_off INT "$stage" replace home.conf two "file://$T/new?sync=none" --name disk
    expect 0 replace home.conf two "file://$T/new?sync=none" --name disk
    prints "member disk is in layout 3"
    prints "member two is gone"
    same "what is left of it" "$(find two -path '*/val/*' -type f)" ""
    whole "living, $stage" 5
done

# ---- nobody takes its place
for stage in "$(layout 1 2 p)" "$(layout 1 2 f)" "$(layout 3 3 f)"; do
    afresh
    rm -r two
    break_off KILL "$stage" drain home.conf two
    expect 0 drain home.conf two
    prints "member two is gone"
    whole "drained, $stage" 4
done

# ---- another one comes
for stage in "$section" "$(layout 1 2 p)" "$(layout 1 2 f)"; do
    afresh
    : >home.conf.mstore.tmp # of one who was killed while it wrote the file
    break_off KILL "$stage" add home.conf new "file://$T/new?sync=none" --weight 2
    expect 0 add home.conf new "file://$T/new?sync=none" --weight 2
    prints "member new is in layout 2"
    expect 0 rebalance home.conf
    whole "added, $stage" 5
done
ok "it was broken off: $broken of $runs" test $((4 * broken)) -ge $((3 * runs))

# ---- the same twice at once
afresh
rm -r two
"$MSTORE" replace home.conf two "file://$T/new?sync=none" >other.out 2>other.err &
expect 0 replace home.conf two "file://$T/new?sync=none"
ok "the other one" wait $!
prints "member two is gone"
ok "likewise" grep -q "member two is gone" other.out
whole "twice at once" 5

# ---- two others at once: each has its section
afresh
"$MSTORE" add home.conf red "file://$T/red?sync=none" >other.out 2>other.err &
expect 0 add home.conf new "file://$T/new?sync=none"
ok "the other one" wait $!
expect 0 rebalance home.conf
whole "two members" 6
rm -r red

# ---- who is gone is not replaced by yet another one
afresh
expect 0 drain home.conf two
cp home.conf before.conf
expect 1 replace home.conf two "file://$T/new?sync=none"
says "member two is gone already: run mstore add for a further one, or replace one of those that are there"
one_line
same_file "the file" before.conf home.conf
mv three three.off # the last look at all keys needs everybody
expect 7 drain home.conf two
prints "member two is gone"
says "member two is gone, but not every key is where it belongs yet: run this again"
mv three.off three
expect 0 drain home.conf two

# ---- keys that an interrupted run went past without success are not forgotten by the next
conf past '[namespace early]' 'kind = immutable' 'redundancy = copies 2' 'verify = none' \
    '[namespace late]' 'kind = immutable' 'redundancy = copies 2' 'verify = none'
rm -r state # the stores have one key
expect 0 create past.conf
noise 40000 1 >large
echo small >small
for i in 1 2 3 4 5 6; do
    expect 0 put past.conf early/a$i small
    expect 0 put past.conf late/a$i large
done
early=$(echo past.three/mstore-*/val)/n.early!
mv "$early" kept
: >"$early" # nothing of these can be put there
break_off INT "grep -q early/ $T/err && sleep 0.5" drain past.conf one --bandwidth 100kbit
same "a cursor" "$(find state -name '*.rebalance' | wc -l)" 1
rm "$early"
mv kept "$early"
expect 0 drain past.conf one
prints "member one is gone"
mv past.one past.one.off
expect 0 scrub past.conf --deep
finish
