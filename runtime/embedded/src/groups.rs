//! Consumer groups of this process: who reads which partition. Partitions move one by one: a member gives up what
//! another shall have, and that one takes it when it is free.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use tidegate_api::{JavaRegex, TopicPartition};
use tidegate_log::{LogError, Subscription};
use tokio::sync::watch;

use crate::topics::Topics;

/// All groups with members.
#[derive(Debug)]
pub(crate) struct Groups {
    groups: Mutex<HashMap<Arc<str>, Group>>,
    /// Counts changes; members wait for it.
    changes: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Group {
    last_member: u64,
    members: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    subscription: TopicFilter,
    owned: Share,
}

/// Partitions, each with the id of its topic: one of a deleted topic is not that of its successor of the same name.
type Share = BTreeMap<TopicPartition, i64>;

/// Which topics a member wants.
#[derive(Debug)]
pub(crate) enum TopicFilter {
    Names(Vec<Arc<str>>),
    Pattern(JavaRegex),
}

impl TopicFilter {
    pub(crate) fn of(subscription: Subscription) -> Result<Self, LogError> {
        Ok(match subscription {
            Subscription::Topics(names) => Self::Names(names),
            Subscription::Pattern(pattern) => {
                let pattern = JavaRegex::new(&pattern);
                Self::Pattern(pattern.map_err(|error| LogError::Invalid(error.to_string()))?)
            }
        })
    }
    fn matches(&self, topic: &str) -> Result<bool, LogError> {
        match self {
            Self::Names(names) => Ok(names.iter().any(|name| **name == *topic)),
            Self::Pattern(pattern) => pattern
                .matches(topic)
                .map_err(|error| LogError::Invalid(error.to_string())),
        }
    }
}

/// What a member has to do to come to its share.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) give_up: Vec<TopicPartition>,
    /// With the ids of their topics.
    pub(crate) take: Vec<(TopicPartition, i64)>,
}

impl Groups {
    pub(crate) fn new() -> Self {
        Self {
            groups: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Group>> {
        self.groups.lock().expect("no holder panics")
    }
    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
    /// Topics have come or gone.
    pub(crate) fn topics_changed(&self) {
        self.changed();
    }

    pub(crate) fn join(&self, group: &Arc<str>, subscription: TopicFilter) -> u64 {
        let mut groups = self.lock();
        let group = groups.entry(Arc::clone(group)).or_default();
        group.last_member += 1;
        let id = group.last_member;
        group.members.insert(
            id,
            Member {
                subscription,
                owned: Share::new(),
            },
        );
        drop(groups);
        self.changed();
        id
    }

    pub(crate) fn leave(&self, group: &Arc<str>, member: u64) {
        let mut groups = self.lock();
        if let Some(found) = groups.get_mut(group) {
            found.members.remove(&member);
            if found.members.is_empty() {
                groups.remove(group);
            }
        }
        drop(groups);
        self.changed();
    }

    pub(crate) fn has_members(&self, group: &str) -> bool {
        self.lock().contains_key(group)
    }

    /// Marks partitions as given up.
    pub(crate) fn release(&self, group: &Arc<str>, member: u64, partitions: &[TopicPartition]) {
        if let Some(member) = self
            .lock()
            .get_mut(group)
            .and_then(|group| group.members.get_mut(&member))
        {
            for partition in partitions {
                member.owned.remove(partition);
            }
        }
        self.changed();
    }

    /// The member's next step; what it may take is its own from now on.
    ///
    /// # Errors
    /// If it is not known which topics the member wants.
    pub(crate) fn step(
        &self,
        group: &Arc<str>,
        member: u64,
        topics: &Topics,
    ) -> Result<Step, LogError> {
        let mut groups = self.lock();
        let Some(group) = groups.get_mut(group) else {
            return Ok(Step::default());
        };
        let target = group.share_of(member, topics)?;
        let owned_by_others: BTreeSet<_> = group
            .members
            .iter()
            .filter(|(id, _)| **id != member)
            .flat_map(|(_, other)| other.owned.keys().cloned())
            .collect();
        let Some(own) = group.members.get_mut(&member) else {
            return Ok(Step::default());
        };
        let outdated = own
            .owned
            .iter()
            .filter(|(partition, topic)| target.get(partition) != Some(topic));
        let give_up: Vec<_> = outdated.map(|(partition, _)| partition.clone()).collect();
        if !give_up.is_empty() {
            return Ok(Step {
                give_up,
                take: Vec::new(),
            });
        }
        let take: Vec<_> = target
            .into_iter()
            .filter(|(partition, _)| !own.owned.contains_key(partition))
            .filter(|(partition, _)| !owned_by_others.contains(partition))
            .collect();
        own.owned.extend(take.iter().cloned());
        Ok(Step {
            give_up: Vec::new(),
            take,
        })
    }
}

impl Group {
    /// Range assignment: each topic's partitions in equal runs over the members that want it.
    fn share_of(&self, member: u64, topics: &Topics) -> Result<Share, LogError> {
        let mut share = Share::new();
        for topic in topics.all() {
            let mut wanting = Vec::new();
            for (id, other) in &self.members {
                match other.subscription.matches(&topic.name) {
                    Ok(true) => wanting.push(*id),
                    Err(error) if *id == member => return Err(error),
                    // That member fails by itself.
                    Ok(false) | Err(_) => {}
                }
            }
            let Some(place) = wanting.iter().position(|id| *id == member) else {
                continue;
            };
            let (count, members) = (topic.partitions.len(), wanting.len());
            let start = place * (count / members) + place.min(count % members);
            let length = count / members + usize::from(place < count % members);
            share.extend((start..start + length).filter_map(|partition| {
                let partition = i32::try_from(partition).ok()?;
                let partition = TopicPartition::new(Arc::clone(&topic.name), partition);
                Some((partition, topic.id))
            }));
        }
        Ok(share)
    }
}
