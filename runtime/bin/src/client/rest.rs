//! Requests to a worker. Answers that ask for another try during a rebalance get it.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use reqwest::{Method, StatusCode, Url, header};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tidegate_worker::path_segment;
use tokio::time::{Instant, sleep};

/// A worker itself gives up after 90 seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(100);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) timeout: Duration,
    /// Between two looks.
    pub(super) poll: Duration,
    /// A good state of a new connector counts after this.
    pub(super) settle_new: Duration,
    /// The same for one that has run before.
    pub(super) settle_updated: Duration,
    /// A failure from before the update counts after this.
    pub(super) stale_failure: Duration,
}

impl Pace {
    pub(super) fn of(timeout: Duration) -> Self {
        Self {
            timeout,
            poll: Duration::from_millis(250),
            settle_new: Duration::from_secs(1),
            settle_updated: Duration::from_secs(3),
            stale_failure: Duration::from_secs(8),
        }
    }
}

/// The path of a connector.
pub(super) fn connector(name: &str) -> String {
    format!("/connectors/{}", path_segment(name))
}

/// An answer that says no.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (HTTP {})", self.message, self.status.as_u16())
    }
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// Connect's 409 for a rebalance, and the 500 that some reads answer instead; a name that is taken is a 409, too.
    fn is_of_the_moment(&self) -> bool {
        (self.status == StatusCode::CONFLICT && !self.message.contains("already exists"))
            || (self.status == StatusCode::INTERNAL_SERVER_ERROR
                && self.message.contains("a rebalance is expected"))
    }
}

/// No `Debug`: the address may hold a password.
pub(super) struct Rest {
    client: reqwest::Client,
    base: Url,
    pub(super) pace: Pace,
}

impl Rest {
    pub(super) fn new(url: &str, pace: Pace) -> anyhow::Result<Self> {
        // The address may hold a password: errors do not repeat it.
        let mut base = Url::parse(url).context("the worker's address is no URL (--url)")?;
        if !matches!(base.scheme(), "http" | "https") {
            bail!(
                "the worker's address must begin with http:// or https:// (--url), not with {}:",
                base.scheme()
            );
        }
        base.set_query(None);
        base.set_fragment(None);
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, base, pace })
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Json> {
        self.call(Method::GET, path, None).await
    }
    pub(super) async fn get_as<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let json = self.get(path).await?;
        serde_json::from_value(json).with_context(|| self.odd_answer(path))
    }
    /// `None` for 404.
    pub(super) async fn find<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        match self.get_as(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if status_of(&error) == Some(StatusCode::NOT_FOUND) => Ok(None),
            Err(error) => Err(error),
        }
    }
    pub(super) async fn put(&self, path: &str, body: Option<&Json>) -> anyhow::Result<Json> {
        self.call(Method::PUT, path, body).await
    }
    pub(super) async fn post(&self, path: &str, body: Option<&Json>) -> anyhow::Result<Json> {
        self.call(Method::POST, path, body).await
    }
    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<Json> {
        self.call(Method::DELETE, path, None).await
    }

    /// The answer, null if it has no body. Tries again during a rebalance, until the time is over.
    async fn call(&self, method: Method, path: &str, body: Option<&Json>) -> anyhow::Result<Json> {
        let deadline = Instant::now() + self.pace.timeout;
        loop {
            let result = self.call_once(method.clone(), path, body).await;
            let again = result.as_ref().err().is_some_and(|error| {
                error
                    .downcast_ref::<Refusal>()
                    .is_some_and(Refusal::is_of_the_moment)
            });
            if !again || Instant::now() + self.pace.poll >= deadline {
                return result;
            }
            sleep(self.pace.poll).await;
        }
    }

    async fn call_once(
        &self,
        method: Method,
        path: &str,
        body: Option<&Json>,
    ) -> anyhow::Result<Json> {
        let mut request = self.client.request(method, self.url(path)?);
        if let Some(body) = body {
            request = request.json(body);
        } else {
            request = request.header(header::ACCEPT, "application/json");
        }
        let unanswered = || {
            format!(
                "no answer from {}; is the worker running there? (--url)",
                self.place()
            )
        };
        let response = request
            .send()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(unanswered)?;
        let status = response.status();
        let text = response
            .text()
            .await
            .map_err(reqwest::Error::without_url)
            .with_context(unanswered)?;
        if status.is_success() {
            if text.trim().is_empty() {
                return Ok(Json::Null);
            }
            return serde_json::from_str(&text).with_context(|| self.odd_answer(path));
        }
        let json: Json = serde_json::from_str(&text).unwrap_or_default();
        match json["message"].as_str() {
            Some(message) => Err(anyhow!(Refusal {
                status,
                message: message.to_owned()
            })),
            // Not Connect's own error body: the container's page, or another server.
            None => Err(anyhow!(Refusal {
                status,
                message: self.odd_answer(path)
            })),
        }
    }

    fn url(&self, path: &str) -> anyhow::Result<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}{path}")).context("the worker's address is no URL (--url)")
    }

    /// The address without a password.
    fn place(&self) -> String {
        let mut place = self.base.clone();
        // Both fail only for addresses that have no host.
        place.set_username("").ok();
        place.set_password(None).ok();
        place.as_str().trim_end_matches('/').to_owned()
    }

    fn odd_answer(&self, path: &str) -> String {
        format!(
            "{} does not answer {path} as a Connect worker does; is it one? (--url)",
            self.place()
        )
    }
}

pub(super) fn status_of(error: &anyhow::Error) -> Option<StatusCode> {
    error
        .downcast_ref::<Refusal>()
        .map(|refusal| refusal.status)
}
