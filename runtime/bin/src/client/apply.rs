//! `apply`: files to connectors that run.
//!
//! A status belongs to no version of a configuration, so that right after an update one may still see what was before.
//! Therefore a good state counts once it has lasted for a while, and a failure that was there before the update counts
//! only if it is still there after a longer while.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use futures::future::join_all;
use serde_json::{Value as Json, json};
use tidegate_api::Props;
use tokio::time::{Instant, sleep};

use super::environment::Environment;
use super::rest::{self, Rest};
use super::secrets::{MASK, Secrets};
use super::status::{ConnectorStatus, Failure, Phase};
use super::{Format, output};
use crate::worker::connector_file;

const CONNECTOR_CLASS: &str = "connector.class";
const NAME: &str = "name";

/// A connector as its file describes it, variables replaced.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) config: Props,
    initial_state: Option<String>,
}

impl Definition {
    /// Reads a file in either of Connect's JSON shapes, or properties. `name` is for a file that has none.
    pub(super) fn read(
        path: &Path,
        name: Option<&str>,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let place = path.display();
        let file = connector_file(path)?;
        let mut unset = BTreeSet::new();
        let mut config: Props = file
            .config
            .iter()
            .map(|(key, value)| (key.to_owned(), environment.substitute(value, &mut unset)))
            .collect();
        if !unset.is_empty() {
            let unset: Vec<_> = unset.into_iter().collect();
            bail!(
                "'{place}' needs {}: set in the environment or in an --env-file",
                unset.join(", ")
            );
        }
        if let Some((key, _)) = config.iter().find(|(_, value)| *value == MASK) {
            bail!(
                "'{place}': {key} is masked; `config --show-secrets` shows configurations that can be applied again"
            );
        }
        let name = match (config.raw(NAME), name) {
            (Some(own), Some(other)) if own != other => {
                bail!("'{place}' is of connector '{own}', not of '{other}' (--name)")
            }
            (Some(name), _) | (None, Some(name)) => name.to_owned(),
            (None, None) => bail!("'{place}' has no name: add it there or give --name"),
        };
        config.set(NAME, name.clone());
        let definition = Self {
            name,
            config,
            initial_state: file.initial_state,
        };
        // Workers answer this mistake with the whole configuration, passwords included.
        definition
            .class()
            .map_err(|error| anyhow::anyhow!("'{place}': {error}"))?;
        Ok(definition)
    }

    pub(super) fn class(&self) -> anyhow::Result<&str> {
        match self.config.raw(CONNECTOR_CLASS) {
            Some(class) if !class.trim().is_empty() => Ok(class),
            _ => bail!(
                "the configuration of '{}' has no {CONNECTOR_CLASS}",
                self.name
            ),
        }
    }

    pub(super) fn config_json(&self) -> Json {
        self.config
            .iter()
            .map(|(key, value)| (key.to_owned(), Json::from(value)))
            .collect()
    }
}

/// Sends all definitions, then waits for all.
///
/// # Errors
/// If one is refused, fails or does not come to run in time; the others go on.
pub(super) async fn apply(
    rest: &Rest,
    definitions: &[Definition],
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut sent = Vec::with_capacity(definitions.len());
    for definition in definitions {
        let result = send(rest, definition).await;
        if let (Ok(applied), Format::Table) = (&result, format) {
            writeln!(
                out,
                "{}: {}, waiting until it runs",
                definition.name, applied.action
            )?;
            out.flush()?;
        }
        sent.push(result);
    }
    let outcomes = definitions
        .iter()
        .zip(sent)
        .map(async |(definition, sent)| {
            let secrets = Secrets::of(&definition.config);
            let (action, result) = match sent {
                Ok(applied) => (applied.action, wait(rest, definition, applied).await),
                Err(error) => ("refused", Err(error)),
            };
            (
                &definition.name,
                action,
                result.map_err(|error| secrets.redact_error(&error)),
            )
        });
    let outcomes = join_all(outcomes).await;
    let bad = outcomes
        .iter()
        .filter(|(_, _, result)| result.is_err())
        .count();
    match format {
        Format::Table => {
            for (name, _, result) in &outcomes {
                match result {
                    Ok(status) => {
                        let tasks = status.tasks_summary();
                        writeln!(out, "{name}: {}, tasks: {tasks}", status.state())?;
                    }
                    Err(error) => writeln!(out, "{name}: {error:#}")?,
                }
            }
        }
        Format::Json => {
            let list = outcomes.iter().map(|(name, action, result)| match result {
                Ok(status) => json!({
                    "name": name, "action": action, "state": status.state(),
                    "tasks": status.tasks.iter().map(|task| &task.instance.state).collect::<Vec<_>>(),
                }),
                Err(error) => json!({"name": name, "action": action, "error": format!("{error:#}")}),
            });
            output::write_json(out, &list.collect())?;
        }
    }
    if bad > 0 {
        bail!(
            "{bad} of {} connectors could not be applied",
            outcomes.len()
        );
    }
    Ok(())
}

/// What the worker has taken.
struct Applied {
    action: &'static str,
    settle: Duration,
    /// What had failed before.
    failures: Vec<Failure>,
}

async fn send(rest: &Rest, definition: &Definition) -> anyhow::Result<Applied> {
    let connector = rest::connector(&definition.name);
    let known: Option<Json> = rest.find(&connector).await?;
    let before: Option<ConnectorStatus> = match known {
        Some(_) => rest.find(&format!("{connector}/status")).await?,
        None => None,
    };
    let config = definition.config_json();
    match (&known, &definition.initial_state) {
        (None, Some(state)) => {
            let body = json!({"name": definition.name, "config": config, "initial_state": state});
            rest.post("/connectors", Some(&body)).await?;
        }
        _ => {
            rest.put(&format!("{connector}/config"), Some(&config))
                .await?;
        }
    }
    let (action, settle) = match known {
        Some(_) => ("updated", rest.pace.settle_updated),
        None => ("created", rest.pace.settle_new),
    };
    Ok(Applied {
        action,
        settle,
        failures: before.map(|status| status.failures()).unwrap_or_default(),
    })
}

/// The connector's status once it runs, or is paused or stopped for good.
async fn wait(
    rest: &Rest,
    definition: &Definition,
    applied: Applied,
) -> anyhow::Result<ConnectorStatus> {
    let connector = rest::connector(&definition.name);
    let started = Instant::now();
    let mut good: Option<(Phase, Instant)> = None;
    loop {
        let info: Option<Json> = rest.find(&connector).await?;
        let tasks = info
            .and_then(|info| info["tasks"].as_array().map(Vec::len))
            .unwrap_or(0);
        let status: ConnectorStatus = rest
            .find(&format!("{connector}/status"))
            .await?
            .unwrap_or_default();
        let phase = status.phase(tasks);
        match phase {
            Phase::Changing => good = None,
            Phase::Failed => {
                good = None;
                let failures = status.failures();
                let may_be_stale = failures.iter().all(|f| applied.failures.contains(f));
                if !may_be_stale || started.elapsed() >= rest.pace.stale_failure {
                    let failures: Vec<_> = failures.iter().map(ToString::to_string).collect();
                    let hint = if may_be_stale {
                        format!(
                            "\n  This failure is older than the update; `restart {} --only-failed` tries again.",
                            definition.name
                        )
                    } else {
                        String::new()
                    };
                    bail!("{}{hint}", failures.join("\n"));
                }
            }
            Phase::Running | Phase::Paused | Phase::Stopped => match good {
                Some((since_phase, since)) if since_phase == phase => {
                    if since.elapsed() >= applied.settle {
                        return Ok(status);
                    }
                }
                _ => good = Some((phase, Instant::now())),
            },
        }
        if started.elapsed() >= rest.pace.timeout {
            bail!(
                "does not run after {} s (--timeout): connector {}, tasks: {}",
                rest.pace.timeout.as_secs(),
                status.state(),
                status.tasks_summary()
            );
        }
        sleep(rest.pace.poll).await;
    }
}
