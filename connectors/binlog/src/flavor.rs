//! What the originals call their connectors for MySQL and MariaDB.

use tidegate_mysql::Flavor;

/// Names of the connector for one product.
pub(crate) trait ConnectorNames {
    fn connector_class(self) -> &'static str;
    fn task_class(self) -> &'static str;
    /// The release that this connector is compared with; also `source.version`.
    fn version(self) -> &'static str;
    /// `source.connector`, and part of schema names.
    fn name(self) -> &'static str;
}

impl ConnectorNames for Flavor {
    fn connector_class(self) -> &'static str {
        match self {
            Self::MySql => "io.debezium.connector.mysql.MySqlConnector",
            Self::MariaDb => "io.debezium.connector.mariadb.MariaDbConnector",
        }
    }
    fn task_class(self) -> &'static str {
        match self {
            Self::MySql => "io.debezium.connector.mysql.MySqlConnectorTask",
            Self::MariaDb => "io.debezium.connector.mariadb.MariaDbConnectorTask",
        }
    }
    fn version(self) -> &'static str {
        match self {
            Self::MySql => "3.6.1.Final",
            Self::MariaDb => "3.5.0.Final",
        }
    }
    fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::MariaDb => "mariadb",
        }
    }
}
