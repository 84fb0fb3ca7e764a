//! What workers of one group ask each other. Workers here share no session keys, so no signature is right.
//!
//! Source: `InternalClusterResource`, `InternalRequestSignature`.

use axum::extract::State;
use axum::http::{HeaderMap, Method};

use super::body;
use crate::config::Mode;
use crate::errors::WorkerError;
use crate::herder::Herder;

const SIGNATURE: &str = "X-Connect-Authorization";
const ALGORITHM: &str = "X-Connect-Request-Signature-Algorithm";
/// `inter.worker.verification.algorithms`, unless it is set.
const ALGORITHMS: &str = "HmacSHA256";

/// `POST /connectors/{name}/tasks`: configurations of tasks, for the leader.
pub(super) async fn task_configs(
    State(herder): State<Herder>,
    headers: HeaderMap,
    body::Body(bytes): body::Body,
) -> WorkerError {
    if let Err(error) = body::array(&bytes) {
        return error;
    }
    refusal(
        &herder,
        &headers,
        "Kafka Connect in standalone mode does not support externally setting task configurations.",
    )
}

/// `PUT /connectors/{name}/fence`: a round of fencing, by the leader.
pub(super) async fn fence(State(herder): State<Herder>, headers: HeaderMap) -> WorkerError {
    refusal(
        &herder,
        &headers,
        "Kafka Connect in standalone mode does not support exactly-once source connectors.",
    )
}

/// Whether a body's type does not matter there.
pub(super) fn takes_any_type(method: &Method, path: &str) -> bool {
    (method == Method::POST && path.ends_with("/tasks"))
        || (method == Method::PUT && path.ends_with("/fence"))
}

fn refusal(herder: &Herder, headers: &HeaderMap, standalone: &str) -> WorkerError {
    if herder.shared.mode == Mode::Standalone {
        return WorkerError::internal(standalone);
    }
    let (Some(_), Some(algorithm)) = (headers.get(SIGNATURE), headers.get(ALGORITHM)) else {
        return WorkerError::bad_request("Internal request missing required signature");
    };
    let props = &herder.shared.config.props;
    let known = props
        .raw("inter.worker.verification.algorithms")
        .unwrap_or(ALGORITHMS);
    let algorithm = String::from_utf8_lossy(algorithm.as_bytes());
    if !known
        .split(',')
        .any(|known| known.trim().eq_ignore_ascii_case(&algorithm))
    {
        return WorkerError::bad_request(format!(
            "This worker does not support the '{algorithm}' key signing algorithm used by other workers. This worker is \
             currently configured to use: [{known}]. Check that all workers' configuration files permit the same set of \
             signature algorithms, and correct any misconfigured worker and restart it."
        ));
    }
    WorkerError::new(403, "Internal request contained invalid signature.")
}
