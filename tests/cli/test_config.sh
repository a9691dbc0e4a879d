#!/bin/bash
# The configuration file: names of stores, levels, where it is looked for.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
mkdir -p "$HOME/.config/mstore" other/mstore
cat >"$HOME/.config/mstore/config" <<END
# mine
[store nas]
url = file://$T/nas?sync=none
[namespace data]
levels = 2
END
unset MSTORE_CONFIG
expect 0 create nas
printf x | "$MSTORE" put nas data/0123abcd -
ok "levels from the file" test -f nas/data/01/23/0123abcd
printf x | "$MSTORE" put nas other/0123abcd -
ok "flat without levels" test -f nas/other/0123abcd
printf x | "$MSTORE" put nas data/abcd0000 --levels data=1 -
ok "--levels wins" test -f nas/data/ab/abcd0000
expect 0 ls "file://$T/nas" --levels data=1,2
same "URLs have the namespaces too" "$(tr '\n' ' ' <out)" "data/0123abcd data/abcd0000 other/0123abcd "
expect 0 rm "file://$T/nas" data/abcd0000 --levels data=1
expect 0 ls "file://$T/nas" data
same "levels for a URL" "$(cat out)" data/0123abcd

sed 's/nas/xdg/' "$HOME/.config/mstore/config" >other/mstore/config
export XDG_CONFIG_HOME=$T/other
expect 2 ls nas
says nas
expect 0 create xdg
export MSTORE_CONFIG=$HOME/.config/mstore/config
expect 0 ls nas
expect 2 ls xdg
expect 0 ls xdg --config "$T/other/mstore/config"
export MSTORE_CONFIG=$T/absent
expect 1 ls nas
says absent

# ---- a store of many members under a name
conf many '[namespace]' 'kind = mutable' 'redundancy = all'
export MSTORE_CONFIG=$T/names MSTORE_STATE_DIR=$T/state
printf '[store many]\nurl = %s/many.conf\njobs = 3\n[namespace]\nlevels = 2\n' "$T" >names
expect 0 plan many
expect 0 create many
printf x | "$MSTORE" put many 0123abcd -
expect 0 ls many.conf
same "put by its name" "$(cat out)" 0123abcd
expect 0 status many
expect 0 check many --json
json_ok
expect 0 heal many
expect 0 add many four "file://$T/many.four?sync=none"
ok "the file knows the new one" grep -q '^\[member four\]' many.conf
expect 2 ls many --levels 1
says "part of $T/many.conf"
expect 2 plan none
expect 0 destroy many --yes
printf '[store many]\nurl = many.conf\n' >names
expect 1 ls many
says "names:2: url = many.conf: write the file's whole path"
for key in 'quota = 1GB' 'permissions = "":lr' 'cache = memory:' 'levels = 2' 'names = bytes'; do
    printf '[store many]\nurl = %s/many.conf\n%s\n' "$T" "$key" >names
    expect 1 ls many
    says "leave all keys but url and jobs out"
done
finish
