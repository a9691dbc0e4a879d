#!/bin/bash
# The manual page, docs/cli.md and the completions say what --help says.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
page=$SOURCE/docs/man/mstore.1
for p in "$SOURCE"/docs/man/*.1; do
    ok "$p" mandoc -T lint -W warning "$p"
done
plain() { tr -s ' \n\t' ' ' | tr -d '`' | sed "s/'//g"; }
mandoc -T ascii -O width=200 "$page" | col -b | plain >page
"$MSTORE" --help | sed -n '/^Commands:/,/^$/p' | awk '/^  /{print $1}' >commands
while read -r command; do
    "$MSTORE" "$command" --help >help </dev/null
    usage=$(sed -n '1s/^usage: //p' help)
    ok "$usage" grep -qF -- "$(plain <<<"$usage" | sed 's/ $//')" page
    # every sentence of the help stands in the page
    sed -n '/^$/,/^Options/p' help | sed '/^Options/d' | plain | sed 's/\([a-z)]\)\. /\1.\n/g' |
        while read -r sentence; do
            grep -qF -- "${sentence% }" page || echo "$command: $sentence"
        done >missing
    same "sentences of $command" "$(cat missing)" ""
    sed -n 's/^ \{2,6\}\(-[a-z], \)\{0,1\}\(--[a-z-]*\).*/\2/p' help | sort -u >options
    for file in "$SOURCE/tools/completion/mstore" "$SOURCE/tools/completion/_mstore" "$page" "$SOURCE/docs/cli.md"; do
        ok "$command in $file" grep -q -- "\\b$command\\b" "$file"
        while read -r option; do
            sed 's/\\-/-/g; s/Fl -/--/g' "$file" | grep -q -e "$option\\b" || echo "$command $option"
        done <options >missing
        same "options in $file" "$(cat missing)" ""
    done
done <commands

# mstore-stats has the options its page says
page=$SOURCE/docs/man/mstore-stats.1
"${MSTORE_STATS:?}" --help | grep -oE -e '^ {2}--[a-z]+|, --version' | grep -oE -e '--[a-z]+' | sort -u >options
sed -n 's/^\.It Fl \\-\([a-z]*\).*/--\1/p' "$page" | sort -u >in-page
same "options of mstore-stats" "$(diff options in-page)" ""

# bash completion: commands, options, names of stores
printf '[store nas]\nurl = file:///x\n[store usb]\nurl = file:///y\n' >config
complete_words() { # WORD... - completes the last one
    bash --norc -c '
        . "$1"; shift
        COMP_WORDS=(mstore "$@"); COMP_CWORD=$#
        _mstore
        printf "%s\n" "${COMPREPLY[@]}"' bash "$SOURCE/tools/completion/mstore" "$@" | tr '\n' ' '
}
same "command" "$(complete_words put)" "put put-tree "
same "store" "$(complete_words ls '')" "nas usb file:/// "
same "store" "$(complete_words --json ls n)" "nas "
same "second store" "$(complete_words copy nas u)" "usb "
same "option" "$(complete_words ls nas --st)" "--stats --start-after "
same "value" "$(complete_words hash nas key --algorithm sha5)" "sha512 "
touch some-file
same "file" "$(complete_words put nas data/x some)" "some-file "
ok "zsh" zsh -n "$SOURCE/tools/completion/_mstore"
finish
