# shellcheck shell=bash
# What the scripts of this folder share; sourced first, after `set -eu`.
#
# Each script is `NAME.sh up DIR [PORT]` or `NAME.sh down DIR`. All it needs and leaves lies in DIR:
# keys, configuration, data, logs, pid files, and DIR/env with the settings for the tests. Servers
# listen on the loopback interface alone, on a free port unless told one. `up` of what runs already
# prints its settings; `down` of what does not run does nothing.

name=${0##*/}
die() {
    echo "tests/servers/$name: $*" >&2
    exit 1
}
usage() {
    echo "usage: tests/servers/$name up DIR [PORT] | down DIR" >&2
    exit 2
}

[ $# -ge 2 ] && [ $# -le 3 ] || usage
action=$1 wanted_port=${3:-}
case $action in
up)
    mkdir -p "$2"
    chmod 700 "$2"
    ;;
down) [ -d "$2" ] || exit 0 ;;
*) usage ;;
esac
dir=$(cd "$2" && pwd)
case $dir in
*[!A-Za-z0-9/._-]*) die "the folder $dir has characters that the servers' configurations cannot hold; use a plainer one" ;;
esac
case $wanted_port in
*[!0-9]*) die "\"$wanted_port\" is no port" ;;
esac

need() { # PACKAGES COMMAND...
    local packages=$1 command
    shift
    for command in "$@"; do
        command -v "$command" >/dev/null || die "no $command here; as root: apt-get install $packages"
    done
}

# When a process was started, in ticks since the machine was: with its number that names it for good.
started_at() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

# record PIDFILE PID - remembers a process
record() {
    local ticks
    ticks=$(started_at "$2") && [ -n "$ticks" ] || return 1
    echo "$2 $ticks" >"$1"
}

# alive PIDFILE - does the recorded process still run, and not another one of the same number?
alive() {
    local pid ticks
    [ -s "$1" ] || return 1
    read -r pid ticks <"$1"
    [ "$(started_at "$pid")" = "$ticks" ]
}

all_alive() { # PIDFILE...
    local file
    for file in "$@"; do alive "$file" || return 1; done
}

# spawn PIDFILE LOG COMMAND... - in the background, away from this terminal
spawn() {
    local pidfile=$1 log=$2
    shift 2
    setsid "$@" </dev/null >>"$log" 2>&1 &
    record "$pidfile" $! || die "$1 ended at once, see $log"
}

# stop PIDFILE [SECONDS] - asks the recorded process to end, makes it after that long
stop() {
    local pid ticks
    if alive "$1"; then
        read -r pid ticks <"$1"
        kill "$pid" 2>/dev/null || true
        for _ in $(seq $((${2:-5} * 20))); do
            alive "$1" || break
            sleep 0.05
        done
        if alive "$1"; then kill -KILL "$pid" 2>/dev/null || true; fi
    fi
    rm -f "$1"
}

# wait_for SECONDS PIDFILE COMMAND... - until it succeeds; gives up at once when the process is gone
wait_for() {
    local tries=$(($1 * 20)) pidfile=$2
    shift 2
    while ! "$@" >/dev/null 2>&1; do
        alive "$pidfile" || return 1
        [ $((tries -= 1)) -gt 0 ] || return 1
        sleep 0.05
    done
}

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# choose_port COUNT - sets $port: the wanted one or a free one, with COUNT-1 free ones behind it.
# Below 32768, so that no outgoing connection takes one in between; each kind of server in a range of
# its own, so that those that start together do not race for one.
choose_port() {
    local tries n free base
    case $name in
    front*) base=12000 ;;
    sshd*) base=16000 ;;
    rclone*) base=20000 ;;
    ceph*) base=24000 ;;
    *) base=28000 ;;
    esac
    for tries in $(seq 100); do
        port=${wanted_port:-$((base + RANDOM % 3990))}
        free=1
        for n in $(seq 0 $(($1 - 1))); do
            if port_open $((port + n)); then
                [ -z "$wanted_port" ] || die "port $((port + n)) is taken; name another or none"
                free=0
            fi
        done
        [ $free = 0 ] || return 0
    done
    die "found no free port after $tries tries"
}

# secret - an alphanumeric one of 32 characters
secret() { head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

# percent TEXT - for a part of a URL
percent() { printf %s "$1" | sed 's/%/%25/g; s/:/%3A/g; s/@/%40/g; s,/,%2F,g; s/?/%3F/g; s/&/%26/g; s/ /%20/g'; }

# private FILE - standard input becomes a file that others cannot read
private() { (
    umask 077
    cat >"$1"
); }

# s3_settings ENDPOINT ACCESS SECRET [OPTIONS-OF-THE-URL] - makes the bucket and writes DIR/env and the configurations of
# the other clients: DIR/s3cmd.cfg, DIR/rclone.conf (remote "s3").
s3_settings() {
    local host=${1#http://} bucket=mstore-test region=us-east-1
    private "$dir/s3cmd.cfg" <<CONF
[default]
access_key = $2
secret_key = $3
host_base = $host
host_bucket = $host
bucket_location = US
use_https = False
signature_v2 = False
CONF
    private "$dir/rclone.conf" <<CONF
[s3]
type = s3
provider = Other
access_key_id = $2
secret_access_key = $3
endpoint = $1
region = $region
force_path_style = true
CONF
    env -u AWS_CA_BUNDLE s3cmd -c "$dir/s3cmd.cfg" mb "s3://$bucket" >>"$dir/log/bucket" 2>&1 ||
        die "cannot make the bucket, see $dir/log/bucket"
    private "$dir/env" <<ENV
MS_TEST_S3_URL='s3:$(percent "$2"):$(percent "$3")@$1/$bucket${4:+?$4}'
MS_TEST_S3_ENDPOINT='$1'
MS_TEST_S3_ACCESS='$2'
MS_TEST_S3_SECRET='$3'
MS_TEST_S3_REGION='$region'
MS_TEST_S3_BUCKET='$bucket'
MS_TEST_S3_S3CMD='$dir/s3cmd.cfg'
MS_TEST_S3_RCLONE='$dir/rclone.conf'
ENV
}
