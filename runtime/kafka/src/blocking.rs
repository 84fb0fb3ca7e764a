//! Calls that block, on threads of their own: the runtime would wait for its own threads at the end of the process, and a
//! broker that does not answer would hold it up.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidegate_log::LogError;
use tokio::sync::oneshot;

/// Between two questions: a broker that is away refuses at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks until there is an answer, or an error that does not pass, or the time is over.
pub(crate) fn until_answered<T, E>(
    end: Instant,
    mut question: impl FnMut() -> Result<T, E>,
    passes: impl Fn(&E) -> bool,
) -> Result<T, E> {
    loop {
        match question() {
            Err(error) if passes(&error) && Instant::now() < end => {
                std::thread::park_timeout(PAUSE);
            }
            answer => return answer,
        }
    }
}

/// Runs `work` on a new thread. Dropping the future leaves the thread to finish by itself.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    let (answer, result) = oneshot::channel();
    drop(start("kafka-call", move || {
        // Whoever asked may have gone.
        drop(answer.send(work()));
    })?);
    result
        .await
        .map_err(|_| LogError::Fatal("a thread of the Kafka client has ended early".to_owned()))?
}

/// Starts a thread that ends by itself, whether or not somebody joins it.
pub(crate) fn start(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LogError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(work)
        .map_err(|error| LogError::Unavailable(format!("no thread for the Kafka client: {error}")))
}
