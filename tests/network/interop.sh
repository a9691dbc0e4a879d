#!/bin/bash
# Keys written by sftp, rclone and s3cmd are read by mstore, and the other way round; what one side
# deletes or renames is gone or renamed for the other.  interop.sh sftp|sftp2|s3|swift
case ${1:-} in
sftp) variable=MS_TEST_SFTP_URL ;;
sftp2) variable=MS_TEST_SFTP2_URL ;;
s3) variable=MS_TEST_S3_URL ;;
swift) variable=MS_TEST_SWIFT_URL ;;
*)
    echo "usage: interop.sh sftp|sftp2|s3|swift" >&2
    exit 2
    ;;
esac
if [ -z "${!variable:-}" ]; then
    echo "$variable is not set: no server to talk to" >&2
    exit 77
fi
side=$1
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?is the path of the project}/tests/cli/lib.sh"
unset AWS_CA_BUNDLE # rclone takes it for its only authorities, also where it is not asked to

here=interop-$$
# keys are plain ASCII without blanks
names=("plain" "a+b%41=c,d" "it's~(1)" "empty" "large")
mkdir "$T/made"
printf 'twelve bytes' >"$T/made/plain"
printf 'a b' >"$T/made/a+b%41=c,d"
printf 'marks' >"$T/made/it's~(1)"
: >"$T/made/empty"
noise 9000003 7 >"$T/made/large"

# Another program, each with: NAME_put FILE KEY, NAME_get KEY FILE, NAME_has KEY; KEY below $here.
sftp_batch() { printf '%s\n' "$@" | sftp -q -F "$MS_TEST_SFTP_CONFIG" -b - test >/dev/null 2>"$T/sftp.err"; }
sftp_put() { sftp_batch "put \"$1\" \"$MS_TEST_SFTP_ROOT/$here/$2\""; }
sftp_get() { sftp_batch "get \"$MS_TEST_SFTP_ROOT/$here/$1\" \"$2\""; }
sftp_has() { sftp_batch "ls \"$MS_TEST_SFTP_ROOT/$here/$1\""; }

sftp2_batch() {
    local folder=${MS_TEST_SFTP2_ROOT%/data}
    printf '%s\n' "$@" | sftp -q -F none -P "$MS_TEST_SFTP2_PORT" -i "$folder/user_key" -o BatchMode=yes \
        -o "UserKnownHostsFile=$folder/known_hosts" -b - test@127.0.0.1 >/dev/null 2>"$T/sftp.err"
}
sftp2_put() { sftp2_batch "put \"$1\" \"/$here/$2\""; }
sftp2_get() { sftp2_batch "get \"/$here/$1\" \"$2\""; }
sftp2_has() { sftp2_batch "ls \"/$here/$1\""; }

rclone_at() { rclone --config "$remote_config" --retries 1 --low-level-retries 2 "$@" 2>"$T/rclone.err"; }
rclone_put() { rclone_at copyto "$1" "$remote/$2"; }
rclone_get() { rclone_at copyto "$remote/$1" "$2" && [ -e "$2" ]; }
rclone_has() { [ -n "$(rclone_at lsf "$remote/$1")" ]; }

s3cmd_at() { s3cmd -q -c "$s3cmd_config" "$@" 2>"$T/s3cmd.err"; }
s3cmd_put() { s3cmd_at put "$1" "s3://$bucket/$here/$2"; }
s3cmd_get() { s3cmd_at get --force "s3://$bucket/$here/$1" "$2"; }
s3cmd_has() { s3cmd_at info "s3://$bucket/$here/$1" >/dev/null; }

lacks() { ! "$1_has" "$2"; } # PROGRAM KEY

# exchange PROGRAM - with the store at $url, which is there and empty
exchange() {
    local program=$1 name before=$failures
    # theirs is read
    for name in "${names[@]}"; do
        ok "$program puts $name" "${program}_put" "$T/made/$name" "data/theirs-$name"
        expect 0 get "$url" "data/theirs-$name" "$T/got"
        same_file "$program: its $name" "$T/made/$name" "$T/got"
        rm -f "$T/got"
    done
    expect 0 get --offset 8000000 --size 100 "$url" "data/theirs-large" "$T/got"
    same_file "$program: a part of its large" <(tail -c +8000001 "$T/made/large" | head -c 100) "$T/got"
    # ours is read
    for name in "${names[@]}"; do
        expect 0 put "$url" "data/ours-$name" "$T/made/$name"
        rm -f "$T/got"
        ok "$program gets $name" "${program}_get" "data/ours-$name" "$T/got"
        same_file "$program: our $name" "$T/made/$name" "$T/got"
    done
    expect 0 ls "$url" data
    for name in "${names[@]}"; do
        prints "theirs-$name"
        prints "ours-$name"
    done
    # a change by the one is seen by the other
    ok "$program replaces" "${program}_put" "$T/made/large" "data/ours-plain"
    rm -f "$T/got"
    expect 0 get "$url" "data/ours-plain" "$T/got"
    same_file "$program: replaced by it" "$T/made/large" "$T/got"
    expect 0 mv "$url" "data/ours-plain" "data/moved"
    ok "$program: the moved one is there" "${program}_has" data/moved
    ok "$program: the old name is gone" lacks "$program" data/ours-plain
    for name in "${names[@]}"; do expect 0 rm "$url" "data/theirs-$name"; done
    for name in "${names[@]}"; do
        ok "$program: $name is gone" lacks "$program" "data/theirs-$name"
    done
    expect 0 destroy --yes "$url"
    [ "$failures" = "$before" ] || cat "$T"/*.err >&2
}

# begin URL - a fresh store below this server URL
begin() {
    local options=
    case $1 in *\?*) options="?${1#*\?}" ;; esac
    url=${1%%\?*}
    url=${url%/}/$here$options
    expect 0 create "$url"
    printf x >"$T/x"
    expect 0 put "$url" data/first "$T/x" # makes the folder
}

s3_side() { # PREFIX of the variables; the login comes from the environment, not in the URL
    local access=$1_ACCESS secret=$1_SECRET config=$1_RCLONE cmd=$1_S3CMD name=$1_BUCKET
    export AWS_ACCESS_KEY_ID=${!access} AWS_SECRET_ACCESS_KEY=${!secret}
    bucket=${!name} s3cmd_config=${!cmd} remote_config=${!config} remote=s3:${!name}/$here
    begin "s3:${!variable#*@}"
    exchange rclone
    begin "s3:${!variable#*@}"
    exchange s3cmd
}

case $side in
sftp)
    begin "$MS_TEST_SFTP_URL"
    exchange sftp
    begin "$MS_TEST_SFTP_URL"
    remote_config=$MS_TEST_SFTP_RCLONE remote=sftp:$MS_TEST_SFTP_ROOT/$here
    exchange rclone
    ;;
sftp2)
    begin "$MS_TEST_SFTP2_URL"
    exchange sftp2
    ;;
s3) s3_side MS_TEST_S3 ;;
swift) s3_side MS_TEST_SWIFT ;;
esac
finish
