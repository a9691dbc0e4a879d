# shellcheck shell=bash disable=SC2034,SC2086,SC2116
# What the project needs from Debian; sourced by demo/run.sh and tests/run.sh.
#   need_packages PACKAGE...   installs what is missing (says which), or says what is needed and stops.

BUILD_PACKAGES="gcc cmake ninja-build pkg-config libssl-dev libssh-dev libcurl4-openssl-dev libc6-dev \
libisal-dev libzstd-dev"
TEST_PACKAGES="clang lld libclang-rt-14-dev clang-format clang-tidy libcmocka-dev gcovr valgrind \
git python3 bsdutils procps util-linux shellcheck mandoc zsh binutils \
openssh-server openssh-client rclone s3cmd curl ceph-mon ceph-osd ceph-common radosgw \
swift-proxy swift-account swift-container swift-object memcached eatmydata nginx openssl libnss-wrapper wrk \
chromium chromium-driver prometheus"

missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' ||
            echo "$package"
    done
}

# install_packages SUDO PACKAGE... - without starting a service of theirs, now or when the machine
# starts again: the tests start their own.
install_packages() {
    local sudo=$1 package unit units=
    shift
    $sudo sh -c '
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            trap "rm -f $policy" EXIT
            trap "exit 1" INT TERM
            printf "#!/bin/sh\nexit 101\n" >$policy
            chmod 755 $policy
        fi
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    ' sh "$@" || return 1
    command -v systemctl >/dev/null || return 0
    for package in "$@"; do
        for unit in $(dpkg -L "$package" | sed -n 's,.*/systemd/system/\([^/]*[^@]\.\(service\|timer\|target\)\)$,\1,p'); do
            units="$units $unit"
        done
    done
    [ -z "$units" ] || $sudo systemctl disable $units >/dev/null 2>&1 || true
}

need_packages() {
    local missing sudo=
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is no Debian system. Needed, under their Debian names: $*" >&2
        echo "Checking for the compilers and going on; install what turns out to be missing." >&2
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    # one line of names from here on
    missing=$(echo $missing)
    if [ "$(id -u)" != 0 ]; then
        if command -v sudo >/dev/null; then
            sudo=sudo
        else
            echo "Missing packages, and neither root nor sudo to install them. As root, run:" >&2
            echo "    apt-get install $missing" >&2
            return 1
        fi
    fi
    echo "Installing: $missing"
    if ! install_packages "$sudo" $missing 2>/dev/null; then
        # an old or absent package list is the usual reason
        $sudo apt-get update -qq
        install_packages "$sudo" $missing
    fi
}
