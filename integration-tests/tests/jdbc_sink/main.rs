//! The JDBC sink through the plugin interface on a real PostgreSQL.

mod altered;
mod case;
mod changes;
mod columns;
mod confluent;
mod connection;
mod crash;
mod events;
mod faults;
mod keys;
mod lacking;
mod limits;
mod names;
mod refused;
mod sessions;
mod texts;
mod triggers;
mod waiting;
