//! Snapshots with other locks than the usual one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::json;
use tidegate_integration_tests::{MariaDb, MySqlOptions, MySqlServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::pair::Pair;

/// A row that is written between the two is in the snapshot and in the stream; the other way round it would be in neither.
#[tokio::test]
async fn without_a_lock_the_position_comes_before_the_transaction() -> Result<()> {
    let pair = Pair::start(MariaDb::start(MySqlOptions::default()).await?).await?;
    let setup = "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
                 SET GLOBAL log_output='TABLE'; SET GLOBAL general_log=ON";
    pair.server.exec("", setup).await?;
    pair.post(&json!({"snapshot.locking.mode": "none"})).await?;
    pair.marked("mark").await?;
    // `marked` itself asks for the position, too.
    let asked = "SELECT argument FROM mysql.general_log WHERE user_host LIKE 'debezium%' AND
                 (argument LIKE 'SHOW MASTER STATUS%' OR argument LIKE 'START TRANSACTION%' OR argument LIKE 'FLUSH TABLES%')";
    let rows = pair.server.rows("", asked).await?;
    let asked: Vec<&str> = rows.iter().filter_map(|row| row[0].as_deref()).collect();
    ensure!(
        asked[..2]
            == [
                "SHOW MASTER STATUS",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT"
            ],
        "{asked:?}"
    );
    Ok(())
}

/// Makes a user without the privileges of a managed server's owner.
const READER: &str = "SET sql_log_bin=0; CREATE USER reader@'%' IDENTIFIED BY 'reader';
    GRANT SELECT, RELOAD, LOCK TABLES, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader@'%'";

/// What happens to statements on their way to the server.
#[derive(Default)]
struct Tampering {
    /// The first text is replaced by the second, which is as long.
    replaced: Option<(&'static [u8], &'static [u8])>,
    /// Before the server sees the first text for the first time, the second is executed.
    preceded: Option<(&'static [u8], &'static str)>,
    has_preceded: AtomicBool,
}

/// The statement that locks everything becomes one that is refused for want of a privilege, as on managed servers.
const MANAGED: (&[u8], &[u8]) = (
    b"FLUSH TABLES WITH READ LOCK",
    b"SET GLOBAL general_log=OFF ",
);

fn place_of(text: &[u8], bytes: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}

/// Passes a session on.
async fn pass_on(client: TcpStream, server: &MySqlServer, tampering: &Tampering) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", server.port())).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = stream.into_split();
    let questions = async {
        let mut buffer = vec![0; 65_536];
        loop {
            let length = from_client.read(&mut buffer).await?;
            let bytes = &mut buffer[..length];
            if let Some((text, other)) = tampering.replaced
                && let Some(at) = place_of(text, bytes)
            {
                bytes[at..at + text.len()].copy_from_slice(other);
            }
            if let Some((text, first)) = tampering.preceded
                && place_of(text, bytes).is_some()
                && !tampering.has_preceded.swap(true, Ordering::Relaxed)
            {
                server.exec("shop", first).await?;
            }
            to_server.write_all(bytes).await?;
            if length == 0 {
                return Ok(to_server.shutdown().await?);
            }
        }
    };
    let answers = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        Ok::<_, anyhow::Error>(())
    };
    tokio::try_join!(questions, answers)?;
    Ok(())
}

/// Stands before a server.
async fn tamper(listener: TcpListener, server: &MySqlServer, tampering: &Tampering) -> Result<()> {
    let mut sessions = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => sessions.push(pass_on(accepted?.0, server, tampering)),
            // Either side may end a session as it likes.
            Some(_) = sessions.next() => {}
        }
    }
}

/// The table is made behind the place where a list of tables before the position, or before the locks, would end.
#[tokio::test]
async fn a_table_that_is_made_while_a_snapshot_begins_is_not_missed() -> Result<()> {
    const MADE: &str = "CREATE TABLE late (id INT PRIMARY KEY); INSERT INTO late VALUES (1)";
    for (locking, tampering) in [
        (
            "none",
            Tampering {
                preceded: Some((b"SHOW MASTER STATUS", MADE)),
                ..Tampering::default()
            },
        ),
        (
            "minimal",
            Tampering {
                replaced: Some(MANAGED),
                preceded: Some((b"FLUSH TABLES `shop`", MADE)),
                ..Tampering::default()
            },
        ),
    ] {
        let pair = Pair::start(MariaDb::start(MySqlOptions::default()).await?).await?;
        let setup = format!(
            "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY); {READER}"
        );
        pair.server.exec("", &setup).await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port().to_string();
        let snapshot = async {
            let settings = json!({
                "database.port": port, "database.user": "reader", "database.password": "reader",
                "snapshot.locking.mode": locking,
            });
            pair.post(&settings).await?;
            pair.marked("mark").await?;
            pair.server
                .exec("shop", "INSERT INTO late VALUES (2)")
                .await?;
            pair.marked("mark").await?;
            let rows = pair.rows("late").await?;
            ensure!(
                rows == BTreeMap::from([(1, json!({})), (2, json!({}))]),
                "{rows:?}"
            );
            ensure!(tampering.has_preceded.load(Ordering::Relaxed));
            Ok(())
        };
        tokio::select! {
            ended = tamper(listener, &pair.server, &tampering) => ended?,
            ended = snapshot => ended?,
        }
    }
    Ok(())
}

/// Under locks of tables a session may not look at others, whose schema the history has, too.
#[tokio::test]
async fn tables_are_locked_one_by_one_where_the_global_lock_is_refused() -> Result<()> {
    let pair = Pair::start(MariaDb::start(MySqlOptions::default()).await?).await?;
    let setup = format!(
        "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
         CREATE TABLE a_other (id INT PRIMARY KEY, v INT);
         CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1); {READER}"
    );
    pair.server.exec("", &setup).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    let managed = Tampering {
        replaced: Some(MANAGED),
        ..Tampering::default()
    };
    tokio::select! {
        ended = tamper(listener, &pair.server, &managed) => ended,
        ended = reads_as_managed(&pair, port) => ended,
    }
}

async fn reads_as_managed(pair: &Pair, port: u16) -> Result<()> {
    let mut config = json!({
        "database.port": port.to_string(), "database.user": "reader", "database.password": "reader",
        "table.include.list": "shop.t,shop.mark",
    });
    pair.post(&config).await?;
    pair.marked("mark").await?;
    ensure!(
        pair.worker.log().contains("will use table read locks"),
        "{}",
        pair.worker.log_tail()
    );
    config["table.include.list"] = "shop.*".into();
    pair.stop().await?;
    pair.server
        .exec("shop", "INSERT INTO a_other VALUES (1, 1)")
        .await?;
    pair.post(&config).await?;
    pair.rest().resume("d").await?;
    pair.marked("mark").await?;
    for table in ["t", "a_other"] {
        let rows = pair.rows(table).await?;
        ensure!(
            rows == BTreeMap::from([(1, json!({"v": 1}))]),
            "{table}: {rows:?}"
        );
    }
    Ok(())
}
