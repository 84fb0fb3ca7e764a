//! Tasks at work: a source's records on their way into the log and a sink's on their way out of it, with their
//! converters, transformations, offsets and errors. Knows neither REST nor the herder.
//!
//! Source: `org.apache.kafka.connect.runtime.{WorkerSourceTask,WorkerSinkTask}`.

mod backoff;
mod client_settings;
mod connector_config;
mod converters;
mod dead_letter;
mod environment;
mod headers;
mod pipeline;
mod producers;
mod record_text;
mod run;
mod sink;
mod source;
#[cfg(test)]
mod testing;
mod tolerance;
mod topic_creation;
mod tracked_topics;
mod waiting;

pub use backoff::Backoff;
pub use client_settings::sink_group_id;
pub use connector_config::{
    ERRORS_DEAD_LETTER_TOPIC, PLUGIN_VERSION, TASKS_MAX, TASKS_MAX_ENFORCE, TOPICS, TOPICS_REGEX,
    connector_config_def,
};
pub use environment::{
    OffsetBackingStore, TargetState, TaskEnvironment, TaskSettings, TaskStatusListener,
    TopicTracker,
};
pub use run::run_task;
pub use source::stored_offsets;
pub use topic_creation::check_topic_creation;
