//! Changes at random, and what a topic must have of them.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use tidegate_integration_tests::{CdcPipeline, Message, SERVER_DEADLINE, TextRow, eventually, row};

/// Keys of rows that come later begin here, of rows whose key has changed there.
const NEW: u64 = 1_000_000;
const MOVED: u64 = 5_000_000;

/// Changes `t`: each row has a version `v` that begins with 0 and grows by one with each update.
pub(crate) struct Load {
    rows: u64,
    next: u64,
    seed: u64,
}

impl Load {
    /// Creates the table with keys from 1 to `rows`.
    pub(crate) async fn start(pipeline: &CdcPipeline, rows: u64) -> Result<Self> {
        let table =
            "CREATE TABLE t (id INT PRIMARY KEY, v INT NOT NULL, note VARCHAR(100) NOT NULL)";
        pipeline.source.exec("shop", table).await?;
        let digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 \
                       UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
        let insert = format!(
            "INSERT INTO t SELECT n, 0, repeat('x', 60) FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * d.d + 10000 * e.d + 1 n \
             FROM {digits} a, {digits} b, {digits} c, {digits} d, {digits} e) numbers WHERE n <= {rows}"
        );
        pipeline.source.exec("shop", &insert).await?;
        let seed = u64::from(std::process::id()) << 8 | rows & 0xff;
        #[expect(clippy::print_stdout, reason = "a failed test shows it")]
        {
            println!("seed {seed}");
        }
        Ok(Self {
            rows,
            next: NEW,
            seed,
        })
    }

    pub(crate) fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below
    }

    /// Updates, a delete, an insert and a change of a key, each in a transaction of its own; the inserted key.
    pub(crate) async fn step(&mut self, pipeline: &CdcPipeline) -> Result<u64> {
        let (rows, inserted) = (self.rows, self.next);
        self.next += 1;
        let (group, gone, moved) = (
            self.random(500),
            self.random(rows) + 1,
            self.random(rows) + 1,
        );
        let sql = format!(
            "UPDATE t SET v = v + 1 WHERE id % 500 = {group}; DELETE FROM t WHERE id = {gone}; \
             INSERT INTO t VALUES ({inserted}, 0, 'new'); UPDATE t SET id = id + {MOVED} WHERE id = {moved}; \
             UPDATE t SET v = v + 1 WHERE id > {inserted} - 5 AND id <= {inserted}"
        );
        pipeline.source.exec("shop", &sql).await?;
        Ok(inserted)
    }

    /// A step, and waits until the target has it: only that proves that both tasks run.
    pub(crate) async fn arrives(&mut self, pipeline: &CdcPipeline) -> Result<()> {
        let id = self.step(pipeline).await?;
        let sql = format!("SELECT id FROM t WHERE t.id = {id}");
        eventually(SERVER_DEADLINE, &sql, || async {
            let rows = pipeline.target.rows("postgres", &sql).await?;
            ensure!(rows.len() == 1, "{}", pipeline.worker.log_tail());
            Ok(())
        })
        .await
    }

    /// Both sides are equal; then, with the worker stopped, the topic leads to the same rows and no key's versions have a
    /// gap.
    pub(crate) async fn nothing_is_lost(&self, pipeline: &CdcPipeline) -> Result<()> {
        pipeline.sides_agree("id, v, note").await?;
        pipeline.worker.stop().await?;
        let rows = pipeline.source.rows("shop", "SELECT id, v FROM t").await?;
        let records = pipeline.topic("shop.shop.t").await?;
        check_versions(&records, self.rows, &rows)
    }
}

/// What the records so far say of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Live(u64),
    Gone(u64),
}

/// A worker that comes back repeats records from an earlier one on, in order: a record is at most one version ahead of
/// the one before it. Only a snapshot may take a row where it finds it.
fn check_versions(records: &[Message], rows: u64, source: &[TextRow]) -> Result<()> {
    let mut known: BTreeMap<u64, Known> = BTreeMap::new();
    for record in records {
        let place = || {
            format!(
                "offset {}: {} {}",
                record.offset,
                record.key_text(),
                record.value_text()
            )
        };
        let key = payload(serde_json::from_str(&record.key_text()).with_context(place)?);
        let id = key["id"].as_u64().with_context(place)?;
        let change = payload(record.value_json()?);
        if change.is_null() {
            ensure!(
                matches!(known.get(&id), Some(Known::Gone(_))),
                "a tombstone before its delete, {}",
                place()
            );
            continue;
        }
        // Rows that were there before the connector have version 0, also if the snapshot did not come to them.
        let before = known
            .get(&id)
            .copied()
            .or((id <= rows).then_some(Known::Live(0)));
        let next = match (change["op"].as_str(), before) {
            (Some("r"), _) => Known::Live(change["after"]["v"].as_u64().with_context(place)?),
            (Some("c"), _) => {
                let version = change["after"]["v"].as_u64().with_context(place)?;
                ensure!(
                    version == 0 || id >= MOVED,
                    "begins with version {version}, {}",
                    place()
                );
                Known::Live(version)
            }
            (Some("u"), Some(before)) => {
                let version = change["after"]["v"].as_u64().with_context(place)?;
                let expected = match before {
                    Known::Live(last) => last + 1,
                    Known::Gone(last) => last,
                };
                ensure!(
                    version <= expected,
                    "version {version} follows {before:?}, {}",
                    place()
                );
                Known::Live(version)
            }
            (Some("d"), Some(Known::Live(last) | Known::Gone(last))) => {
                let version = change["before"]["v"].as_u64().with_context(place)?;
                ensure!(
                    version <= last,
                    "version {version} is deleted after {last}, {}",
                    place()
                );
                Known::Gone(version)
            }
            _ => bail!("begins with a change, {}", place()),
        };
        known.insert(id, next);
    }
    let mut expected = BTreeMap::new();
    for row in source {
        let number = |index: usize| {
            row[index]
                .as_deref()
                .context("not null")?
                .parse::<u64>()
                .map_err(anyhow::Error::from)
        };
        expected.insert(number(0)?, Known::Live(number(1)?));
    }
    for (id, version) in &expected {
        ensure!(
            known.get(id) == Some(version),
            "key {id} ends with {:?}, the source has {version:?}",
            known.get(id)
        );
    }
    let more = known
        .iter()
        .find(|(id, last)| matches!(last, Known::Live(_)) && !expected.contains_key(id));
    ensure!(more.is_none(), "the source does not have {more:?}");
    Ok(())
}

/// What JSON with or without a schema carries.
fn payload(mut json: Value) -> Value {
    match json.get_mut("payload") {
        Some(payload) => payload.take(),
        None => json,
    }
}

/// A record of key 7 from versions before and after, as the topic has it.
fn change(op: &str, before: Option<u64>, after: Option<u64>) -> Message {
    let row = |version: Option<u64>| version.map(|v| serde_json::json!({"id": 7, "v": v}));
    let value = serde_json::json!({"op": op, "before": row(before), "after": row(after)});
    Message {
        partition: 0,
        offset: 0,
        key: Some("{\"id\":7}".into()),
        value: Some(value.to_string().into()),
        headers: Vec::new(),
        timestamp: None,
    }
}

#[test]
fn gaps_are_found_and_repeats_are_not() {
    let update = |version: u64| change("u", Some(version - 1), Some(version));
    let check = |records: &[Message], version: Option<&str>| {
        let source: Vec<TextRow> = version.map(|v| row(&["7", v])).into_iter().collect();
        check_versions(records, 10, &source).is_ok()
    };
    let read = |version: u64| change("r", None, Some(version));
    assert!(check(
        &[
            read(0),
            update(1),
            update(2),
            update(1),
            update(2),
            update(3)
        ],
        Some("3")
    ));
    assert!(check(&[read(0), read(2), update(1), update(2)], Some("2")));
    assert!(!check(&[read(0), update(1), update(3)], Some("3")));
    assert!(!check(
        &[read(0), update(1), update(2), update(1), update(3)],
        Some("3")
    ));
    assert!(!check(&[read(0), update(1)], Some("2")));
    assert!(!check(&[update(2)], Some("2")));
    let delete = |version: u64| change("d", Some(version), None);
    assert!(check(&[read(0), update(1), delete(1)], None));
    assert!(!check(&[read(0), update(1), delete(2)], None));
    assert!(!check(&[read(0), update(1)], None));
    assert!(!check(&[], Some("1")));
}
