//! What sets MySQL and MariaDB apart by name.

/// The server that a connector is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flavor {
    MySql,
    MariaDb,
}

impl Flavor {
    pub(crate) fn connector_class(self) -> &'static str {
        match self {
            Self::MySql => "io.debezium.connector.mysql.MySqlConnector",
            Self::MariaDb => "io.debezium.connector.mariadb.MariaDbConnector",
        }
    }
    pub(crate) fn task_class(self) -> &'static str {
        match self {
            Self::MySql => "io.debezium.connector.mysql.MySqlConnectorTask",
            Self::MariaDb => "io.debezium.connector.mariadb.MariaDbConnectorTask",
        }
    }
    /// The release that this connector is compared with; also `source.version`.
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::MySql => "3.6.1.Final",
            Self::MariaDb => "3.5.0.Final",
        }
    }
    /// `source.connector`, and part of schema names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }
}
