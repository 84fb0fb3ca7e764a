//! `examples/cdc-pipeline` on the original and on the worker under test: the same files, the same tables.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tidegate_integration_tests::{
    ConnectOptions, JvmConnect, KafkaBroker, KafkaOptions, MariaDb, Mode, MySqlOptions,
    MySqlServer, Postgres, PostgresOptions, Properties, TidegateWorker, eventually,
    tidegate_binary,
};

const DEADLINE: Duration = Duration::from_mins(5);
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/cdc-pipeline");
const DATABASES: [(&str, &str); 8] = [
    ("trading", "xchange_trading"),
    ("finance", "xchange_finance"),
    ("live", "xchangelive"),
    ("chat", "xchange_chat"),
    ("performance", "xchange_performance"),
    ("concontrol", "xchange_concontrol"),
    ("claim", "xchange_claim"),
    ("payment", "xchange_payment"),
];

/// The example's files; for the original with today's name of the snapshot mode.
fn files(folder: &Path, original: bool) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for kind in ["sources/mariadb", "sinks/postgres"] {
        for (name, _) in DATABASES {
            let text = fs::read_to_string(format!("{EXAMPLE}/connectors/{kind}/{name}.json"))?;
            let text = if original {
                text.replace("\"schema_only\"", "\"no_data\"")
            } else {
                text
            };
            let file = folder.join(format!("{}-{name}.json", kind.replace('/', "-")));
            fs::write(&file, text)?;
            files.push(file);
        }
    }
    Ok(files)
}

/// Posts the files with the client, as the example's Makefile does.
fn apply(
    url: &str,
    files: &[PathBuf],
    source: &MySqlServer,
    sink: (&str, &str),
    kafka: &str,
) -> Result<()> {
    let mut command = Command::new(tidegate_binary()?);
    command
        .args(["connectors", "apply", "--url", url, "--timeout", "300"])
        .args(files)
        .env("KAFKA_BOOTSTRAP_SERVERS", kafka)
        .env("SINK_DB_URL", sink.0)
        .env("SINK_DB_USER", sink.1)
        .env("SINK_DB_PASSWORD", "unused");
    for (name, database) in DATABASES {
        let variable = |what: &str| format!("{}_{what}", name.to_uppercase());
        command
            .env(variable("HOST"), "127.0.0.1")
            .env(variable("PORT"), source.port().to_string())
            .env(variable("USER"), source.user())
            .env(variable("PASS"), source.password())
            .env(variable("TABLE_ALLOWLIST"), format!("{database}\\..*"));
    }
    let output = command.output()?;
    ensure!(output.status.success(), "{url}: {output:?}");
    Ok(())
}

#[tokio::test]
async fn the_same_files_give_the_same_tables() -> Result<()> {
    // Two servers with the same content: a server takes one replica of an id, and the ids are in the files.
    let (first, second) = (
        MariaDb::start(MySqlOptions::default()).await?,
        MariaDb::start(MySqlOptions::default()).await?,
    );
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let target = Postgres::start(PostgresOptions {
        settings: vec!["max_connections=300".to_owned()],
        ..PostgresOptions::default()
    })
    .await?;
    let sources = [first, second];
    let mut props = kafka.distributed_props();
    // A pattern of topics finds new ones when metadata is read again.
    props.insert("consumer.metadata.max.age.ms".to_owned(), "2000".to_owned());
    props.insert("offset.flush.interval.ms".to_owned(), "1000".to_owned());
    let jvm = JvmConnect::start_with(ConnectOptions::default(), &props).await?;
    let own = Properties::from([("offset.flush.interval.ms".to_owned(), "1000".to_owned())]);
    let tidegate = TidegateWorker::start(Mode::Distributed, &own).await?;
    for (name, database) in DATABASES {
        let columns = if name == "chat" {
            "id BIGINT PRIMARY KEY, body TEXT"
        } else {
            "id INT PRIMARY KEY, active BIT(1) NOT NULL, deleted TINYINT(1), total DECIMAL(12,2), \
             note VARCHAR(40), placed DATETIME(3), seen TIMESTAMP NULL, day DATE, ratio DOUBLE"
        };
        let sql =
            format!("CREATE DATABASE {database}; CREATE TABLE {database}.{name}_rows ({columns})");
        for source in &sources {
            source.exec("", &sql).await?;
        }
    }
    let mut databases = Vec::new();
    let folder = tempfile::tempdir()?;
    let workers = [("jvm", jvm.url()), ("tidegate", tidegate.url())];
    for ((what, url), source) in workers.into_iter().zip(&sources) {
        let database = target.create_database(what).await?;
        target.exec(&database, "CREATE SCHEMA mp_cdc").await?;
        let folder = folder.path().join(what);
        fs::create_dir(&folder)?;
        let files = files(&folder, what == "jvm")?;
        assert_eq!(files.len(), 16);
        let sink = target.jdbc_url(&database) + "?sslmode=disable";
        apply(
            url,
            &files,
            source,
            (&sink, target.user()),
            kafka.bootstrap(),
        )?;
        databases.push(database);
    }
    let row = |name: &str, id: i32| {
        if name == "chat" {
            format!("INSERT INTO chat_rows VALUES ({id}, 'hallo ä€')")
        } else {
            format!(
                "INSERT INTO {name}_rows VALUES ({id}, b'1', 0, 10.50, 'nö{id}', '2026-01-02 03:04:05.678', \
                 '2026-01-02 03:04:05', '2026-01-02', 0.25)"
            )
        }
    };
    // RUNNING does not mean that streaming has begun: rows are written until each table is there.
    let mut id = 0;
    for (name, schema) in DATABASES {
        let table = format!("SELECT count(*) FROM mp_cdc.{name}_rows");
        let ids = std::cell::Cell::new(id);
        eventually(DEADLINE, &table, || async {
            ids.set(ids.get() + 1);
            for source in &sources {
                source.exec(schema, &row(name, ids.get())).await?;
            }
            for database in &databases {
                let rows = target
                    .rows(database, &table)
                    .await
                    .context(database.clone())?;
                ensure!(rows[0][0].as_deref() != Some("0"), "{database}: no rows");
            }
            Ok(())
        })
        .await?;
        id = ids.get();
    }
    for (name, schema) in DATABASES {
        for id in 1_000_001..1_000_004 {
            for source in &sources {
                source.exec(schema, &row(name, id)).await?;
            }
        }
        let text = if name == "chat" { "body" } else { "note" };
        let changes = format!(
            "UPDATE {name}_rows SET {text} = NULL WHERE id = 1000001; DELETE FROM {name}_rows WHERE id = 1000002; \
             UPDATE {name}_rows SET id = 1000009 WHERE id = 1000003"
        );
        for source in &sources {
            source.exec(schema, &changes).await?;
        }
    }
    let [jvm_target, our_target] = &databases[..] else {
        unreachable!("two workers");
    };
    for (name, _) in DATABASES {
        let sql = format!("SELECT * FROM mp_cdc.{name}_rows WHERE id > 1000000 ORDER BY id");
        eventually(DEADLINE, &sql, || async {
            let ours = target.rows(our_target, &sql).await?;
            let java = target.rows(jvm_target, &sql).await?;
            let ids: Vec<_> = ours.iter().map(|row| row[0].as_deref()).collect();
            ensure!(ids == [Some("1000001"), Some("1000009")], "ours: {ours:?}");
            ensure!(ours == java, "{ours:?}\ninstead of\n{java:?}");
            Ok(())
        })
        .await?;
    }
    let columns = "SELECT table_name, column_name, data_type, is_nullable, ordinal_position::text \
                   FROM information_schema.columns WHERE table_schema = 'mp_cdc' ORDER BY 1, 5";
    let java = target.rows(jvm_target, columns).await?;
    ensure!(java.len() > 60, "{java:?}");
    assert_eq!(target.rows(our_target, columns).await?, java);
    // The client shows the original's connectors, too, and no password.
    let client = |args: &[&str]| -> Result<String> {
        let output = Command::new(tidegate_binary()?)
            .arg("connectors")
            .args(args)
            .args(["--url", jvm.url()])
            .output()?;
        ensure!(output.status.success(), "{args:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let list = client(&["list"])?;
    ensure!(list.matches("1 RUNNING").count() == 16, "{list}");
    let config = client(&["config", "mariadb-chat-connector"])?;
    ensure!(!config.contains(sources[0].password()), "{config}");
    for args in [
        &["status", "postgres-sink-chat"][..],
        &["offsets", "mariadb-chat-connector"],
        &["plugins", "--all"],
        &["restart", "postgres-sink-chat"],
        &["pause", "postgres-sink-claim"],
        &["resume", "postgres-sink-claim"],
        &["stop", "postgres-sink-payment"],
        &["list", "--output", "json"],
        &["delete", "postgres-sink-payment"],
    ] {
        client(args)?;
    }
    Ok(())
}
