#!/bin/bash
# front.sh up DIR [PORT] | down DIR - nginx, which speaks HTTP/2 over TLS, in front of a server that
# speaks HTTP/1.1 and whose address is in MS_FRONT_TARGET ("http://127.0.0.1:8080"). Packages: nginx
# openssl. Nothing is held back on the way, neither up nor down; after 40 requests a connection ends
# with a GOAWAY, as nginx does after 1000. DIR/log/access says of each request its protocol, its
# connection, which request of it this was, the status of the answer. See lib.sh.
set -eu
# shellcheck source=tests/servers/lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

if [ "$action" = down ]; then
    stop "$dir/nginx.pid"
    exit 0
fi
if alive "$dir/nginx.pid"; then
    cat "$dir/env"
    exit 0
fi
target=${MS_FRONT_TARGET:?is the address of the server behind}
PATH=$PATH:/usr/sbin:/sbin
need nginx nginx
need openssl openssl
choose_port 1
mkdir -p "$dir/log" "$dir/tmp"

[ -f "$dir/cert.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj /CN=front -addext subjectAltName=IP:127.0.0.1 -keyout "$dir/key.pem" -out "$dir/cert.pem" \
    2>"$dir/log/cert" || die "no certificate, see $dir/log/cert"

{
    [ "$(id -u)" != 0 ] || echo "user $(id -un) $(id -gn);"
    cat <<CONF
daemon off;
pid $dir/nginx.own-pid;
error_log $dir/log/nginx warn;
worker_processes 1;
events { worker_connections 512; }
http {
  log_format proof '\$server_protocol \$connection \$connection_requests \$status';
  access_log $dir/log/access proof;
  client_body_temp_path $dir/tmp/body;
  proxy_temp_path $dir/tmp/proxy;
  fastcgi_temp_path $dir/tmp/fastcgi;
  uwsgi_temp_path $dir/tmp/uwsgi;
  scgi_temp_path $dir/tmp/scgi;
  server {
    listen 127.0.0.1:$port ssl http2;
    ssl_certificate $dir/cert.pem;
    ssl_certificate_key $dir/key.pem;
    keepalive_requests 40;
    client_max_body_size 0;
    merge_slashes off;
    location / {
      proxy_pass $target;
      proxy_http_version 1.1;
      proxy_set_header Host \$http_host;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_read_timeout 300s;
    }
  }
}
CONF
} >"$dir/nginx.conf"
spawn "$dir/nginx.pid" "$dir/log/start" nginx -p "$dir" -e "$dir/log/nginx" -c "$dir/nginx.conf"
wait_for 10 "$dir/nginx.pid" port_open "$port" || die "nginx did not come up, see $dir/log"

private "$dir/env" <<ENV
MS_TEST_FRONT='https://127.0.0.1:$port'
MS_TEST_FRONT_CA='$dir/cert.pem'
MS_TEST_FRONT_LOG='$dir/log/access'
ENV
cat "$dir/env"
