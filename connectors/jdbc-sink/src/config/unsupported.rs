//! Settings of both originals that this version does not have: refused is what would change tables or rows.

use tidegate_api::config::Unsupported;

pub(super) static UNSUPPORTED: [Unsupported; 6] = [
    Unsupported::refused(
        "internal.enable.sces",
        &["false"],
        "records are written in the order of their topics; remove it",
    ),
    Unsupported::without_effect(
        "dialect.sqlserver.identity.insert",
        &["false"],
        "it is for SQL Server, and this version writes to PostgreSQL",
    ),
    Unsupported::refused(
        "jdbc.credentials.provider.class",
        &["io.confluent.connect.jdbc.util.DefaultJdbcCredentialsProvider"],
        "take user and password from a file or variable by config.providers and ${file:…} or ${env:…}",
    ),
    Unsupported::refused(
        "dialect.name",
        &["PostgreSqlDatabaseDialect"],
        "the database is PostgreSQL; remove it",
    ),
    Unsupported::refused(
        "column.naming.strategy",
        &["io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy"],
        "columns would have other names; rename fields with ReplaceField",
    ),
    Unsupported::refused(
        "date.timezone",
        &["DB_TIMEZONE"],
        "dates would be shifted; remove it",
    ),
];
