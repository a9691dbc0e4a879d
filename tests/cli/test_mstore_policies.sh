#!/usr/bin/env bash
# A file whose policies were edited after create: each command says what the store has, and keeps to it.
. "${SOURCE:?}/tests/cli/lib.sh"
export MSTORE_STATE_DIR=$T/state MSTORE_LEASE=200ms
conf home '[namespace]' 'kind = immutable' 'redundancy = none' 'levels = 0'
expect 0 create home.conf
echo hi >value
expect 0 put home.conf k1 value
silent
sed -i 's/= none/= all/' home.conf
expect 0 put home.conf k2 value
says "[namespace] has redundancy = none in the store and redundancy = all in this file: the store's holds"
same "copies" "$(find home.* -type f -path '*k2*' | wc -l)" 1
expect 0 get home.conf k2
says "home.conf: [namespace] has redundancy = none in the store"
sed -i 's/= all/= none/' home.conf
printf '[namespace new]\nkind = immutable\nredundancy = ec 2+1\n' >>home.conf
expect 0 put home.conf new/k3 value
says "the store has no [namespace new]: such keys are kept as [namespace] says in the store (kind = immutable, redundancy = none)"
sed -i '/^\[namespace/,$d' home.conf # a file may say nothing
expect 0 get home.conf new/k3
silent

finish
