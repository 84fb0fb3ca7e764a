//! PostgreSQL: catalog, types, statements.
//!
//! Source: Debezium `PostgresDatabaseDialect`; Confluent `PostgreSqlDatabaseDialect`.

pub(crate) mod binding;
pub(crate) mod catalog;
pub(crate) mod statements;
pub(crate) mod types;
