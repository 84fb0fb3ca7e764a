#!/bin/bash
# Records the logs beside this file: each server runs changes.sql, and mixed.sql if it may, with an empty data directory. Run as root after
# integration-tests/scripts/install.sh; the MySQL server's folder comes from its argument.
set -euo pipefail
mysql_root=${1:?usage: record.sh FOLDER_OF_THE_MYSQL_SERVER}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d); chmod 755 "$work"
trap 'jobs -p | xargs -r kill; wait; rm -rf "$work"' EXIT
common=(--no-defaults --user=mysql --bind-address=127.0.0.1 --skip-name-resolve --server-id=1 --log-bin=mysql-bin
  --binlog-format=ROW --binlog-row-image=FULL --binlog-row-event-max-size=256 --default-time-zone=+00:00)

# record NAME SOCKET DATA SERVER...: runs the server until it answers, the statements, and keeps its log.
record() {
  local name=$1 socket=$2 data=$3; shift 3
  "$@" >"$work/$name.log" 2>&1 &
  local server=$!
  until mariadb --no-defaults -uroot --socket="$socket" -e 'SELECT 1' >/dev/null 2>&1; do kill -0 $server; sleep 0.2; done
  mariadb --no-defaults -uroot --socket="$socket" <"$here/changes.sql"
  case $name in mysql | mysql-compressed) ;; *) mariadb --no-defaults -uroot --socket="$socket" <"$here/mixed.sql" ;; esac
  mariadb --no-defaults -uroot --socket="$socket" -e 'FLUSH BINARY LOGS'
  mkdir -p "$here/$name"; rm -f "$here/$name"/mysql-bin.*
  cp "$data"/mysql-bin.00000[12] "$here/$name/"; chmod 644 "$here/$name"/*
  kill $server; wait $server || true
}

mariadb_log() { # NAME OPTION...
  local name=$1 data=$work/$1; shift
  mkdir "$data"; chown mysql: "$data"
  mariadb-install-db --no-defaults --user=mysql --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
  record "$name" "$data/server.sock" "$data" mariadbd "${common[@]}" --skip-networking --datadir="$data" \
    --socket="$data/server.sock" --pid-file="$data/server.pid" "$@"
}

mysql_log() { # NAME OPTION...
  local name=$1 inside=/run/record-$1-$$; shift
  local data=$mysql_root$inside
  mkdir -p "$mysql_root/run"; cp -a "$mysql_root/data" "$data"
  record "$name" "$data/server.sock" "$data" chroot "$mysql_root" mysqld "${common[@]}" --mysqlx=OFF --secure-file-priv= --skip-networking \
    --datadir="$inside" --socket="$inside/server.sock" --pid-file="$inside/server.pid" "$@"
  rm -rf "$data"
}

mariadb_log mariadb
mariadb_log mariadb-compressed --log-bin-compress=ON --log-bin-compress-min-len=10
mysql_log mysql --gtid-mode=ON --enforce-gtid-consistency=ON
mysql_log mysql-without-gtids --gtid-mode=OFF --enforce-gtid-consistency=OFF
mysql_log mysql-compressed --gtid-mode=ON --enforce-gtid-consistency=ON --binlog-transaction-compression=ON
