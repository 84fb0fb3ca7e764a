//! The JVM worker and this one take over from each other, on the same broker, group and internal topics.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::{
    JvmConnect, KafkaBroker, KafkaOptions, MariaDb, Message, Mode, MySqlOptions, MySqlServer,
    Properties, Rest, TidegateWorker, eventually, read_topic,
};

const DEADLINE: Duration = Duration::from_mins(3);
const TOPIC: &str = "shop.shop.t";
const KEYS: u64 = 20;

struct Servers {
    kafka: KafkaBroker,
    source: MySqlServer,
    props: Properties,
}

impl Servers {
    async fn start() -> Result<Self> {
        let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
        let source =
            MariaDb::start(MySqlOptions::default().arg("--innodb-flush-log-at-trx-commit=2"))
                .await?;
        let table =
            "CREATE DATABASE shop; USE shop; CREATE TABLE t (k INT PRIMARY KEY, n INT, s VARCHAR(40));
                     INSERT INTO t SELECT seq, 0, 'start' FROM seq_1_to_20";
        source.exec("", table).await?;
        let mut props = kafka.distributed_props();
        for (name, value) in [
            ("offset.flush.interval.ms", "500"),
            ("session.timeout.ms", "6000"),
            ("heartbeat.interval.ms", "1000"),
            ("scheduled.rebalance.max.delay.ms", "0"),
        ] {
            props.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self {
            kafka,
            source,
            props,
        })
    }

    fn connector(&self) -> Value {
        let mut config = json!({
            "connector.class": "io.debezium.connector.mariadb.MariaDbConnector", "tasks.max": "1",
            "database.server.id": "7001", "topic.prefix": "shop", "database.include.list": "shop",
            "schema.history.internal.kafka.bootstrap.servers": self.kafka.bootstrap(),
            "schema.history.internal.kafka.topic": "shop.history",
        });
        let all = config.as_object_mut().expect("an object");
        for (name, value) in self.source.connector_props() {
            all.insert(name, value.into());
        }
        config
    }

    /// Counts every key up by one, `rounds` times.
    async fn count(&self, from: u64, rounds: u64) -> Result<u64> {
        for n in from + 1..=from + rounds {
            let sql = format!("UPDATE t SET n = {n}, s = 'round {n}'");
            self.source.exec("shop", &sql).await?;
        }
        Ok(from + rounds)
    }

    async fn topic(&self) -> Result<Vec<Message>> {
        read_topic(self.kafka.bootstrap(), TOPIC).await
    }

    /// Waits until each key has been counted up to `n`, without a gap.
    async fn arrives(&self, n: u64) -> Result<()> {
        eventually(DEADLINE, &format!("round {n} arrives"), || async {
            let reached = sequences(&self.topic().await?)?;
            let all = u64::try_from(reached.len())? == KEYS;
            ensure!(
                all && reached.values().all(|last| *last == n),
                "{reached:?}"
            );
            Ok(())
        })
        .await
    }

    /// Waits for the first event after `n`.
    async fn goes_on(&self, n: u64) -> Result<()> {
        eventually(DEADLINE, &format!("events after round {n}"), || async {
            let reached = sequences(&self.topic().await?)?;
            ensure!(reached.values().any(|last| *last > n), "{reached:?}");
            Ok(())
        })
        .await
    }
}

/// The last number of each key.
///
/// # Errors
/// If a key's numbers have a gap. A number may come again; what follows then begins with it.
fn sequences(messages: &[Message]) -> Result<BTreeMap<u64, u64>> {
    let mut reached = BTreeMap::new();
    for message in messages {
        let value = message.value_json()?;
        let value = value.get("payload").unwrap_or(&value);
        let after = &value["after"];
        let key = after["k"].as_u64().context("a key")?;
        let number = after["n"].as_u64().context("a number")?;
        let next = reached.get(&key).map_or(0, |last| last + 1);
        ensure!(
            number <= next,
            "key {key}: {number} at offset {} instead of {next}",
            message.offset
        );
        reached.insert(key, number.max(next.saturating_sub(1)));
    }
    Ok(reached)
}

/// What a topic that is compacted holds in the end: the last value of each key.
async fn table(kafka: &KafkaBroker, topic: &str) -> Result<BTreeMap<String, Option<String>>> {
    let messages = read_topic(kafka.bootstrap(), topic).await?;
    Ok(messages
        .iter()
        .map(|message| {
            let value = message.value.as_ref().map(|_| message.value_text());
            (message.key_text(), value)
        })
        .collect())
}

async fn runs(rest: &Rest) -> Result<()> {
    rest.wait_running("shop").await.map(drop)
}

/// Members of a JSON object in order.
fn members(text: &str) -> Result<Vec<String>> {
    let value: Value = serde_json::from_str(text)?;
    let value = value.as_object().context("an object")?;
    Ok(value.keys().cloned().collect())
}

#[tokio::test]
async fn workers_take_over_from_each_other() -> Result<()> {
    let servers = Servers::start().await?;
    let kafka = &servers.kafka;
    let jvm = JvmConnect::start(&servers.props).await?;
    jvm.rest().put_config("shop", &servers.connector()).await?;
    runs(&jvm.rest()).await?;
    // RUNNING does not mean that the snapshot is done.
    servers.arrives(0).await?;
    let mut n = servers.count(0, 30).await?;
    servers.arrives(n).await?;
    let before = n;
    let death = async {
        servers.goes_on(before).await?;
        jvm.kill9();
        Ok(())
    };
    (n, ()) = tokio::try_join!(servers.count(n, 300), death)?;
    n = servers.count(n, 30).await?;
    let configs = table(kafka, &servers.props["config.storage.topic"]).await?;
    let offsets = table(kafka, &servers.props["offset.storage.topic"]).await?;
    let statuses = table(kafka, &servers.props["status.storage.topic"]).await?;

    // This worker, under the same properties, without any post.
    let worker = TidegateWorker::start(Mode::Distributed, &servers.props).await?;
    runs(&worker.rest()).await?;
    servers.arrives(n).await?;
    let schema = "ALTER TABLE t ADD COLUMN extra VARCHAR(10) DEFAULT 'x'";
    servers.source.exec("shop", schema).await?;
    n = servers.count(n, 30).await?;
    servers.arrives(n).await?;
    eventually(DEADLINE, "an offset is stored", || async {
        let now = table(kafka, &servers.props["offset.storage.topic"]).await?;
        ensure!(now != offsets, "{now:?}");
        Ok(())
    })
    .await?;
    let now = table(kafka, &servers.props["offset.storage.topic"]).await?;
    // The same keys to the byte, with the same members in their values.
    assert_eq!(
        now.keys().collect::<Vec<_>>(),
        offsets.keys().collect::<Vec<_>>()
    );
    let now = table(kafka, &servers.props["config.storage.topic"]).await?;
    let own = |table: &BTreeMap<String, Option<String>>| {
        let mut table = table.clone();
        table.remove("session-key");
        table
    };
    assert_eq!(own(&now), own(&configs));
    let now = table(kafka, &servers.props["status.storage.topic"]).await?;
    for (key, value) in &statuses {
        let theirs = value.as_deref().context("a status")?;
        let ours = now[key].as_deref().context("a status")?;
        assert_eq!(members(ours)?, members(theirs)?, "{key}");
    }

    // And back, after a death in mid-stream.
    let before = n;
    let death = async {
        servers.goes_on(before).await?;
        worker.kill9();
        Ok(())
    };
    (n, ()) = tokio::try_join!(servers.count(n, 300), death)?;
    n = servers.count(n, 30).await?;
    // The JVM's does not wait for the end of a session of another kind.
    let jvm_again = || async {
        jvm.start_again().await?;
        runs(&jvm.rest()).await
    };
    eventually(DEADLINE, "the JVM worker is back", jvm_again).await?;
    servers.arrives(n).await?;
    n = servers.count(n, 30).await?;
    servers.arrives(n).await?;
    let errors: Vec<_> = jvm
        .log()
        .lines()
        .filter(|line| line.contains("] ERROR"))
        .map(str::to_owned)
        .collect();
    assert!(
        errors.iter().all(|line| !line.contains("storage")),
        "{errors:#?}"
    );

    // While it runs, this one is refused by name.
    let refused = TidegateWorker::start(Mode::Distributed, &servers.props)
        .await
        .expect_err("the group is held");
    let text = format!("{refused:?}");
    assert!(
        text.contains("a JVM Connect worker at http://127.0.0.1"),
        "{text}"
    );
    Ok(())
}
