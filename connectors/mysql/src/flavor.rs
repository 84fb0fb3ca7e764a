//! What sets MySQL and MariaDB apart by name.

/// The product that a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    MySql,
    MariaDb,
}
