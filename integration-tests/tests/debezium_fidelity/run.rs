//! Runs a case through one or both workers on the same server.

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use mysql_async::prelude::Queryable as _;
use serde_json::{Map, Value, json};
use tidegate_integration_tests::{MySqlServer, Rest, eventually};

use super::case::{Case, Kind};
use super::masks::Base;

/// Generous: the machine may be busy.
const DEADLINE: Duration = Duration::from_mins(10);
/// All statements of a script carry this time, so that recordings can hold it.
const TIMESTAMP: &str = "SET timestamp=1700000000;\n";

/// A worker under comparison.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) rest: Rest,
    /// One letter that makes names of topics and connectors its own, at equal length.
    pub(crate) letter: char,
    pub(crate) history_servers: String,
    pub(crate) first_server_id: u32,
}

impl Side {
    pub(crate) fn prefix(&self, case: &Case, connector: &str) -> String {
        format!("{}-{}-{connector}", self.letter, case.name)
    }

    pub(crate) fn config(
        &self,
        kind: Kind,
        server: &MySqlServer,
        case: &Case,
        connector: &str,
        index: u32,
    ) -> Value {
        let prefix = self.prefix(case, connector);
        let mut config: Map<String, Value> = Map::from_iter([
            ("connector.class".to_owned(), json!(kind.class())),
            (
                "database.server.id".to_owned(),
                json!((self.first_server_id + index).to_string()),
            ),
            ("database.include.list".to_owned(), json!(case.database())),
            (
                "schema.history.internal.kafka.bootstrap.servers".to_owned(),
                json!(self.history_servers),
            ),
            (
                "schema.history.internal.kafka.topic".to_owned(),
                json!(format!("{prefix}.history")),
            ),
            ("topic.prefix".to_owned(), json!(prefix)),
        ]);
        for part in ["key", "value"] {
            let name = format!("{part}.converter");
            config.insert(
                name.clone(),
                json!("org.apache.kafka.connect.json.JsonConverter"),
            );
            config.insert(format!("{name}.schemas.enable"), json!("false"));
        }
        for (name, value) in server.connector_props() {
            config.insert(name, value.into());
        }
        let own = case.connectors[connector]
            .as_object()
            .cloned()
            .unwrap_or_default();
        config.extend(own);
        for value in config.values_mut() {
            if let Some(text) = value.as_str() {
                *value = json!(text.replace("{prefix}", &prefix));
            }
        }
        // An empty value stands for a setting that the case does without.
        config.retain(|_, value| value != "");
        Value::Object(config)
    }
}

/// Runs a case to its end through all sides; where the log stood before the changes.
pub(crate) async fn run(
    kind: Kind,
    server: &MySqlServer,
    case: &Case,
    sides: &[Side],
) -> Result<Base> {
    let database = case.database();
    let setup = format!(
        "{}\nCREATE TABLE {database}.zz_end (id INT NOT NULL PRIMARY KEY)",
        case.setup.trim().trim_end_matches(';').to_owned() + ";"
    );
    execute(kind, server, "", &setup).await?;
    for (connector, index) in case.connectors.keys().zip(0..) {
        for side in sides {
            let config = side.config(kind, server, case, connector, index);
            let name = side.prefix(case, connector);
            side.rest.put_config(&name, &config).await?;
        }
    }
    for connector in case
        .connectors
        .keys()
        .filter(|name| case.connectors[*name]["snapshot.mode"] != "never")
    {
        for side in sides {
            snapshot_done(side, &side.prefix(case, connector)).await?;
        }
    }
    let base = Base::read(kind, server).await?;
    let changes = format!("{TIMESTAMP}{}", case.changes);
    execute(kind, server, &database, &changes).await?;
    let streaming: Vec<String> = case
        .connectors
        .keys()
        .filter(|name| case.connectors[*name]["snapshot.mode"] != "initial_only")
        .cloned()
        .collect();
    if let Some(stopped) = &case.stopped {
        mark_and_wait(kind, server, case, sides, &streaming, 1).await?;
        for side in sides {
            for connector in case.connectors.keys() {
                side.rest.stop(&side.prefix(case, connector)).await?;
            }
        }
        for side in sides {
            for connector in case.connectors.keys() {
                let name = side.prefix(case, connector);
                eventually(DEADLINE, "tasks are gone", || async {
                    let status = side.rest.status(&name).await?;
                    ensure!(
                        status["tasks"].as_array().is_some_and(Vec::is_empty),
                        "{status}"
                    );
                    Ok(())
                })
                .await?;
            }
        }
        let begin = Base::read(kind, server).await?;
        let stopped = format!("{TIMESTAMP}{stopped}");
        execute(kind, server, &database, &stopped).await?;
        for (connector, index) in case.connectors.keys().zip(0..) {
            for side in sides {
                if let Some(changes) = case.resume.get(connector) {
                    let config = side.config(kind, server, case, connector, index);
                    change_stopped(side, &side.prefix(case, connector), config, changes, &begin)
                        .await?;
                }
            }
        }
        for side in sides {
            for connector in case.connectors.keys() {
                side.rest.resume(&side.prefix(case, connector)).await?;
            }
        }
        // A snapshot that begins again must not see the mark.
        let end = Base::read(kind, server).await?;
        for connector in case
            .connectors
            .keys()
            .filter(|name| case.connectors[*name]["snapshot.mode"] == "always")
        {
            for side in sides {
                let name = side.prefix(case, connector);
                reached(side, &name, &end).await?;
                snapshot_done(side, &name).await?;
            }
        }
    }
    mark_and_wait(kind, server, case, sides, &streaming, 2).await?;
    Ok(base)
}

/// Runs a script in one session.
///
/// MariaDB notes in a new file of its log, a moment after `FLUSH LOGS`, that the old one is done with (`Binlog_checkpoint`).
/// What comes next waits for that, or its places would differ from run to run.
async fn execute(kind: Kind, server: &MySqlServer, database: &str, script: &str) -> Result<()> {
    const FLUSH: &str = "FLUSH LOGS;";
    let mut session = server.connect(database).await?;
    for part in script.split_inclusive(FLUSH) {
        let done = session.query_drop(part).await;
        done.with_context(|| format!("could not execute {part}"))?;
        if kind == Kind::MariaDb && part.ends_with(FLUSH) {
            eventually(DEADLINE, "the new file has its checkpoint", || async {
                let file = Base::read(kind, server).await?.file;
                let events = format!("SHOW BINLOG EVENTS IN '{file}'");
                let events = server.rows("", &events).await?;
                let new = events.iter().filter_map(|event| {
                    let is_checkpoint = event[2].as_deref() == Some("Binlog_checkpoint");
                    is_checkpoint.then(|| event[5].as_deref()).flatten()
                });
                ensure!(new.into_iter().any(|at| at == file), "{events:?}");
                Ok(())
            })
            .await?;
        }
    }
    Ok(session.disconnect().await?)
}

/// What a case's `resume` says for a connector that is stopped.
async fn change_stopped(
    side: &Side,
    name: &str,
    mut config: Value,
    changes: &Value,
    begin: &Base,
) -> Result<()> {
    if let (Some(config), Some(changed)) = (config.as_object_mut(), changes["config"].as_object()) {
        for (key, value) in changed {
            let text = value.as_str().unwrap_or_default();
            config.insert(key.clone(), json!(text.replace("{prefix}", name)));
        }
    }
    side.rest.put_config(name, &config).await?;
    let Some(members) = changes["offset"].as_object() else {
        return Ok(());
    };
    let stored = side.rest.offsets(name).await?;
    let mut offset = stored["offsets"][0].clone();
    let place = offset["offset"].as_object_mut().context("an offset")?;
    place.insert("file".to_owned(), json!(begin.file));
    place.insert("pos".to_owned(), json!(begin.pos));
    if !begin.gtids.is_empty() {
        place.insert("gtids".to_owned(), json!(begin.gtids));
    }
    // The transaction that stored it is another one.
    place.remove("transaction_gtid");
    place.extend(members.clone());
    let body = json!({"offsets": [offset]});
    side.rest.patch_offsets(name, &body).await.map(drop)
}

/// Ends the connectors and the database.
pub(crate) async fn clear(server: &MySqlServer, case: &Case, sides: &[Side]) -> Result<()> {
    for side in sides {
        for connector in case.connectors.keys() {
            side.rest.delete(&side.prefix(case, connector)).await?;
        }
    }
    server
        .exec("", &format!("DROP DATABASE {}", case.database()))
        .await
}

/// A row that all streaming connectors can see; waits until its offset is stored.
async fn mark_and_wait(
    kind: Kind,
    server: &MySqlServer,
    case: &Case,
    sides: &[Side],
    connectors: &[String],
    mark: u32,
) -> Result<()> {
    let end = Base::read(kind, server).await?;
    let marker = format!("{TIMESTAMP}INSERT INTO zz_end VALUES ({mark})");
    server.exec(&case.database(), &marker).await?;
    // The beginning of its transaction has the place, too; the end is behind the row.
    let counted = format!(
        "transaction_data_collection_order_{}.zz_end",
        case.database()
    );
    for side in sides {
        for connector in connectors {
            offset_becomes(side, &side.prefix(case, connector), |offset| {
                let is_within = offset["transaction_id"].is_string();
                let is_end = offset.get(&counted).is_some() && offset.get("row").is_none();
                is_behind(offset, &end) && (is_end || !is_within)
            })
            .await?;
        }
    }
    Ok(())
}

pub(crate) async fn snapshot_done(side: &Side, name: &str) -> Result<()> {
    offset_becomes(side, name, |offset| offset.get("snapshot").is_none()).await
}

pub(crate) async fn reached(side: &Side, name: &str, end: &Base) -> Result<()> {
    offset_becomes(side, name, |offset| is_behind(offset, end)).await
}

fn is_behind(offset: &Value, end: &Base) -> bool {
    let file = offset["file"].as_str().unwrap_or_default();
    (file, offset["pos"].as_u64().unwrap_or(0)) >= (end.file.as_str(), end.pos)
}

/// Waits for a stored offset; fails at once if the task does.
async fn offset_becomes(side: &Side, name: &str, wanted: impl Fn(&Value) -> bool) -> Result<()> {
    let what = format!("{name} has stored its offset");
    eventually(DEADLINE, &what, || async {
        let status = side.rest.status(name).await?;
        let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
        let failed = std::iter::once(&status["connector"])
            .chain(tasks)
            .find(|part| part["state"] == "FAILED");
        if let Some(part) = failed {
            return Ok(Err(anyhow::anyhow!(
                "{name} has failed: {}",
                part["trace"].as_str().unwrap_or_default()
            )));
        }
        let offsets = side.rest.offsets(name).await?;
        let offset = &offsets["offsets"][0]["offset"];
        if offset.is_null() || !wanted(offset) {
            bail!("{offsets}");
        }
        Ok(Ok(()))
    })
    .await
    .flatten()
    .with_context(|| format!("side {}", side.letter))
}
