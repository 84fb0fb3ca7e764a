#!/bin/sh
# Installs what building, tests and demo need, from the system's own package sources. Does nothing for what is there.
# usage: install.sh build|mariadb|postgres|tools …
set -eu

# Packages by what they give: a program or a file to look for, then the package.
missing=""
need() { # need <package> <test …>
    package=$1
    shift
    if ! "$@" >/dev/null 2>&1; then
        missing="$missing $package"
    fi
}

for part in "$@"; do
    case $part in
    build)
        need build-essential command -v cc
        need cmake command -v cmake
        need pkg-config command -v pkg-config
        need libssl-dev test -e /usr/include/openssl/ssl.h
        need libsasl2-dev test -e /usr/include/sasl/sasl.h
        need libzstd-dev test -e /usr/include/zstd.h
        ;;
    mariadb) need mariadb-server command -v mariadbd ;;
    postgres) need postgresql sh -c 'ls /usr/lib/postgresql/*/bin/postgres' ;;
    tools) need curl command -v curl ;;
    *)
        echo "install.sh: unknown part '$part'" >&2
        exit 1
        ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "These packages are missing and only root can install them:$missing" >&2
    exit 1
fi
echo "Installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# Installed servers are not to start by themselves: tests and demo run private ones.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    trap 'rm -f $policy' EXIT
fi
for attempt in 1 2 3; do
    # shellcheck disable=SC2086
    if apt-get -qq update && apt-get -qq install -y --no-install-recommends $missing >/dev/null; then
        exit 0
    fi
    echo "Installing failed, attempt $attempt" >&2
done
echo "Could not install:$missing" >&2
exit 1
