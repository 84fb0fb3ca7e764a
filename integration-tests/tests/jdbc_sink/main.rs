//! The JDBC sink through the plugin interface on a real PostgreSQL.

mod case;
mod changes;
mod columns;
mod connection;
mod crash;
mod faults;
mod keys;
mod refused;
