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
finish
