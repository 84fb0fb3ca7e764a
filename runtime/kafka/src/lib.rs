//! The log on a Kafka cluster, through librdkafka.
//!
//! Nothing blocks the runtime: producers have a thread for delivery reports, consumers and readers are woken by
//! librdkafka's queues, and calls that wait for a broker run on threads of their own.

mod admin;
mod blocking;
mod claim;
mod client_log;
mod consumer;
mod deliveries;
mod errors;
mod log;
mod native;
mod producer;
mod reader;
mod records;
mod settings;
mod subscription;
mod topic_readiness;

pub use log::{KafkaLog, KafkaProvider};
