//! What speaks to a server of MySQL or MariaDB: connections and sessions, queries, global transaction ids, the types of
//! columns, and rows by both protocols. Knows no Kafka, no schema history and no connector: a connection is opened with
//! its [`ConnectionSettings`] alone.

pub mod compressed;
pub mod connection;
mod errors;
mod flavor;
pub mod gtid;
pub mod queries;
pub mod rows;
pub mod sessions;
pub mod table_reader;
pub mod tls;
pub mod uuid;
pub mod values;

pub use connection::ConnectionSettings;
pub use errors::{MySqlError, Refusal};
pub use flavor::Flavor;
