//! Character sets: of statements, and of databases that the original's schema history does not tell of.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{MariaDb, MySql, MySqlOptions, MySqlServer};

use crate::pair::Pair;

async fn servers() -> Result<[MySqlServer; 2]> {
    Ok([
        MariaDb::start(MySqlOptions::default()).await?,
        MySql::start(MySqlOptions::default()).await?,
    ])
}

/// Names, defaults, options and comments come from sessions of three character sets, and one statement that the server writes
/// itself. The original has U+FFFD in their place, and then fails.
#[tokio::test]
async fn texts_of_statements_have_the_character_set_of_their_session() -> Result<()> {
    for server in servers().await? {
        let pair = Pair::streaming(server, "").await?;
        // MySQL has no words for it.
        let replaced: &[u8] = if pair.server.connector_class().contains("MariaDb") {
            b"CREATE OR REPLACE TABLE k3\xf6 SELECT id FROM gr\xf6\xdfen"
        } else {
            b"CREATE TABLE k3\xf6 SELECT id FROM gr\xf6\xdfen"
        };
        pair.exec_bytes(
            "shop",
            &[
                b"SET NAMES latin1",
                b"CREATE TABLE gr\xf6\xdfen (id INT PRIMARY KEY, \xfc VARCHAR(9) NOT NULL DEFAULT '\xe4' COMMENT '\xf6', \
                  e ENUM('\xfc','x')) CHARACTER SET utf8mb4",
                b"INSERT INTO gr\xf6\xdfen (id, e) VALUES (1, '\xfc')",
                b"CREATE TABLE k\xf6 SELECT id FROM gr\xf6\xdfen",
                b"CREATE TABLE IF NOT EXISTS k2\xf6 SELECT id FROM gr\xf6\xdfen",
                replaced,
                b"SET NAMES cp1251",
                b"CREATE TABLE \xc6 (id INT PRIMARY KEY) CHARACTER SET utf8mb4",
                b"ALTER TABLE \xc6 ADD \xe6 VARCHAR(9) DEFAULT '\xf4'",
                b"INSERT INTO \xc6 (id) VALUES (2)",
                // The client's character set alone says what the statement's bytes mean.
                b"SET NAMES utf8mb4, character_set_client=latin1, character_set_results=cp1251",
                b"ALTER TABLE gr\xf6\xdfen ADD \xe4 VARCHAR(9) DEFAULT '\xdf'",
                b"INSERT INTO gr\xf6\xdfen (id, e) VALUES (2, 'x')",
            ],
        )
        .await?;
        pair.marked("mark").await?;
        pair.restart().await?;
        let utf8 = "INSERT INTO größen (id, e) VALUES (3, NULL); INSERT INTO Ж (id) VALUES (3)";
        pair.server.exec("shop", utf8).await?;
        pair.marked("mark").await?;
        let rows = pair.rows("gr__en").await?;
        let expected = [
            (1, json!({"ü": "ä", "e": "ü"})),
            (2, json!({"ü": "ä", "e": "x", "ä": "ß"})),
            (3, json!({"ü": "ä", "e": null, "ä": "ß"})),
        ];
        ensure!(rows == BTreeMap::from(expected), "{rows:?}");
        let rows = pair.rows("_").await?;
        let expected = [(2, json!({"ж": "ф"})), (3, json!({"ж": "ф"}))];
        ensure!(rows == BTreeMap::from(expected), "{rows:?}");
        for table in ["k_", "k2_", "k3_"] {
            let made = pair.rows(table).await?;
            ensure!(
                made == BTreeMap::from([(1, json!({}))]),
                "{table}: {made:?}"
            );
        }
    }
    Ok(())
}

/// The texts that a table has which is made in a database of a character set.
async fn has_texts(pair: &Pair, table: &str, expected: &Value) -> Result<()> {
    let rows = pair.rows(table).await?;
    let found: Vec<&Value> = rows.values().map(|row| &row["v"]).collect();
    ensure!(!found.is_empty(), "no rows of {table}");
    ensure!(
        found.iter().all(|text| *text == expected),
        "{table}: {found:?}"
    );
    Ok(())
}

const CAPTURED_ALONE: &str = "schema.history.internal.store.only.captured.tables.ddl";

/// The server's own character set is latin1. The original takes the texts for that, in silence.
#[tokio::test]
async fn databases_without_tables_have_their_character_set() -> Result<()> {
    let options = || {
        let latin1 = [
            "--character-set-server=latin1",
            "--collation-server=latin1_swedish_ci",
        ];
        latin1
            .into_iter()
            .fold(MySqlOptions::default(), MySqlOptions::arg)
    };
    for server in [
        MariaDb::start(options()).await?,
        MySql::start(options()).await?,
    ] {
        let setup = "CREATE DATABASE bare CHARACTER SET utf8mb4; CREATE DATABASE cyrillic CHARACTER SET cp1251;
                     CREATE DATABASE bytes CHARACTER SET binary";
        let all = json!({"database.include.list": "shop,bare,cyrillic,bytes,late,sessions"});
        let pair = Pair::streaming_with(server, setup, &all).await?;
        let made = "SET NAMES utf8mb4;
            CREATE TABLE bare.a (id INT PRIMARY KEY, v VARCHAR(10)); INSERT INTO bare.a VALUES (1, 'ж😀');
            CREATE TABLE cyrillic.b (id INT PRIMARY KEY, v TEXT); INSERT INTO cyrillic.b VALUES (1, 'ж');
            CREATE TABLE bytes.c (id INT PRIMARY KEY, v VARCHAR(10), t TEXT, c CHAR(4));
            INSERT INTO bytes.c VALUES (1, x'00ff', x'80', x'81');
            CREATE DATABASE late CHARACTER SET utf8mb4";
        pair.server.exec("", made).await?;
        // A database that names no character set has that of its session.
        let session = "SET collation_server = utf8mb4_bin; CREATE DATABASE sessions";
        pair.server.exec("", session).await?;
        pair.marked("mark").await?;
        pair.restart().await?;
        let after = "SET NAMES utf8mb4;
            CREATE TABLE late.d (id INT PRIMARY KEY, v VARCHAR(10)); INSERT INTO late.d VALUES (1, 'ж😀');
            CREATE TABLE sessions.e (id INT PRIMARY KEY, v VARCHAR(10)); INSERT INTO sessions.e VALUES (1, 'ж😀');
            CREATE TABLE bare.f (id INT PRIMARY KEY, v CHAR(10)); INSERT INTO bare.f VALUES (1, 'ж😀');
            ALTER DATABASE bare CHARACTER SET cp1251;
            CREATE TABLE bare.g (id INT PRIMARY KEY, v CHAR(10)); INSERT INTO bare.g VALUES (1, 'ж')";
        pair.server.exec("", after).await?;
        pair.marked("mark").await?;
        let text = json!("ж😀");
        for (table, expected) in [
            ("bare.a", &text),
            ("cyrillic.b", &json!("ж")),
            ("late.d", &text),
            ("sessions.e", &text),
            ("bare.f", &text),
            ("bare.g", &json!("ж")),
            ("bytes.c", &json!("AP8=")),
        ] {
            has_texts(&pair, table, expected).await?;
        }
        let bytes = &pair.rows("bytes.c").await?[&1];
        ensure!(
            *bytes == json!({"v": "AP8=", "t": "gA==", "c": "gQAAAA=="}),
            "{bytes}"
        );
    }
    Ok(())
}

/// The history has statements about captured tables alone, none of which has told a character set.
#[tokio::test]
async fn a_restricted_history_knows_the_character_sets_of_databases() -> Result<()> {
    let latin1 = MySqlOptions::default().arg("--character-set-server=latin1");
    let server = MariaDb::start(latin1).await?;
    let setup =
        "CREATE DATABASE other CHARACTER SET utf8mb4; CREATE TABLE other.x (id INT PRIMARY KEY)";
    let settings = json!({
        "database.include.list": "shop,other,late,gone",
        "table.include.list": "shop.mark,other.a,late.b,gone.c", CAPTURED_ALONE: "true",
    });
    let pair = Pair::streaming_with(server, setup, &settings).await?;
    let made = "CREATE DATABASE late CHARACTER SET cp1251; ALTER DATABASE late CHARACTER SET utf8mb4;
                CREATE DATABASE gone CHARACTER SET cp1251; DROP DATABASE gone; CREATE DATABASE gone";
    pair.server.exec("", made).await?;
    pair.marked("mark").await?;
    pair.stop().await?;
    // What the server says at the restart comes too late for the first table.
    let after = "SET NAMES utf8mb4; CREATE TABLE other.a (id INT PRIMARY KEY, v VARCHAR(10)); INSERT INTO other.a VALUES (1, 'ж😀');
        ALTER DATABASE other CHARACTER SET latin1;
        CREATE TABLE late.b (id INT PRIMARY KEY, v VARCHAR(10)); INSERT INTO late.b VALUES (1, 'ж😀');
        CREATE TABLE gone.c (id INT PRIMARY KEY, v VARCHAR(10)); INSERT INTO gone.c VALUES (1, 'ö')";
    pair.server.exec("", after).await?;
    pair.rest().resume("d").await?;
    pair.marked("mark").await?;
    for (table, expected) in [("other.a", "ж😀"), ("late.b", "ж😀"), ("gone.c", "ö")] {
        has_texts(&pair, table, &json!(expected)).await?;
    }
    Ok(())
}
