#!/bin/bash
# with_served.sh served|served-tls COMMAND... - runs COMMAND with `mstore serve` of a local folder, which is not
# there yet: the store's URL in MS_TEST_SERVED_URL, the folder in MS_TEST_SERVED_ROOT. Fails also when
# the server does not end as it should.
# shellcheck source=tests/cli/lib.sh
. "${SOURCE:?}/tests/cli/lib.sh"
# shellcheck source=tests/cli/serve_lib.sh
. "$SOURCE/tests/cli/serve_lib.sh"
kind=$1
shift
options=(--audit-log none --listen 127.0.0.1:0)
query=
if [ "$kind" = served-tls ]; then
    tls_files tls
    options+=(--tls-cert tls.pem --tls-key tls.key)
    query="?ca=$T/tls.pem"
fi
serve "file://$T/served?sync=none" "${options[@]}"
export MS_TEST_SERVED_URL=$at/$query MS_TEST_SERVED_ROOT=$T/served
ok "$*" "$@"
stop
finish
