//! Bad input and faults, with real servers: what the worker says, and how it comes back.

mod clocks;
mod configuration;
mod disk;
mod kills;
mod load;
mod network;
mod outages;
mod relay;
mod secrets;
mod sessions;
mod sizes;
mod snapshots;
mod source;
mod starts;

use anyhow::Result;
use serde_json::Value;
use tidegate_integration_tests::{Answer, Rest};

#[track_caller]
fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
}

async fn put(rest: &Rest, name: &str, config: &Value) -> Result<Answer> {
    let path = format!("/connectors/{name}/config");
    rest.put(&path, Some(config)).await
}

/// What validation answers to a configuration.
async fn validate(rest: &Rest, config: &Value) -> Result<Value> {
    let class = config["connector.class"].as_str().unwrap_or_default();
    let path = format!("/connector-plugins/{class}/config/validate");
    rest.put(&path, Some(config)).await?.success()
}
