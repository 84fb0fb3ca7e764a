//! What the connector needs of a server's settings.

use tidegate_mysql::sessions::Session;
use tidegate_mysql::{Flavor, queries};

use crate::errors::BinlogError;

/// Checks that the server writes what this connector can read.
pub(crate) async fn check_binlog(conn: &mut Session, flavor: Flavor) -> Result<(), BinlogError> {
    if queries::variable(conn, "log_bin")
        .await?
        .is_some_and(|value| value == "OFF")
    {
        return Err(BinlogError::NoBinlog);
    }
    let format = queries::variable(conn, "binlog_format").await?;
    if let Some(format) = format.filter(|format| !format.eq_ignore_ascii_case("ROW")) {
        return Err(BinlogError::Server(format!(
            "The database server is not configured to use a ROW binlog_format, which is required for this connector to work properly. Change the database configuration to use a binlog_format=ROW and restart the connector. (It is {format}.)"
        )));
    }
    let image = queries::variable(conn, "binlog_row_image").await?;
    if let Some(image) = image.filter(|image| !image.eq_ignore_ascii_case("FULL")) {
        return Err(BinlogError::Server(format!(
            "The database server is not configured to use a FULL binlog_row_image, which is required for this connector to work properly. Change the database configuration to use a binlog_row_image=FULL and restart the connector. (It is {image}.)"
        )));
    }
    if flavor == Flavor::MySql
        && queries::variable(conn, "binlog_row_value_options")
            .await?
            .is_some_and(|value| value.eq_ignore_ascii_case("PARTIAL_JSON"))
    {
        return Err(BinlogError::Server(
            "The server writes only the changed parts of JSON columns (binlog_row_value_options=PARTIAL_JSON), from which no change records can be made. Set binlog_row_value_options='' and restart the connector".to_owned(),
        ));
    }
    Ok(())
}
