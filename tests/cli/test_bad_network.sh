#!/bin/bash
# Bad input on a network: whatever is wrong with a server or with what was said of it, each command
# ends with one sentence and the right status within the time-out, and no secret is told.
# Servers of tests/servers/ come from the environment; all else is of our own.
# shellcheck source=tests/cli/lib.sh
. "$(dirname "$0")/lib.sh"
: "${REST_PEER:?is the path of the REST server of the tests}"
unset "${!AWS_@}" "${!BORGSTORE_@}" MSTORE_REST_SERVER MSTORE_SFTP_PASSWORD MSTORE_SSH_PASSPHRASE SSH_AUTH_SOCK
export RES_OPTIONS="timeout:1 attempts:1" AWS_EC2_METADATA_DISABLED=true
be_patient() { # SECONDS - the time-out of the URLs from here on
    patience=$1
    s3o="region=x&timeout=$patience" sfo="timeout=$patience&ssh_config=none" reo="timeout=${patience}s"
}
be_patient 3
chmod 600 config
: >none
printf x >value

servers=()
serve() { # MODE [CERTIFICATE] - its port is then in $port
    local fd pid
    rm -f port
    mkfifo "lives-${#servers[@]}"
    python3 "$SOURCE/tests/cli/bad_server.py" port "$@" <"lives-${#servers[@]}" 2>>server.log &
    pid=$!
    servers+=("$pid")
    # shellcheck disable=SC2034 # it stays open until we end
    exec {fd}>"lives-$((${#servers[@]} - 1))"
    until [ -s port ] || ! kill -0 "$pid" 2>/dev/null; do read -r -t 0.05 <> <(:) || true; done
    port=$(cat port)
}

# Each command of each case runs beside the others; `judge` looks at what became of them.
cases=() starts=() running=()
bad() { # NAME STATUS TEXT URL - TEXT: an extended regular expression
    printf '[store %s]\nurl = %s\n' "$1" "$4" >>config
    cases+=("$1:$2:$3")
    starts+=("${MSTORE_REST_SERVER:-}")
}
run_one() { # NAME COMMAND ARGUMENT...
    local from=$EPOCHREALTIME name=$1 status=0
    shift
    "$MSTORE" "$@" >"$name.$1.out" 2>"$name.$1.err" </dev/null || status=$?
    echo "$status $(((${EPOCHREALTIME/./} - ${from/./}) / 1000))" >"$name.$1.end"
}
judge() { # SECONDS - no more than this each; sanitizers take longer to start and to end
    local most=$(($1 * ${SLOWER:-1})) one name status text command ended took
    for one in "${!cases[@]}"; do
        name=${cases[one]%%:*}
        export MSTORE_REST_SERVER=${starts[one]}
        while [ "$(jobs -rp | wc -l)" -gt $((${#servers[@]} + 24)) ]; do read -r -t 0.02 <> <(:) || true; done
        for command in "check $name" "ls $name" "put $name data/a value"; do
            # shellcheck disable=SC2086
            run_one "$name" $command &
            running+=($!)
        done
    done
    wait "${running[@]}"
    unset MSTORE_REST_SERVER
    for one in "${cases[@]}"; do
        IFS=: read -r name status text <<<"$one"
        for command in check ls put; do
            read -r ended took <"$name.$command.end"
            cp "$name.$command.err" err
            cp "$name.$command.out" out
            same "$name: $command" "$ended" "$status"
            one_line
            ok "$name: $command within $most s, not $took ms" test "$took" -lt $((most * 1000))
            [ $command = check ] || ok "$name: the sentence of $command" grep -qE "^mstore: $command: .*($text)" err
            ok "$name: no secret" test -z "$(grep -h HUNTER out err)"
        done
        if grep -q "check failed" "$name.check.err"; then
            ok "$name: the sentence of check" grep -qE "FAILED .*($text)" "$name.check.out"
            same "$name: failures" "$(grep -c ' FAILED ' "$name.check.out")" 1
        fi
    done
    cases=() starts=() running=()
}

# Servers that fall silent: one time-out, not one for each attempt (four of them would be 12 s).
for mode in stall half banner; do
    serve $mode
    silent=$port
    text="does not answer"
    [ $mode = banner ] && text+="|speaks something else" # of HTTP
    status=5
    [ $mode = banner ] && status=1
    bad "s3-$mode" $status "$text" "s3:KEY:HUNTER2@http://127.0.0.1:$silent/bucket?$s3o"
    bad "http-$mode" $status "$text" "http://me:HUNTER2@127.0.0.1:$silent/x?$reo"
    bad "sftp-$mode" 5 "$text" "sftp://me:HUNTER2@127.0.0.1:$silent/x?known_hosts=$T/none&$sfo"
    bad "rest-$mode" 5 "$text" "rest://me@127.0.0.1:$silent/x?$reo"
done
printf '#!/bin/sh\nexec sleep 1000\n' >child-stall
chmod 755 child-stall
MSTORE_REST_SERVER=$T/child-stall
bad stdio-stall 5 "does not answer" "rest:///x?$reo"
serve stall
bad proxy-tls 5 "does not answer" "https://me:HUNTER2@127.0.0.1:$port/x?$reo"
judge 11

# All others answer, be the machine ever so busy.
be_patient 25

# Nobody there.
bad s3-host 5 "nonesuch.invalid.*has no address" "s3:KEY:HUNTER2@http://nonesuch.invalid/bucket?$s3o"
bad http-host 5 "nonesuch.invalid.*has no address" "http://me:HUNTER2@nonesuch.invalid/x?$reo"
bad sftp-host 5 "nonesuch.invalid was not found" "sftp://me:HUNTER2@nonesuch.invalid/x?$sfo"
bad rest-host 5 "resolve hostname nonesuch.invalid" "rest://me@nonesuch.invalid/x?$reo"
bad s3-port 5 "127.0.0.1:1: nothing answers" "s3:KEY:HUNTER2@http://127.0.0.1:1/bucket?$s3o"
bad http-port 5 "127.0.0.1:1: nothing answers" "http://me:HUNTER2@127.0.0.1:1/x?$reo"
bad sftp-port 5 "127.0.0.1:1: Connection refused" "sftp://me:HUNTER2@127.0.0.1:1/x?$sfo"
bad rest-port 5 "port 1: Connection refused" "rest://me@127.0.0.1:1/x?$reo"
serve close
bad s3-close 5 "127.0.0.1:$port broke" "s3:KEY:HUNTER2@http://127.0.0.1:$port/bucket?$s3o"
bad http-close 5 "127.0.0.1:$port broke" "http://me:HUNTER2@127.0.0.1:$port/x?$reo"
bad s3-tls-close 5 "127.0.0.1:$port broke" "s3:KEY:HUNTER2@https://127.0.0.1:$port/bucket?$s3o"
bad http-tls-close 5 "127.0.0.1:$port broke" "https://me:HUNTER2@127.0.0.1:$port/x?$reo"
bad sftp-close 5 "127.0.0.1:$port: the connection failed" "sftp://me:HUNTER2@127.0.0.1:$port/x?$sfo"
bad rest-close 5 "Connection (closed|reset) by" "rest://me@127.0.0.1:$port/x?$reo"

# Somebody else there.
for mode in noise mail; do
    serve $mode
    bad s3-$mode 1 "127.0.0.1:$port speaks something else" "s3:KEY:HUNTER2@http://127.0.0.1:$port/bucket?$s3o"
    bad http-$mode 1 "127.0.0.1:$port speaks something else" "http://me:HUNTER2@127.0.0.1:$port/x?$reo"
    bad s3-tls-$mode 1 "127.0.0.1:$port speaks something else" "s3:KEY:HUNTER2@https://127.0.0.1:$port/bucket?$s3o"
done
serve noise
bad sftp-noise 1 "127.0.0.1:$port does not speak SSH" "sftp://me:HUNTER2@127.0.0.1:$port/x?$sfo"
bad rest-noise 1 "127.0.0.1:$port does not speak SSH" "rest://me@127.0.0.1:$port/x?$reo"
serve ssh
bad sftp-ssh 5 "127.0.0.1:$port: the connection failed" "sftp://me:HUNTER2@127.0.0.1:$port/x?$sfo"
serve html
bad s3-html 1 "is there an S3 server" "s3:KEY:HUNTER2@http://127.0.0.1:$port/bucket?$s3o"
bad http-html 1 "no BorgStore REST server there" "http://me:HUNTER2@127.0.0.1:$port/x?$reo"
bad sftp-html 1 "127.0.0.1:$port does not speak SSH" "sftp://me:HUNTER2@127.0.0.1:$port/x?$sfo"
serve unauthorized
bad s3-unauthorized 6 "does not accept the login" "s3:KEY:HUNTER2@http://127.0.0.1:$port/bucket?$s3o"
bad http-unauthorized 6 "user or password are wrong" "http://me:HUNTER2@127.0.0.1:$port/x?$reo"
serve refuse
bad s3-refuse 6 "does not know this access key" "s3:KEY:HUNTER2@http://127.0.0.1:$port/bucket?$s3o"

# Certificates: of nobody we know; of somebody else.
for name in "127.0.0.1 IP:127.0.0.1" "other.example DNS:other.example"; do
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out "${name%% *}.pem" -days 2 \
        -subj "/CN=${name%% *}" -addext "subjectAltName=${name#* }" 2>/dev/null ||
        problem "openssl makes no certificate"
    cat key.pem "${name%% *}.pem" >both.pem
    serve tls both.pem
    bad "s3-cert-${name%% *}" 6 "certificate of 127.0.0.1:$port is not trusted" \
        "s3:KEY:HUNTER2@https://127.0.0.1:$port/bucket?$s3o"
    bad "http-cert-${name%% *}" 6 "certificate of 127.0.0.1:$port is not trusted" "https://me:HUNTER2@127.0.0.1:$port/x?$reo"
done
bad http-name 6 "certificate of 127.0.0.1:$port is for another host" \
    "https://me:HUNTER2@127.0.0.1:$port/x?$reo&ca=$T/other.example.pem"
bad http-ca 1 "no readable PEM" "https://me:HUNTER2@127.0.0.1:$port/x?$reo&ca=$T/none"
# Credentials that are not there.
bad s3-nokeys 6 "no S3 credentials" "s3:http://127.0.0.1:1/bucket?$s3o"
bad s3-noprofile 6 "no profile \"nonesuch\"" "s3:nonesuch@http://127.0.0.1:1/bucket?$s3o"

# BorgStore's protocol, over TCP and over the pipes of a child.
mkdir served
"$REST_PEER" --port 0 --backend "FILE:$T/served/store" --username me --password right >rest-port &
servers+=($!)
until [ -s rest-port ]; do read -r -t 0.05 <> <(:) || true; done
port=$(cat rest-port)
bad http-password 6 "user or password are wrong" "http://me:HUNTER2@127.0.0.1:$port/?$reo"
bad http-user 6 "user or password are wrong" "http://you:right@127.0.0.1:$port/?$reo"
bad http-nobody 6 "user or password are wrong or missing" "http://127.0.0.1:$port/?$reo"
bad http-nostore 3 "127.0.0.1:$port/.* does not exist" "http://me:right@127.0.0.1:$port/?$reo"
child() { # PROGRAM-TEXT - what rest:/// starts
    printf '#!/bin/sh\n%s\n' "$1" >"child-$2"
    chmod 755 "child-$2"
    MSTORE_REST_SERVER=$T/child-$2
}
MSTORE_REST_SERVER=$T/nonesuch
bad stdio-nothing 1 "cannot start $T/nonesuch" "rest:///x?$reo"
child "echo 'the disk is on fire' >&2; exit 3" dies
bad stdio-dies 5 "child-dies ended with exit code 3: the disk is on fire" "rest:///x?$reo"
child "exec cat /dev/urandom" noise
bad stdio-noise 1 "speaks something else" "rest:///x?$reo"
child "exec '$REST_PEER' --stdio --backend 'FILE:$T/served/store'" peer
bad stdio-nostore 3 "does not exist" "rest:///x?$reo"
unset MSTORE_REST_SERVER

if [ -n "${MS_TEST_SFTP_URL:-}" ]; then
    place=${MS_TEST_SFTP_URL%%\?*}
    known="known_hosts=$MS_TEST_SFTP_KNOWN_HOSTS&$sfo" identity="identity=$MS_TEST_SFTP_IDENTITY"
    address=127.0.0.1:$MS_TEST_SFTP_PORT
    ssh-keygen -q -t ed25519 -N '' -f other-key
    ssh-keygen -q -t ed25519 -N HUNTER2 -f locked-key
    (umask 077 && noise 400 3 >noise-key)
    cp other-key open-key
    chmod 644 open-key
    echo "[127.0.0.1]:$MS_TEST_SFTP_PORT $(cut -d' ' -f1,2 other-key.pub)" >changed
    bad sftp-key 6 "$address refuses the login" "$place?identity=$T/other-key&$known"
    bad sftp-password 6 "refuses the login" "sftp://me:HUNTER2@$address/x?$known"
    bad sftp-user 6 "$address refuses the login of nobody" "sftp://nobody@$address/x?$identity&$known"
    bad sftp-nokey 6 "cannot read the key $T/nonesuch" "$place?identity=$T/nonesuch&$known"
    bad sftp-locked 6 "locked-key is encrypted: give its passphrase" "$place?identity=$T/locked-key&$known"
    bad sftp-open 6 "others may read the key $T/open-key: chmod 600" "$place?identity=$T/open-key&$known"
    bad sftp-noisekey 6 "noise-key" "$place?identity=$T/noise-key&$known"
    bad sftp-unknown 6 "the host $address is not known.*SHA256:.*ssh-keyscan" "$place?$identity&known_hosts=$T/none&$sfo"
    bad sftp-changed 6 "the key of $address is not the one" "$place?$identity&known_hosts=$T/changed&$sfo"
    bad sftp-path 3 "no such folder" "$place/none/such?$identity&$known"
    bad s3-sshd 1 "$address speaks something else" "s3:KEY:HUNTER2@http://$address/bucket?$s3o"
    bad http-sshd 1 "$address speaks something else" "http://me:HUNTER2@$address/x?$reo"
fi
for server in S3 SWIFT; do
    endpoint=MS_TEST_${server}_ENDPOINT access=MS_TEST_${server}_ACCESS secret=MS_TEST_${server}_SECRET
    [ -n "${!endpoint:-}" ] || continue
    key=${!access/:/%3A} more="$s3o"
    [ $server = SWIFT ] && more="timeout=$patience&provider=swift"
    [ $server = S3 ] && more="timeout=$patience&region=us-east-1"
    text="does not know this access key|signature is wrong"
    bad $server-key 6 "$text" "s3:HUNTER2:${!secret}@${!endpoint}/mstore-test?$more"
    bad $server-secret 6 "signature is wrong" "s3:$key:HUNTER2@${!endpoint}/mstore-test?$more"
    bad $server-bucket 3 "the bucket does not exist" "s3:$key:${!secret}@${!endpoint}/nonesuch?$more"
    bad $server-path 3 "there is no store at" "s3:$key:${!secret}@${!endpoint}/mstore-test/none/such?$more"
    bad $server-tls 1 "speaks something else" "s3:$key:${!secret}@https://${!endpoint#*//}/mstore-test?$more"
    # Swift answers "forbidden", as it may
    [ $server = SWIFT ] || bad $server-http 1 "speaks something else" "http://${!endpoint#*//}/x?$reo"
    bad $server-sftp 1 "does not speak SSH" "sftp://me:HUNTER2@${!endpoint#*//}/x?known_hosts=$T/none&$sfo"
done
judge 30
for one in "${servers[@]}"; do kill "$one" 2>/dev/null; done
if [ "$failures" = 0 ] && [ -z "${MS_TEST_SFTP_URL:-}" ]; then
    echo "$checks checks, 0 failures; no servers for the rest: see tests/servers/"
    exit 77
fi
finish
