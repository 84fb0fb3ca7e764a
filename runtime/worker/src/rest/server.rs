//! The listeners of REST. A client that is slow or silent keeps nothing for long: neither a connection nor the worker's
//! end.
//!
//! Source: Jetty's idle time of 30 s, which `org.apache.kafka.connect.runtime.rest.RestServer` leaves as it is.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// A connection is closed when a client takes longer to send the head of a request, or to send the next request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Before connections are taken again when the process has too many files open.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);

/// Serves until `closing`; connections that are busy then end with their answers.
pub(crate) async fn serve(listener: TcpListener, router: Router, closing: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = closing.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(follow(stream, router.clone(), closing.clone()));
            }
            Err(error) => {
                warn!("REST cannot take a connection: {error}");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn follow(stream: TcpStream, router: Router, closing: CancellationToken) {
    // Only the answers' delay depends on it.
    stream.set_nodelay(true).ok();
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        debug!("a connection of REST has ended: {error}");
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::put;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::super::body::{Body, WHOLE_BODY};
    use super::*;
    use crate::errors::WorkerError;

    async fn length(Body(bytes): Body) -> Result<String, WorkerError> {
        Ok(bytes.len().to_string())
    }

    /// Sends it, and reads until the server closes or `end` has come.
    async fn answer(sent: &[u8], end: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/", put(length));
        let closing = CancellationToken::new();
        let _stop = closing.clone().drop_guard();
        let servers = TaskTracker::new();
        servers.spawn(serve(listener, router, closing));
        let mut stream = TcpStream::connect(address).await.unwrap();
        // In virtual time from here on: waiting takes none.
        tokio::time::pause();
        stream.write_all(sent).await.unwrap();
        let (mut answer, mut buffer) = (String::new(), [0; 1024]);
        while end.is_empty() || !answer.contains(end) {
            let count = stream.read(&mut buffer).await.unwrap_or(0);
            if count == 0 {
                break;
            }
            answer.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        answer
    }

    #[tokio::test]
    async fn a_client_that_sends_no_head_is_let_go() {
        assert_eq!(answer(b"PUT / HT", "").await, "");
    }

    #[tokio::test]
    async fn a_client_that_sends_no_body_is_told_so() {
        let sent = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{";
        let answer = answer(sent, "}").await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        let text = format!("{WHOLE_BODY:?}");
        assert!(answer.contains(&text), "{answer}");
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused_in_connects_form() {
        let sent = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99000000\r\n\r\n{";
        let answer = answer(sent, "}").await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(
            answer.contains("{\"error_code\":413,\"message\":"),
            "{answer}"
        );
    }
}
