//! One worker per group.
//!
//! Connect's workers are members of the group `group.id` with protocol type `connect`, which librdkafka cannot speak. This
//! worker holds the group with what every broker has: it joins it as a consumer of the config topic, and is the worker as
//! long as the topic's one partition is assigned to it. The broker's group coordinator is the judge:
//!
//! - The `cooperative-sticky` assignor leaves the partition with its owner while that is a member. A second worker gets
//!   none, waits for the owner's session to end, and is refused.
//! - `group.instance.id` is the worker's id. A worker that was killed and comes back under its id takes the old one's place
//!   at once, with the partition; should the old one be alive after all, the broker fences it, and it stops.
//! - A group has one protocol type. While members of type `connect` are in it, the broker refuses this worker
//!   (`INCONSISTENT_GROUP_PROTOCOL`), and while this worker is in it, it refuses those. Before joining, the group is looked
//!   at, so that the refusal can say who is there; a JVM worker that was killed is waited for like any other.
//! - On an orderly stop the worker leaves the group, so that the next one, of whatever kind, can start at once. Static members
//!   do not leave when they close, but they do when they unsubscribe.
//!
//! A worker that has not reached the coordinator for a session is no member any more: it may be cut off alone, and another
//! one have the group. It says so, and nothing may run until it is a member again. When the broker is back, it takes its
//! place again; only if another one has come first, the claim is lost.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use tidegate_api::catch_panic;
use tidegate_log::{
    ClientConfig, Consumer as _, ConsumerEvent, GroupClaim, LogError, Subscription,
};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::admin::{Admin, Group, Member};
use crate::consumer::{Client, KafkaConsumer};
use crate::native::Event;
use crate::settings::{CLIENT_ID, GROUP_ID, SESSION_TIMEOUT_MS};

/// On top of a session: for the rebalance that follows its end.
const MARGIN: Duration = Duration::from_secs(4);
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_secs(1);
/// Time to leave the group at the end.
const LEAVE: Duration = Duration::from_secs(3);
/// Connect's protocol type.
const CONNECT: &str = "connect";

/// Who wants which group.
pub(crate) struct Wish {
    pub(crate) group: Arc<str>,
    /// The worker's id.
    pub(crate) member: Arc<str>,
    /// The config topic.
    pub(crate) topic: Arc<str>,
    pub(crate) session_timeout: Duration,
}

pub(crate) async fn claim(
    base: &ClientConfig,
    admin: Arc<Admin>,
    wish: Wish,
) -> Result<GroupClaim, LogError> {
    let deadline = Instant::now() + wish.session_timeout + MARGIN;
    wait_for_others(&admin, &wish, deadline).await?;
    let topics = Subscription::Topics(vec![Arc::clone(&wish.topic)]);
    let config = config(base, &wish);
    let mut consumer = KafkaConsumer::open(&config, base, topics).await?;
    while !holds(&mut consumer, &wish).await? {
        if Instant::now() < deadline {
            continue;
        }
        let group = admin.group(&wish.group).await?;
        if let Some(holder) = holder(&group, &wish.member) {
            return Err(occupied(&wish, &holder, &admin));
        }
        if Instant::now() >= deadline + wish.session_timeout + MARGIN {
            return Err(LogError::Unavailable(format!(
                "the coordinator of group '{}' on Kafka at {} has not made this worker ({}) a member in time",
                wish.group, admin.servers, wish.member
            )));
        }
    }
    info!("Worker {} holds group '{}'", wish.member, wish.group);
    let (lose, lost) = oneshot::channel();
    let stop = CancellationToken::new();
    let guard = Guard {
        client: Arc::clone(consumer.client()),
        admin: Arc::clone(&admin),
        group: Arc::clone(&wish.group),
        member: Arc::clone(&wish.member),
        stop: stop.clone(),
    };
    let follower = TaskTracker::new();
    let (hold, held) = watch::channel(true);
    let what = format!(
        "the membership of worker {} in group '{}'",
        wish.member, wish.group
    );
    follower.spawn(async move {
        let followed = catch_panic(&what, follow(consumer, admin, wish, hold, stop)).await;
        // Nobody else would notice that the group is no longer held.
        let lost = followed.unwrap_or_else(|panic| Some(LogError::Fatal(panic.chain())));
        if let Some(lost) = lost {
            // Nobody has to listen.
            drop(lose.send(lost));
        }
    });
    Ok(GroupClaim {
        lost,
        held,
        guard: Box::new(guard),
    })
}

fn config(base: &ClientConfig, wish: &Wish) -> ClientConfig {
    let session = wish.session_timeout.as_millis();
    let heartbeat = (session / 3).clamp(1, 3000);
    base.clone()
        .with(GROUP_ID, &*wish.group)
        .with("group.instance.id", &*wish.member)
        .with(CLIENT_ID, &*wish.member)
        .with("group.protocol", "classic")
        .with("partition.assignment.strategy", "cooperative-sticky")
        .with("auto.offset.reset", "latest")
        .with(SESSION_TIMEOUT_MS, session.to_string())
        .with("heartbeat.interval.ms", heartbeat.to_string())
        .with("max.poll.interval.ms", "86400000")
}

/// Until no other worker is in the group.
async fn wait_for_others(
    admin: &Arc<Admin>,
    wish: &Wish,
    deadline: Instant,
) -> Result<(), LogError> {
    let mut told = false;
    loop {
        let group = admin.group(&wish.group).await?;
        let Some(holder) = holder(&group, &wish.member) else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            return Err(occupied(wish, &holder, admin));
        }
        if !told {
            told = true;
            info!(
                "Group '{}' has {holder}; waiting for its session to end",
                wish.group
            );
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// The next event of a member without the partition; whether it has it now.
async fn holds(consumer: &mut KafkaConsumer, wish: &Wish) -> Result<bool, LogError> {
    match consumer.poll(POLL).await {
        Ok(ConsumerEvent::Assigned(partitions)) => {
            let names: Vec<_> = partitions.into_iter().map(|(name, _)| name).collect();
            // Who holds the partition need not read it.
            consumer.pause(&names)?;
            Ok(names.iter().any(|name| name.topic == wish.topic))
        }
        Ok(_) => Ok(false),
        Err(error) if error.is_retriable() => {
            debug!(%error, "joining group '{}'", wish.group);
            tokio::time::sleep(LOOK_INTERVAL).await;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// Keeps the membership alive until it is given up, or until it is lost, with the reason.
async fn follow(
    mut consumer: KafkaConsumer,
    admin: Arc<Admin>,
    wish: Wish,
    hold: watch::Sender<bool>,
    stop: CancellationToken,
) -> Option<LogError> {
    let mut held = true;
    let lost = loop {
        let event = tokio::select! {
            biased;
            () = stop.cancelled() => return None,
            event = consumer.poll(POLL) => event,
        };
        match event {
            Ok(ConsumerEvent::Assigned(partitions)) => {
                let names: Vec<_> = partitions.into_iter().map(|(name, _)| name).collect();
                if let Err(error) = consumer.pause(&names) {
                    debug!(%error, "the config topic is read for nobody");
                }
                if !held {
                    info!("Worker {} holds group '{}' again", wish.member, wish.group);
                }
                held = true;
                hold.send_replace(true);
            }
            Ok(ConsumerEvent::Revoked { .. } | ConsumerEvent::Lost(_)) => {
                warn!(
                    "Worker {} has lost its session in group '{}' and joins again",
                    wish.member, wish.group
                );
                held = false;
                hold.send_replace(false);
            }
            Ok(ConsumerEvent::Records(_) | ConsumerEvent::Idle) if held => {}
            Ok(ConsumerEvent::Records(_) | ConsumerEvent::Idle) => {
                let group = admin.group(&wish.group).await.unwrap_or_default();
                if let Some(holder) = holder(&group, &wish.member) {
                    break LogError::Fenced(format!(
                        "{holder} has taken over group '{}'; this worker ({}) stops",
                        wish.group, wish.member
                    ));
                }
            }
            Err(error) if error.is_retriable() => debug!(%error, "group '{}'", wish.group),
            Err(LogError::Fenced(text)) => {
                break LogError::Fenced(format!(
                    "another process has taken this worker's ({}) place in group '{}': {text}",
                    wish.member, wish.group
                ));
            }
            Err(error) => break error,
        }
    };
    Some(lost)
}

/// Gives the group back when dropped, which takes a moment.
struct Guard {
    client: Arc<Client>,
    admin: Arc<Admin>,
    group: Arc<str>,
    member: Arc<str>,
    stop: CancellationToken,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.stop.cancel();
        // A static member leaves when it unsubscribes, and has left when the coordinator no longer knows it.
        self.client.native.unsubscribe();
        let end = std::time::Instant::now() + LEAVE;
        while std::time::Instant::now() < end {
            while let Some(event) = self.client.queue.next() {
                if let Event::Rebalance(rebalance) = event {
                    self.answer(&rebalance);
                }
            }
            let members = self
                .admin
                .group_now(&self.group, LEAVE)
                .map(|group| group.members);
            if members.is_some_and(|members| {
                members
                    .iter()
                    .all(|member| member.client_id != *self.member)
            }) {
                return;
            }
            std::thread::park_timeout(Duration::from_millis(20));
        }
        debug!(
            "left group '{}' without its coordinator's answer",
            self.group
        );
    }
}

impl Guard {
    fn answer(&self, rebalance: &crate::native::Rebalance) {
        let names = rebalance.partitions.iter();
        let partitions: Vec<_> = names
            .map(|(topic, partition)| tidegate_api::TopicPartition::new(topic.as_str(), *partition))
            .collect();
        let answered = if rebalance.assigns {
            self.client.assign(&crate::consumer::list(&partitions))
        } else {
            self.client.unassign(&partitions)
        };
        if let Err(error) = answered {
            debug!(%error, "leaving group '{}'", self.group);
        }
    }
}

/// Who holds the group, other than `own`, in words.
fn holder(group: &Group, own: &str) -> Option<String> {
    if group.protocol_type == CONNECT {
        let member = group.members.first()?;
        let url =
            connect_url(&member.metadata).map_or_else(String::new, |url| format!(" at {url}"));
        return Some(format!(
            "a JVM Connect worker{url} (client '{}', host {})",
            member.client_id, member.host
        ));
    }
    let others = group
        .members
        .iter()
        .filter(|member| member.client_id != own);
    let mut owners = others.filter(|member| owns_something(member));
    let owner = owners.next()?;
    Some(format!(
        "the worker {} (host {})",
        owner.client_id, owner.host
    ))
}

/// Whether a consumer's assignment (version, array of topics with partitions) has a topic.
fn owns_something(member: &Member) -> bool {
    let count = member.assignment.get(2..6);
    count.is_some_and(|count| count != [0; 4])
}

/// The REST address in a Connect worker's metadata: version, length and text of the address, and more.
fn connect_url(metadata: &[u8]) -> Option<String> {
    let length = metadata.get(2..4)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let text = metadata.get(4..4 + length)?;
    String::from_utf8(text.to_vec()).ok()
}

fn occupied(wish: &Wish, holder: &str, admin: &Admin) -> LogError {
    LogError::Occupied(format!(
        "group '{}' on Kafka at {} is held by {holder}. One worker can run in a group: stop that one, or give this \
         worker ({}) a group.id, config.storage.topic, offset.storage.topic and status.storage.topic of its own",
        wish.group, admin.servers, wish.member
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(client_id: &str, metadata: &[u8], assignment: &[u8]) -> Member {
        Member {
            client_id: client_id.to_owned(),
            host: "10.0.0.1".to_owned(),
            metadata: metadata.to_vec(),
            assignment: assignment.to_vec(),
        }
    }

    #[track_caller]
    fn check(protocol_type: &str, members: Vec<Member>, expected: Option<&str>) {
        let group = Group {
            protocol_type: protocol_type.to_owned(),
            members,
        };
        assert_eq!(holder(&group, "me:1").as_deref(), expected);
    }

    #[test]
    fn holders_are_others_with_the_partition_and_all_of_connects() {
        let owner = [0, 1, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0];
        let idle = [0, 1, 0, 0, 0, 0];
        check("", vec![], None);
        check("consumer", vec![member("me:1", b"", &owner)], None);
        let members = vec![member("late:1", b"", &idle), member("it:1", b"", &owner)];
        check("consumer", members, Some("the worker it:1 (host 10.0.0.1)"));
        check("consumer", vec![member("joining:1", b"", b"")], None);
        let metadata = b"\x00\x01\x00\x0bhttp://a:1/\x00\x00\x00\x00\x00\x00\x00\x05";
        check(
            "connect",
            vec![member("connect-a:1", metadata, b"")],
            Some("a JVM Connect worker at http://a:1/ (client 'connect-a:1', host 10.0.0.1)"),
        );
        check("connect", vec![], None);
    }
}
