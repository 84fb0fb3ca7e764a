//! The connectors that the generated requests find: one in each state. What a request has changed is put right again
//! before the next one.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tidegate_integration_tests::eventually;

use crate::wire::{Asked, FOLDER, Request};

const DEADLINE: Duration = Duration::from_mins(2);

/// A connector as every request finds it.
struct Standard {
    name: &'static str,
    config: Value,
    /// Of the connector and of its tasks; no task without a state of its own.
    state: &'static str,
    task_state: Option<&'static str>,
    /// Members of `offsets` that are waited for, and set if the connector is stopped; null if they cannot be asked for.
    offsets: Value,
    /// That are used at first.
    topics: &'static [&'static str],
}

fn standards() -> [Standard; 7] {
    let source = |topic: &str, file: &str| {
        json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "file": format!("{FOLDER}/{file}"), "topic": topic,
        })
    };
    let sink = |file: &str| {
        json!({
            "connector.class": "FileStreamSink", "tasks.max": "1", "file": format!("{FOLDER}/{file}"), "topics": "lines",
        })
    };
    let mut failing = source("failing", "in.txt");
    failing["transforms"] = json!("cast");
    failing["transforms.cast.type"] = json!("org.apache.kafka.connect.transforms.Cast$Value");
    failing["transforms.cast.spec"] = json!("int32");
    let mut broken = source("broken", "in.txt");
    broken["topic.creation.default.partitions"] = json!("x");
    let read = |position: u64| json!([{"partition": {"filename": format!("{FOLDER}/in.txt")}, "offset": {"position": position}}]);
    let consumed = |offset: u64| json!([{"partition": {"kafka_topic": "lines", "kafka_partition": 0}, "offset": {"kafka_offset": offset}}]);
    let standard = |name, config, state, task_state, offsets, topics| Standard {
        name,
        config,
        state,
        task_state,
        offsets,
        topics,
    };
    [
        standard(
            "running",
            source("lines", "in.txt"),
            "RUNNING",
            Some("RUNNING"),
            read(8),
            &["lines"],
        ),
        standard(
            "paused",
            source("none", "none.txt"),
            "PAUSED",
            Some("PAUSED"),
            json!([]),
            &[],
        ),
        standard(
            "stopped",
            source("stopped", "in.txt"),
            "STOPPED",
            None,
            read(4),
            &[],
        ),
        standard("failed", failing, "RUNNING", Some("FAILED"), json!([]), &[]),
        standard("broken", broken, "FAILED", None, Value::Null, &[]),
        standard(
            "sink",
            sink("out.txt"),
            "RUNNING",
            Some("RUNNING"),
            consumed(2),
            &["lines"],
        ),
        standard(
            "sinkstopped",
            sink("other.txt"),
            "STOPPED",
            None,
            consumed(1),
            &[],
        ),
    ]
}

/// A worker with the connectors in the states that they should have.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) asked: Asked,
}

impl World {
    pub(crate) async fn new(url: &str, folder: &str) -> Result<Self> {
        std::fs::write(format!("{folder}/in.txt"), "one\ntwo\n")?;
        let world = Self {
            asked: Asked::new(url, folder),
        };
        world.bring(true).await?;
        Ok(world)
    }

    /// Null for what is no JSON: the original takes halves of surrogate pairs, and shows them.
    async fn get(&self, path: &str) -> Result<Option<Value>> {
        let heard = self.asked.ask(&Request::new("GET", path)).await?;
        match heard.status {
            200 => Ok(Some(serde_json::from_str(&heard.body).unwrap_or_default())),
            404 => Ok(None),
            status => bail!("GET {path}: {status} {}", heard.body),
        }
    }

    /// A conflict with a rebalance is no error: it is asked again.
    async fn change(&self, method: &str, path: &str, body: Option<Value>) -> Result<()> {
        let mut request = Request::new(method, path);
        if let Some(body) = body {
            request = request.json(body.to_string());
        }
        let heard = self.asked.ask(&request).await?;
        ensure!(
            (200..300).contains(&heard.status),
            "{method} {path}: {} {}",
            heard.status,
            heard.body
        );
        Ok(())
    }

    /// Brings all connectors into their states, whatever has happened to them.
    pub(crate) async fn restore(&self) -> Result<()> {
        self.bring(false).await
    }

    /// Offsets outlive what a request changes, so that nothing is read twice: topics that were forgotten are used no more,
    /// and are waited for only `at_first`.
    async fn bring(&self, at_first: bool) -> Result<()> {
        let what = format!(
            "the connectors of {} are in their states",
            self.asked.address
        );
        eventually(DEADLINE, &what, || async {
            self.delete_others().await?;
            for standard in standards() {
                self.mend(&standard, at_first).await?;
            }
            Ok(())
        })
        .await
    }

    async fn delete_others(&self) -> Result<()> {
        let names = self.get("/connectors").await?.context("a list")?;
        for name in names
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if standards().iter().all(|standard| standard.name != name) {
                let mut path = String::new();
                for byte in name.bytes() {
                    write!(path, "%{byte:02X}").expect("a string grows");
                }
                self.change("DELETE", &format!("/connectors/{path}"), None)
                    .await?;
            }
        }
        Ok(())
    }

    async fn mend(&self, standard: &Standard, at_first: bool) -> Result<()> {
        let Standard { name, state, .. } = standard;
        let path = format!("/connectors/{name}");
        let mut config = standard.config.clone();
        config["name"] = json!(name);
        match self.get(&format!("{path}/config")).await? {
            Some(found) if found == config => {}
            Some(_) => {
                self.change("PUT", &format!("{path}/config"), Some(config))
                    .await?;
                bail!("{name} was configured");
            }
            None => {
                let initial = if *state == "STOPPED" {
                    state
                } else {
                    "RUNNING"
                };
                let body = json!({"name": name, "config": config, "initial_state": initial});
                self.change("POST", "/connectors", Some(body)).await?;
                bail!("{name} was made");
            }
        }
        let status = self.get(&format!("{path}/status")).await?;
        let status = status.with_context(|| format!("{name} has no status"))?;
        let found = status["connector"]["state"].as_str().unwrap_or_default();
        let tasks: Vec<_> = status["tasks"].as_array().into_iter().flatten().collect();
        let without_task = *state == "PAUSED" && tasks.is_empty();
        if found != *state || without_task {
            let command = match *state {
                "STOPPED" => Some("stop"),
                // Only a connector that runs makes tasks, which are then paused.
                "PAUSED" if found != "RUNNING" => Some("resume"),
                "PAUSED" if tasks.iter().any(|task| task["state"] == "RUNNING") => Some("pause"),
                _ if ["STOPPED", "PAUSED"].contains(&found) => Some("resume"),
                _ => None,
            };
            if let Some(command) = command {
                self.change("PUT", &format!("{path}/{command}"), None)
                    .await?;
            }
            bail!("{name} is {status}");
        }
        let settled = match standard.task_state {
            Some(state) => tasks.len() == 1 && tasks[0]["state"] == state,
            None => tasks.is_empty(),
        };
        ensure!(settled, "{name} is {status}");
        self.mend_offsets(standard, &path).await?;
        if !at_first {
            return Ok(());
        }
        let topics = self
            .get(&format!("{path}/topics"))
            .await?
            .unwrap_or_default();
        ensure!(
            topics[*name]["topics"] == json!(standard.topics),
            "{name} has topics {topics}"
        );
        Ok(())
    }

    async fn mend_offsets(&self, standard: &Standard, path: &str) -> Result<()> {
        let Standard { name, state, .. } = standard;
        if standard.offsets.is_null() {
            return Ok(());
        }
        let path = format!("{path}/offsets");
        let found = self.get(&path).await?.unwrap_or_default();
        if found["offsets"] == standard.offsets {
            return Ok(());
        }
        if *state == "STOPPED" {
            self.change("DELETE", &path, None).await?;
            let body = json!({"offsets": standard.offsets});
            self.change("PATCH", &path, Some(body)).await?;
        }
        bail!("{name} is at {found} instead of {}", standard.offsets)
    }
}
