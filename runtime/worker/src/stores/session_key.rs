//! The key with which workers of a group sign requests to each other. A worker alone signs nothing, but keeps the record
//! fresh for a worker that joins the topics later.
//!
//! Source: `org.apache.kafka.connect.runtime.SessionKey`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The record under the key `session-key` of the config topic.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionKey {
    key: String,
    algorithm: String,
    #[serde(rename = "creation-timestamp")]
    creation_timestamp: i64,
}

/// The key is a secret.
impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SessionKey({}, created at {})", self.algorithm, self.creation_timestamp)
    }
}

impl SessionKey {
    /// A fresh key; `bits` as in `inter.worker.key.size`, 256 by default.
    pub(crate) fn generate(algorithm: &str, bits: Option<i32>, now_ms: i64) -> Self {
        let bytes = bits.and_then(|bits| usize::try_from(bits / 8).ok()).unwrap_or(32).max(1);
        let secret: Vec<u8> = std::iter::repeat_with(rand::random).take(bytes).collect();
        Self {
            key: STANDARD.encode(secret),
            algorithm: algorithm.to_owned(),
            creation_timestamp: now_ms,
        }
    }
    /// How long the key lives on, given its time to live.
    pub(crate) fn remaining(&self, ttl: Duration, now_ms: i64) -> Duration {
        let age = u64::try_from(now_ms.saturating_sub(self.creation_timestamp)).unwrap_or(0);
        ttl.saturating_sub(Duration::from_millis(age))
    }
}
