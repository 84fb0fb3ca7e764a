//! The producers of a task. They end with it: a record that one of them sent later could come behind newer ones of the
//! task's successor.
//!
//! Source: `org.apache.kafka.connect.runtime.AbstractWorkerSourceTask.closeProducer`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_log::{LogError, Producer};

use crate::client_settings;
use crate::environment::TaskEnvironment;

#[derive(Default)]
pub(crate) struct Producers(Mutex<Vec<Arc<dyn Producer>>>);

impl Producers {
    /// Opens one; `role` is the beginning of its client id.
    pub(crate) async fn open(
        &self,
        environment: &TaskEnvironment,
        role: &str,
    ) -> Result<Arc<dyn Producer>, LogError> {
        let config = client_settings::producer(environment, role);
        let producer = environment.log.producer(&config).await?;
        self.lock().push(Arc::clone(&producer));
        Ok(producer)
    }

    /// Ends all of them. Records that are not stored by now will come again. Cancel-safe: a producer stays here until it
    /// has ended, and closing it twice does no harm.
    pub(crate) async fn close(&self) {
        loop {
            let Some(producer) = self.lock().last().map(Arc::clone) else {
                return;
            };
            producer.close(Duration::ZERO).await;
            self.lock().retain(|open| !Arc::ptr_eq(open, &producer));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<dyn Producer>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use futures::FutureExt as _;
    use tidegate_log::{AppendReceipt, ProducerRecord};
    use tokio::sync::Semaphore;

    use super::*;

    /// Ends once it may.
    struct Slow(Arc<Semaphore>);

    #[async_trait]
    impl Producer for Slow {
        async fn append(&self, _records: Vec<ProducerRecord>) -> Result<AppendReceipt, LogError> {
            Err(LogError::Fatal("nothing is appended".to_owned()))
        }
        async fn flush(&self, _timeout: Duration) -> Result<(), LogError> {
            Ok(())
        }
        async fn close(&self, _grace: Duration) {
            self.0.acquire().await.expect("open").forget();
        }
    }

    /// A task that is cancelled while it closes its producers.
    #[tokio::test]
    async fn a_close_that_was_given_up_is_waited_for_by_the_next_one() {
        let gate = Arc::new(Semaphore::new(0));
        let slow: Arc<dyn Producer> = Arc::new(Slow(Arc::clone(&gate)));
        let producers = Producers(Mutex::new(vec![slow]));
        assert!(producers.close().now_or_never().is_none());
        assert!(producers.close().now_or_never().is_none());
        gate.add_permits(1);
        producers.close().await;
        // None is left.
        producers.close().await;
    }
}
