#!/bin/bash
# Installs what building and testing need, each part only if it is missing.
#
#   install.sh [build|mariadb|postgres|pgbouncer|kafka|jvm-connect|mysql|lint|all]...
#
# Packages come from Debian through the machine's own apt configuration, jars through its Maven configuration, the programs
# of `make lint`, which `all` leaves out, through cargo. No service is started and no cluster created: tests run private
# instances. Jars and the MySQL server, which Debian's stable release lacks, go to
# ${TIDEGATE_TEST_CACHE:-$HOME/.cache/tidegate}. Runs may overlap.
set -euo pipefail

KAFKA_VERSION=4.3.0
MARIADB_CONNECTOR_VERSION=3.5.0.Final
MYSQL_CONNECTOR_VERSION=3.6.1.Final
JDBC_CONNECTOR_VERSION=3.6.0.Final
LOG4J_VERSION=2.25.1
MACHETE_VERSION=0.9.2
DENY_VERSION=0.20.2
DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.8.1

CACHE=${TIDEGATE_TEST_CACHE:-$HOME/.cache/tidegate}
KAFKA_LIBS=$CACHE/kafka-$KAFKA_VERSION
PLUGINS=$CACHE/plugins
MYSQL_ROOT=$CACHE/mysql-root
LOG=$CACHE/install.log
PATH=$PATH:/usr/sbin:/sbin

die() {
    echo "install.sh: $*" >&2
    exit 1
}

# Runs a command quietly, up to four times; its output goes to the log, and its end to the terminal if all failed.
attempt() {
    local what=$1 pause
    shift
    for pause in 3 10 30 0; do
        echo "\$ $*" >>"$LOG"
        if "$@" >>"$LOG" 2>&1; then
            return 0
        fi
        sleep "$pause"
    done
    tail -n 20 "$LOG" >&2
    die "could not $what: the output is above, all of it in $LOG"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root is needed for: $*. Run as root or install sudo"
    fi
}

# ---------------------------------------------------------------------------------------------- Debian packages

have_packages() {
    local states
    states=$(dpkg-query -W -f='${db:Status-Abbrev}\n' "$@" 2>/dev/null) || return 1
    ! grep -qv '^ii' <<<"$states"
}

# Installs packages without letting any of them start a service or create a database cluster.
install_packages() {
    command -v apt-get >/dev/null || die "only Debian and its relatives are supported; please install: $*"
    as_root bash -s -- "$@" <<'ROOT' || die "could not install $*"
set -euo pipefail
policy=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.d
output=$(mktemp)
made=("$output")
trap 'rm -f "${made[@]}"' EXIT
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made+=("$policy")
fi
if [ ! -e "$clusters/zz-tests.conf" ]; then
    mkdir -p "$clusters"
    echo 'create_main_cluster = false' >"$clusters/zz-tests.conf"
    made+=("$clusters/zz-tests.conf")
fi
install() {
    DEBIAN_FRONTEND=noninteractive apt-get -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -o Dpkg::Options::=--force-confold install "$@" </dev/null
}
for pause in 3 10 30 0; do
    if apt-get -qq -o DPkg::Lock::Timeout=600 update </dev/null && install "$@"; then
        exit 0
    fi >"$output" 2>&1
    sleep "$pause"
done
tail -n 20 "$output" >&2
exit 1
ROOT
}

need_packages() {
    have_packages "$@" || install_packages "$@"
}

have_java() {
    command -v java >/dev/null && command -v keytool >/dev/null && command -v mvn >/dev/null
}
have_build() {
    command -v cc >/dev/null && command -v make >/dev/null && command -v cmake >/dev/null && command -v curl >/dev/null &&
        command -v openssl >/dev/null && have_packages pkg-config libssl-dev libsasl2-dev libzstd-dev
}
have_mariadb() {
    command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null && command -v mariadb >/dev/null
}
have_postgres() {
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && command -v psql >/dev/null
}
have_pgbouncer() {
    command -v pgbouncer >/dev/null
}

install_build() {
    have_build || install_packages cmake pkg-config libssl-dev libsasl2-dev libzstd-dev build-essential curl openssl
}
install_mariadb() {
    have_mariadb || install_packages mariadb-server mariadb-client
}
install_postgres() {
    have_postgres || install_packages postgresql
}
install_pgbouncer() {
    have_pgbouncer || install_packages pgbouncer
}
install_java() {
    # Debian 12's default is OpenJDK 17, the version that results are recorded with.
    have_java || install_packages default-jre-headless maven
}

# ---------------------------------------------------------------------------------------------- jars

have_kafka() {
    [ -e "$KAFKA_LIBS/.complete" ] && have_java && command -v kcat >/dev/null && command -v jq >/dev/null
}

# The broker and Kafka Connect share one folder of jars.
install_kafka() {
    install_java
    command -v kcat >/dev/null && command -v jq >/dev/null || need_packages kcat jq
    [ ! -e "$KAFKA_LIBS/.complete" ] || return 0
    local work=$CACHE/kafka.new artifact
    rm -rf "$work" && mkdir -p "$work/libs"
    {
        echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        echo '<groupId>tidegate</groupId><artifactId>test-libs</artifactId><version>1</version><packaging>pom</packaging><dependencies>'
        for artifact in org.apache.kafka:{kafka_2.13,kafka-tools,connect-runtime,connect-file,connect-transforms}:$KAFKA_VERSION \
            org.apache.logging.log4j:{log4j-slf4j-impl,log4j-core}:$LOG4J_VERSION; do
            IFS=: read -r group name version <<<"$artifact"
            echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
        done
        echo '</dependencies></project>'
    } >"$work/pom.xml"
    attempt "fetch Apache Kafka $KAFKA_VERSION" \
        mvn -B -q -f "$work/pom.xml" "$DEPENDENCY_PLUGIN:copy-dependencies" -DoutputDirectory="$work/libs"
    touch "$work/libs/.complete"
    rm -rf "$KAFKA_LIBS"
    mv "$work/libs" "$KAFKA_LIBS"
    rm -rf "$work"
}

plugins() {
    echo "debezium-connector-mariadb:$MARIADB_CONNECTOR_VERSION"
    echo "debezium-connector-mysql:$MYSQL_CONNECTOR_VERSION"
    echo "debezium-connector-jdbc:$JDBC_CONNECTOR_VERSION"
}

have_jvm_connect() {
    local plugin
    have_kafka || return 1
    for plugin in $(plugins); do
        [ -e "$PLUGINS/${plugin%%:*}/.complete-${plugin##*:}" ] || return 1
    done
}

install_jvm_connect() {
    install_kafka
    mkdir -p "$PLUGINS"
    local plugin name version work
    for plugin in $(plugins); do
        name=${plugin%%:*} version=${plugin##*:} work=$CACHE/plugin.new
        [ ! -e "$PLUGINS/$name/.complete-$version" ] || continue
        rm -rf "$work" && mkdir -p "$work"
        attempt "fetch $name $version" mvn -B -q "$DEPENDENCY_PLUGIN:copy" \
            -Dartifact="io.debezium:$name:$version:tar.gz:plugin" -DoutputDirectory="$work/archive"
        tar -xzf "$work"/archive/*.tar.gz -C "$work"
        touch "$work/$name/.complete-$version"
        rm -rf "${PLUGINS:?}/$name"
        mv "$work/$name" "$PLUGINS/$name"
        rm -rf "$work"
    done
}

# ---------------------------------------------------------------------------------------------- MySQL

have_mysql() {
    [ -e "$MYSQL_ROOT/.complete" ]
}

# Debian's unstable release has MySQL: its packages are unpacked into a folder and run there in a chroot, beside the
# system. apt gets lists and a status file of its own, so that nothing of the system's is touched; the empty status makes
# it fetch the whole closure, the C library included. `data` in the folder is an initialised server to copy.
install_mysql() {
    ! have_mysql || return 0
    [ "$(id -u)" = 0 ] || die "MySQL runs in a chroot: run as root"
    local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e $keyring ] || need_packages debian-archive-keyring
    getent passwd mysql >/dev/null || install_mariadb # for the user
    mirror=$(apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1)
    [ -n "$mirror" ] || die "no Debian mirror in apt's sources"

    local apt=$CACHE/mysql-apt root=$CACHE/mysql-root.new options d f
    rm -rf "$apt" "$root"
    mkdir -p "$apt"/{lists,cache/archives}/partial "$root"/usr/{bin,sbin,lib,lib64} "$root"/{dev,tmp,etc,data,run}
    echo "deb [signed-by=$keyring] $mirror sid main" >"$apt/sources.list"
    : >"$apt/status"
    options=(-o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::lists="$apt/lists" -o Dir::State::status="$apt/status"
        -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o Acquire::Retries=3)
    attempt "read the package lists of Debian unstable" apt-get "${options[@]}" -qq update
    attempt "fetch MySQL" apt-get "${options[@]}" -qq -y --no-install-recommends --download-only install mysql-server-core

    # The links come first: otherwise the packages would split the tree.
    for d in bin sbin lib lib64; do ln -s "usr/$d" "$root/$d"; done
    for f in "$apt"/cache/archives/*.deb; do dpkg -x "$f" "$root"; done
    mknod -m 666 "$root/dev/null" c 1 3
    mknod -m 666 "$root/dev/urandom" c 1 9
    chmod 1777 "$root/tmp"
    chown mysql: "$root/data"
    getent passwd root mysql >"$root/etc/passwd"
    getent group root mysql >"$root/etc/group"
    # A user that logs in over plain TCP from one machine: names are not resolved.
    printf '%s\n' "CREATE USER root@'127.0.0.1';" "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;" \
        "CREATE USER debezium@'%' IDENTIFIED BY 'dbz';" "GRANT ALL ON *.* TO debezium@'%';" >"$root/init.sql"
    attempt "initialise MySQL" bash -c 'rm -rf "$1"/data/* && chroot "$1" mysqld --no-defaults --user=mysql \
        --secure-file-priv= --datadir=/data --initialize-insecure --init-file=/init.sql' bash "$root"
    touch "$root/.complete"
    rm -rf "$MYSQL_ROOT" "$apt"
    mv "$root" "$MYSQL_ROOT"
}

# ---------------------------------------------------------------------------------------------- lints

have_version() {
    [ "$("$@" 2>/dev/null | grep -oE '[0-9]+(\.[0-9]+)+')" = "$version" ]
}

have_lint() {
    version=$MACHETE_VERSION have_version cargo machete --version &&
        version=$DENY_VERSION have_version cargo deny --version
}

# Built with as little optimisation as each needs to be done in a second: that takes a third of the time.
install_lint() {
    version=$MACHETE_VERSION have_version cargo machete --version ||
        CARGO_PROFILE_DEV_OPT_LEVEL=1 attempt "build cargo-machete" \
            cargo install --locked --profile dev "cargo-machete@$MACHETE_VERSION"
    version=$DENY_VERSION have_version cargo deny --version ||
        attempt "build cargo-deny" cargo install --locked --profile dev "cargo-deny@$DENY_VERSION"
}

# ---------------------------------------------------------------------------------------------- main

parts=()
for part in "${@:-build}"; do
    case $part in
    build | mariadb | postgres | pgbouncer | kafka | mysql | lint) parts+=("$part") ;;
    jvm-connect) parts+=(jvm_connect) ;;
    all) parts+=(build mariadb postgres pgbouncer kafka jvm_connect mysql) ;;
    *) die "'$part' is not one of build, mariadb, postgres, pgbouncer, kafka, jvm-connect, mysql, lint, all" ;;
    esac
done

missing=()
for part in "${parts[@]}"; do
    "have_$part" || missing+=("$part")
done
[ ${#missing[@]} -gt 0 ] || exit 0

mkdir -p "$CACHE"
exec 9>"$CACHE/.lock"
flock 9
: >"$LOG"
for part in "${missing[@]}"; do
    "install_$part" 9>&-
    "have_$part" || die "$part is still incomplete: see $LOG"
done
