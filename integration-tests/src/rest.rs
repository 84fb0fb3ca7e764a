//! A client of Connect's REST API, for the original and for the worker under test.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use reqwest::{Client, Method};
use serde_json::Value;

use crate::wait::eventually;

/// Time for a connector to reach a state.
const STATE_DEADLINE: Duration = Duration::from_mins(3);
/// Kafka Connect itself takes up to 90 s for some answers.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(100);

/// What the worker answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// `Null` for an empty body, a string for one that is not JSON.
    pub body: Value,
}

impl Answer {
    /// The body, if the status says success.
    pub fn success(self) -> Result<Value> {
        ensure!(
            (200..300).contains(&self.status),
            "status {}: {}",
            self.status,
            self.body
        );
        Ok(self.body)
    }
}

/// A worker's REST API.
#[derive(Debug, Clone)]
pub struct Rest {
    url: String,
    client: Client,
}

impl Rest {
    pub fn new(url: &str) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            client: Client::builder()
                // Clients pass from one test's runtime to another's; connections cannot.
                .pool_max_idle_per_host(0)
                .timeout(REQUEST_TIMEOUT)
                .no_proxy()
                .build()
                .expect("these settings fit together"),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer> {
        let url = format!("{}{path}", self.url);
        let what = || format!("{method} {url}");
        let mut request = self.client.request(method.clone(), &url);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(what)?;
        let status = response.status().as_u16();
        let text = response.text().await.with_context(what)?;
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        Ok(Answer { status, body })
    }

    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.request(Method::GET, path, None).await
    }
    pub async fn put(&self, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.request(Method::PUT, path, body).await
    }
    pub async fn post(&self, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.request(Method::POST, path, body).await
    }

    /// Whether the worker answers and has joined its group.
    pub(crate) async fn ready(&self) -> Result<()> {
        self.get("/connectors").await?.success().map(drop)
    }

    /// Creates a connector or replaces its configuration; tries again while the group rebalances.
    pub async fn put_config(&self, name: &str, config: &Value) -> Result<Value> {
        let path = format!("/connectors/{name}/config");
        let result = eventually(STATE_DEADLINE, "the group is settled", || async {
            let answer = self.put(&path, Some(config)).await?;
            if answer.status == 409 {
                bail!("{}", answer.body);
            }
            Ok(answer.success())
        });
        result
            .await
            .flatten()
            .with_context(|| format!("connector {name}"))
    }

    pub async fn status(&self, name: &str) -> Result<Value> {
        self.get(&format!("/connectors/{name}/status"))
            .await?
            .success()
    }

    /// Waits until the connector and at least one task run, and all its tasks.
    ///
    /// # Errors
    /// With the trace, as soon as one of them has failed.
    pub async fn wait_running(&self, name: &str) -> Result<Value> {
        let what = format!("{name} is RUNNING");
        let result = eventually(STATE_DEADLINE, &what, || async {
            let status = self.status(name).await?;
            if let Some(trace) = failure(&status) {
                return Ok(Err(anyhow!("connector {name} has failed: {trace}")));
            }
            let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
            let running = |part: &Value| part["state"] == "RUNNING";
            ensure!(
                running(&status["connector"]) && !tasks.is_empty() && tasks.iter().all(running),
                "{status}"
            );
            Ok(Ok(status))
        });
        result.await.flatten()
    }

    /// Waits until the connector or one of its tasks has failed; its trace.
    pub async fn wait_failed(&self, name: &str) -> Result<String> {
        let what = format!("{name} is FAILED");
        eventually(STATE_DEADLINE, &what, || async {
            let status = self.status(name).await?;
            failure(&status).with_context(|| status.to_string())
        })
        .await
    }

    /// Waits until the connector and all its tasks have this state.
    pub async fn wait_state(&self, name: &str, state: &str) -> Result<Value> {
        let what = format!("{name} is {state}");
        eventually(STATE_DEADLINE, &what, || async {
            let status = self.status(name).await?;
            let tasks = status["tasks"].as_array().map_or(&[][..], Vec::as_slice);
            let mut parts = std::iter::once(&status["connector"]).chain(tasks);
            ensure!(parts.all(|part| part["state"] == state), "{status}");
            Ok(status)
        })
        .await
    }

    pub async fn delete(&self, name: &str) -> Result<()> {
        let path = format!("/connectors/{name}");
        self.request(Method::DELETE, &path, None)
            .await?
            .success()
            .map(drop)
    }
    /// Restarts the connector and all its tasks.
    pub async fn restart(&self, name: &str) -> Result<Value> {
        let path = format!("/connectors/{name}/restart?includeTasks=true");
        self.post(&path, None).await?.success()
    }
    pub async fn pause(&self, name: &str) -> Result<()> {
        self.command(name, "pause").await
    }
    pub async fn resume(&self, name: &str) -> Result<()> {
        self.command(name, "resume").await
    }
    pub async fn stop(&self, name: &str) -> Result<()> {
        self.command(name, "stop").await
    }
    /// Replaces stored offsets of a stopped connector.
    pub async fn patch_offsets(&self, name: &str, body: &Value) -> Result<Value> {
        let path = format!("/connectors/{name}/offsets");
        self.request(Method::PATCH, &path, Some(body))
            .await?
            .success()
    }
    pub async fn offsets(&self, name: &str) -> Result<Value> {
        self.get(&format!("/connectors/{name}/offsets"))
            .await?
            .success()
    }

    async fn command(&self, name: &str, command: &str) -> Result<()> {
        let path = format!("/connectors/{name}/{command}");
        self.put(&path, None).await?.success().map(drop)
    }
}

/// The trace of what has failed.
fn failure(status: &Value) -> Option<String> {
    let tasks = status["tasks"].as_array().into_iter().flatten();
    let mut parts = std::iter::once(&status["connector"]).chain(tasks);
    let failed = parts.find(|part| part["state"] == "FAILED")?;
    Some(failed["trace"].as_str().unwrap_or_default().to_owned())
}
