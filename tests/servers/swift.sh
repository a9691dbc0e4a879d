#!/bin/bash
# swift.sh up DIR [PORT] | down DIR - a throw-away OpenStack Swift of one node with its S3 interface,
# empty at each start. Packages: swift-proxy swift-account swift-container swift-object memcached,
# s3cmd; eatmydata, when there is one. DIR lies on a file system with extended attributes. See lib.sh.
#
# The second, independent S3: it has no conditional put, takes no aws-chunked bodies, wants a
# Content-MD5 on a deletion of many. Its authentication insists on memcached, so that runs too.
set -eu
# shellcheck source=tests/servers/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

pids=()
for service in proxy object container account memcached; do pids+=("$dir/$service.pid"); done
take_down() {
    local file
    for file in "${pids[@]}"; do stop "$file" 2; done
}
if [ "$action" = down ]; then
    take_down
    exit 0
fi
if all_alive "${pids[@]}"; then
    cat "$dir/env"
    exit 0
fi
need "swift-proxy swift-account swift-container swift-object" swift-proxy-server swift-account-server \
    swift-container-server swift-object-server swift-ring-builder
need memcached memcached
need curl curl
need s3cmd s3cmd
take_down
choose_port 5

for old in etc srv log; do rm -rf "${dir:?}/$old"; done
conf=$dir/etc
mkdir -p "$conf" "$dir/log" "$dir/srv/disk" "$dir/recon"
access=test:test key=$(secret) user=$(id -un)

common() { # PORT
    cat <<CONF
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = $1
user = $user
swift_dir = $conf
devices = $dir/srv
mount_check = false
workers = 0
log_address = $dir/no-syslog
log_level = INFO
CONF
}
cat >"$conf/swift.conf" <<CONF
[swift-hash]
swift_hash_path_prefix = test
swift_hash_path_suffix = test
[storage-policy:0]
name = test
default = yes
[swift-constraints]
max_header_size = 16384
CONF
{
    common "$port"
    cat <<CONF
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk s3api tempauth copy slo dlo versioned_writes symlink proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:$((port + 4))
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
s3_acl = true
dns_compliant_bucket_names = false
check_bucket_owner = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_test = $key .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
allow_object_versioning = true
[filter:symlink]
use = egg:swift#symlink
CONF
} | private "$conf/proxy-server.conf"
n=1
for service in account container object; do
    {
        common $((port + n))
        printf '[pipeline:main]\npipeline = %s-server\n[app:%s-server]\nuse = egg:swift#%s\n' \
            $service $service $service
    } >"$conf/$service-server.conf"
    # one partition, one replica, one device
    ring=$conf/$service.builder
    for step in "create 1 1 0" "add r1z1-127.0.0.1:$((port + n))/disk 1" rebalance; do
        # shellcheck disable=SC2086
        swift-ring-builder "$ring" $step >>"$dir/log/rings" 2>&1 || die "no ring, see $dir/log/rings"
    done
    n=$((n + 1))
done

# Its object server waits for the disk in each request, one after the other: nothing here is to last.
unsynced=()
! command -v eatmydata >/dev/null || unsynced=(eatmydata)
export SWIFT_CONF=$conf/swift.conf
spawn "$dir/memcached.pid" "$dir/log/memcached" memcached -l 127.0.0.1 -p $((port + 4)) -u "$user" -m 32
for service in account container object proxy; do
    spawn "$dir/$service.pid" "$dir/log/$service" "${unsynced[@]}" "swift-$service-server" \
        "$conf/$service-server.conf" --verbose
done
n=1
for service in account container object memcached; do
    wait_for 30 "$dir/$service.pid" port_open $((port + n)) || die "$service did not come up, see $dir/log"
    n=$((n + 1))
done
wait_for 30 "$dir/proxy.pid" curl -sf --noproxy '*' "http://127.0.0.1:$port/healthcheck" ||
    die "the proxy did not come up, see $dir/log"
s3_settings "http://127.0.0.1:$port" "$access" "$key" provider=swift
cat "$dir/env"
