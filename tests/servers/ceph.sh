#!/bin/bash
# ceph.sh up DIR [PORT] | down DIR - a throw-away Ceph of one node with its S3 gateway, data in
# memory, empty at each start. Packages: ceph-mon ceph-osd ceph-common radosgw, s3cmd. See lib.sh.
#
# Inside the cluster nobody proves who he is; S3 requests are checked fully (signature V4).
set -eu
# shellcheck source=tests/servers/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

pids=("$dir/gateway.pid" "$dir/osd.pid" "$dir/mon.pid")
take_down() { # the data is thrown away at the next start: nothing is worth a long wait
    local file
    for file in "${pids[@]}"; do stop "$file" 1; done
}
if [ "$action" = down ]; then
    take_down
    exit 0
fi
if all_alive "${pids[@]}"; then
    cat "$dir/env"
    exit 0
fi
need "ceph-mon ceph-osd ceph-common radosgw" ceph-mon ceph-osd ceph radosgw radosgw-admin monmaptool
need curl curl
need s3cmd s3cmd
take_down
choose_port 3

for old in mon osd gateway log run crash; do rm -rf "${dir:?}/$old"; done
mkdir -p "$dir"/{mon,osd,gateway,log,run}
fsid=$(cat /proc/sys/kernel/random/uuid)
osd_uuid=$(cat /proc/sys/kernel/random/uuid)
monitor="[v2:127.0.0.1:$((port + 1)),v1:127.0.0.1:$((port + 2))]"
export CEPH_CONF=$dir/ceph.conf

cat >"$CEPH_CONF" <<CONF
[global]
fsid = $fsid
mon host = $monitor
public addr = 127.0.0.1
cluster addr = 127.0.0.1
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
run dir = $dir/run
admin socket =
log file = $dir/log/\$name.log
crash dir = $dir/crash
pid file =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
mon cluster log file = $dir/log/cluster.log
ms bind ipv6 = false
# the gateway's default, a secure link to the monitor, is impossible without authentication
ms mon client mode = crc
[mon]
# answer changes of the map at once: a start makes many
paxos propose interval = 0.05
paxos min wait = 0.01
mon data = $dir/mon
mon data avail warn = 1
mon data avail crit = 1
[osd]
osd data = $dir/osd
osd objectstore = memstore
memstore device bytes = 4294967296
osd max object name len = 2048
[client.rgw]
rgw data = $dir/gateway
rgw frontends = beast endpoint=127.0.0.1:$port
rgw thread pool size = 32
rgw num rados handles = 1
rgw enable usage log = false
# a listing reads as much of the index as was asked for, not a thousand entries each time
rgw list bucket min readahead = 16
# what was replaced frees its memory soon
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
CONF

monmaptool --create --fsid "$fsid" --set-min-mon-release pacific --addv a "$monitor" \
    "$dir/monmap" --clobber >>"$dir/log/setup" 2>&1
ceph-mon -i a --mkfs --monmap "$dir/monmap" >>"$dir/log/setup" 2>&1
spawn "$dir/mon.pid" "$dir/log/mon" ceph-mon -i a -f
wait_for 30 "$dir/mon.pid" ceph --connect-timeout 5 mon stat || die "ceph-mon did not come up, see $dir/log"

ceph osd new "$osd_uuid" >>"$dir/log/setup" 2>&1
ceph-osd -i 0 --mkfs --osd-uuid "$osd_uuid" >>"$dir/log/setup" 2>&1
spawn "$dir/osd.pid" "$dir/log/osd" ceph-osd -i 0 -f
osd_is_up() { ceph --connect-timeout 5 osd stat | grep -q '1 up'; }
wait_for 60 "$dir/osd.pid" osd_is_up || die "ceph-osd did not come up, see $dir/log"

spawn "$dir/gateway.pid" "$dir/log/gateway" radosgw -n client.rgw -f
wait_for 60 "$dir/gateway.pid" curl -sf --noproxy '*' "http://127.0.0.1:$port/" ||
    die "radosgw did not come up, see $dir/log"

access=test-$(secret | cut -c1-12) key=$(secret)
radosgw-admin -n client.rgw user create --uid=test --display-name=test \
    --access-key="$access" --secret-key="$key" >>"$dir/log/setup" 2>&1 || die "no user, see $dir/log/setup"
s3_settings "http://127.0.0.1:$port" "$access" "$key"
cat "$dir/env"
