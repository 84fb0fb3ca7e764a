//! What a worker does that is no member of its group any more, and when it is one again.
//!
//! A worker that has not reached the group's coordinator for a session may be cut off alone: another one may have its
//! connectors. So it stops them all, takes no changes, and starts them anew when it is a member again.
//!
//! Source: `org.apache.kafka.connect.runtime.distributed.WorkerCoordinator.poll`, which revokes everything when the
//! coordinator is unreachable.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tidegate_tasks::Backoff;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Herder;
use crate::errors::WorkerError;

/// Before configurations that cannot be read are tried again.
const READ_RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// The times in which the worker is a member of its group: one after the other, with gaps.
#[derive(Debug)]
pub(crate) struct Membership {
    term: Mutex<Term>,
    /// The worker's end, which is no lost session.
    stopping: CancellationToken,
}

/// One of those times. What belongs to an earlier one stops, and reports nothing any more once another one has begun.
#[derive(Debug, Clone)]
pub(crate) struct Term {
    number: u64,
    /// Ends with the worker, too.
    end: CancellationToken,
}

impl Term {
    /// Told to every task: reaches them also while their actor waits for the log.
    pub(crate) fn child_token(&self) -> CancellationToken {
        self.end.child_token()
    }
}

impl Membership {
    pub(crate) fn new(stopping: &CancellationToken) -> Self {
        Self {
            term: Mutex::new(Term {
                number: 0,
                end: stopping.child_token(),
            }),
            stopping: stopping.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Term> {
        self.term.lock().expect("no holder panics")
    }
    pub(crate) fn term(&self) -> Term {
        self.lock().clone()
    }
    pub(crate) fn is_over(&self, term: &Term) -> bool {
        self.lock().number != term.number
    }

    /// # Errors
    /// If the worker is no member at the moment.
    pub(crate) fn check(&self) -> Result<(), WorkerError> {
        if self.lock().end.is_cancelled() && !self.stopping.is_cancelled() {
            return Err(WorkerError::conflict(
                "Cannot complete request because of a conflicting operation (e.g. worker rebalance): the worker has lost \
                 its session in its group and waits for the group's coordinator",
            ));
        }
        Ok(())
    }
}

impl Herder {
    /// Stops everything while the worker is no member of its group, and starts it again. Ends only with the worker.
    pub(crate) async fn follow_membership(&self, mut held: watch::Receiver<bool>) {
        loop {
            if held.wait_for(|held| !held).await.is_err() {
                return std::future::pending().await;
            }
            self.suspend().await;
            if held.wait_for(|held| *held).await.is_err() {
                return std::future::pending().await;
            }
            self.resume().await;
        }
    }

    async fn suspend(&self) {
        warn!("Connectors and tasks stop until the worker is a member of its group again");
        self.shared.membership.lock().end.cancel();
        let actors = self.actors.lock().expect("no holder panics").clone();
        self.shut_down(actors).await;
        self.actors.lock().expect("no holder panics").clear();
    }

    async fn resume(&self) {
        let mut backoff = Backoff::new(READ_RETRY.0, READ_RETRY.1);
        // What others have written meanwhile.
        while let Err(error) = self.shared.configs.refresh().await {
            let delay = backoff.next_delay();
            warn!(
                "The config topic cannot be read, {}: {}",
                backoff.wait(delay),
                error.chain()
            );
            tokio::time::sleep(delay).await;
        }
        {
            let mut term = self.shared.membership.lock();
            term.number += 1;
            term.end = self.shared.stopping.child_token();
        }
        info!("The worker is a member of its group again; connectors and tasks start");
        self.start();
    }
}

#[cfg(test)]
mod tests {
    use tidegate_api::ConnectError;

    use super::*;
    use crate::testing::{Answers, Bench, eventually, tested};

    async fn running() -> Bench {
        let bench = Bench::distributed(&[]).await;
        let config = tested("a", "1");
        bench.herder.create("a", config, None).await.unwrap();
        bench.states_become("a", &["RUNNING", "RUNNING"]).await;
        bench
    }

    #[tokio::test]
    async fn nothing_runs_while_the_worker_is_no_member() {
        let bench = running().await;
        let herder = &bench.herder;
        let (hold, held) = watch::channel(true);
        let test = async {
            hold.send_replace(false);
            bench.states_become("a", &["UNASSIGNED"; 2]).await;
            assert_eq!(bench.script.running(), [""; 0]);
            let refused = herder.put("a", tested("a", "2")).await;
            assert_eq!(refused.expect_err("it is no member").status, 409);
            let refused = herder.restart_connector("a").await;
            assert_eq!(refused.expect_err("it is no member").status, 409);
            hold.send_replace(true);
            bench.states_become("a", &["RUNNING"; 2]).await;
            herder.put("a", tested("a", "2")).await.unwrap();
            eventually("the task runs anew", || bench.script.running() == ["2"]).await;
            Ok::<_, ConnectError>(())
        };
        tokio::select! {
            () = herder.follow_membership(held) => {}
            done = test => done.unwrap(),
        }
    }

    #[tokio::test]
    async fn what_hung_on_a_log_that_was_away_does_not_run_twice() {
        let bench = running().await;
        let herder = &bench.herder;
        bench.gate.set(Answers::Later);
        // Its actor waits for the log when the session ends.
        let mut put = std::pin::pin!(herder.put("a", tested("a", "2")));
        tokio::select! {
            biased;
            _ = &mut put => panic!("the log is away"),
            () = bench.gate.reached() => {}
        }
        let suspended = tokio::time::timeout(Duration::from_mins(1), herder.suspend());
        suspended.await.expect("an end");
        assert_eq!(bench.script.running(), [""; 0]);
        bench.gate.set(Answers::Yes);
        tokio::join!(herder.resume(), async {
            // Its write has gone through or not; both are an answer.
            drop(put.await);
        });
        bench.states_become("a", &["RUNNING"; 2]).await;
        let one = || bench.script.running().len() == 1;
        eventually("one task runs", one).await;
    }
}
