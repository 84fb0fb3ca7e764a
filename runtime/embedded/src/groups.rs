//! Consumer groups of this process: who reads which partition. Partitions move one by one: a member gives up what
//! another shall have, and that one takes it when it is free.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use fancy_regex::Regex;
use tidegate_api::TopicPartition;
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
    owned: BTreeSet<TopicPartition>,
}

/// Which topics a member wants.
#[derive(Debug)]
pub(crate) enum TopicFilter {
    Names(Vec<Arc<str>>),
    Pattern(Regex),
}

impl TopicFilter {
    pub(crate) fn of(subscription: Subscription) -> Result<Self, LogError> {
        Ok(match subscription {
            Subscription::Topics(names) => Self::Names(names),
            Subscription::Pattern(pattern) => {
                Self::Pattern(Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
                    LogError::Invalid(format!("'{pattern}' is no regular expression: {error}"))
                })?)
            }
        })
    }
    fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Names(names) => names.iter().any(|name| **name == *topic),
            Self::Pattern(pattern) => pattern.is_match(topic).unwrap_or(false),
        }
    }
}

/// What a member has to do to come to its share.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) give_up: Vec<TopicPartition>,
    pub(crate) take: Vec<TopicPartition>,
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
                owned: BTreeSet::new(),
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
    pub(crate) fn step(&self, group: &Arc<str>, member: u64, topics: &Topics) -> Step {
        let mut groups = self.lock();
        let Some(group) = groups.get_mut(group) else {
            return Step::default();
        };
        let target = group.share_of(member, topics);
        let owned_by_others: BTreeSet<_> = group
            .members
            .iter()
            .filter(|(id, _)| **id != member)
            .flat_map(|(_, other)| other.owned.iter().cloned())
            .collect();
        let Some(own) = group.members.get_mut(&member) else {
            return Step::default();
        };
        let give_up: Vec<_> = own.owned.difference(&target).cloned().collect();
        if !give_up.is_empty() {
            return Step {
                give_up,
                take: Vec::new(),
            };
        }
        let take: Vec<_> = target
            .difference(&own.owned)
            .filter(|partition| !owned_by_others.contains(partition))
            .cloned()
            .collect();
        own.owned.extend(take.iter().cloned());
        Step {
            give_up: Vec::new(),
            take,
        }
    }
}

impl Group {
    /// Range assignment: each topic's partitions in equal runs over the members that want it.
    fn share_of(&self, member: u64, topics: &Topics) -> BTreeSet<TopicPartition> {
        let mut share = BTreeSet::new();
        for topic in topics.all() {
            let wanting: Vec<u64> = self
                .members
                .iter()
                .filter(|(_, m)| m.subscription.matches(&topic.name))
                .map(|(id, _)| *id)
                .collect();
            let Some(place) = wanting.iter().position(|id| *id == member) else {
                continue;
            };
            let (count, members) = (topic.partitions.len(), wanting.len());
            let start = place * (count / members) + place.min(count % members);
            let length = count / members + usize::from(place < count % members);
            share.extend((start..start + length).filter_map(|partition| {
                Some(TopicPartition::new(
                    Arc::clone(&topic.name),
                    i32::try_from(partition).ok()?,
                ))
            }));
        }
        share
    }
}
