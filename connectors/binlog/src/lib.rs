//! Change data capture from the binary logs of MySQL and MariaDB: Debezium's `MySqlConnector` and `MariaDbConnector`.

pub mod schema;
pub mod values;
