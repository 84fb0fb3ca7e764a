//! What the worker keeps: configurations, offsets, statuses; on topics, in a file or in memory.

pub(crate) mod config_store;
pub(crate) mod java_map;
pub(crate) mod json;
pub(crate) mod offset_store;
pub(crate) mod status_store;
pub(crate) mod topic;
