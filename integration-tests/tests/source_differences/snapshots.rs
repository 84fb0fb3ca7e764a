//! Snapshots with other locks than the usual one.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use serde_json::json;
use tidegate_integration_tests::{MariaDb, MySqlOptions};
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

/// Passes a session on, with another statement in place of the one that locks everything.
async fn pass_on(client: TcpStream, port: u16) -> Result<()> {
    // As long, and refused for want of a privilege, which is what managed servers do.
    const LOCK: &[u8] = b"FLUSH TABLES WITH READ LOCK";
    const REFUSED: &[u8] = b"SET GLOBAL general_log=OFF ";
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = async {
        let mut buffer = vec![0; 65_536];
        loop {
            let length = from_client.read(&mut buffer).await?;
            let bytes = &mut buffer[..length];
            let found = bytes.windows(LOCK.len()).position(|window| window == LOCK);
            if let Some(at) = found {
                bytes[at..at + LOCK.len()].copy_from_slice(REFUSED);
            }
            to_server.write_all(bytes).await?;
            if length == 0 {
                return to_server.shutdown().await;
            }
        }
    };
    let answers = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::try_join!(questions, answers)?;
    Ok(())
}

/// Makes a managed server of the one at `port`.
async fn manage(listener: TcpListener, port: u16) -> Result<()> {
    let mut sessions = FuturesUnordered::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => sessions.push(pass_on(accepted?.0, port)),
            // Either side may end a session as it likes.
            Some(_) = sessions.next() => {}
        }
    }
}

/// Under locks of tables a session may not look at others, whose schema the history has, too.
#[tokio::test]
async fn tables_are_locked_one_by_one_where_the_global_lock_is_refused() -> Result<()> {
    let pair = Pair::start(MariaDb::start(MySqlOptions::default()).await?).await?;
    let setup = "CREATE DATABASE shop; USE shop; CREATE TABLE mark (id INT PRIMARY KEY);
                 CREATE TABLE a_other (id INT PRIMARY KEY, v INT);
                 CREATE TABLE t (id INT PRIMARY KEY, v INT); INSERT INTO t VALUES (1, 1); SET sql_log_bin=0;
                 CREATE USER reader@'%' IDENTIFIED BY 'reader';
                 GRANT SELECT, RELOAD, LOCK TABLES, SHOW DATABASES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO reader@'%'";
    pair.server.exec("", setup).await?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let port = listener.local_addr()?.port();
    tokio::select! {
        ended = manage(listener, pair.server.port()) => ended,
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
