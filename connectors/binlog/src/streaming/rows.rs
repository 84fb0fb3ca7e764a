//! Rows in the binary log become change records.

use std::fmt;
use std::sync::Arc;

use bitvec::slice::BitSlice;
use mysql_async::binlog::events::{Event, OptionalMetadataField, RowsEventData, TableMapEvent};
use mysql_async::consts::ColumnType;
use tidegate_cdc::dispatcher::RowChange;
use tidegate_cdc::envelope::Operation;
use tidegate_cdc::records::RowOffsets;
use tidegate_mysql::rows::{RowDecoder, RowSkipper, TablePlanExt as _};
use tidegate_mysql::values::{EventFailure, ValueError};
use tidegate_mysql::{Flavor, MySqlError, queries};
use tidegate_relational::TableId;
use tracing::{debug, info, warn};

use super::Streaming;
use crate::errors::BinlogError;
use crate::source_info::Moment;
use crate::tracker::CapturedTable;

/// What a table map stands for.
pub(super) enum Mapped {
    NotCaptured,
    Table(MappedTable),
    /// Its columns are not those of the schema history.
    Misfit(RowSkipper, ValueError),
}

pub(super) struct MappedTable {
    table: Arc<CapturedTable>,
    decoder: RowDecoder,
}

/// Where an event begins.
struct EventPlace<'a> {
    file: &'a str,
    pos: u64,
}

impl fmt::Display for EventPlace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the event at {}/{}", self.file, self.pos)
    }
}

impl Streaming<'_> {
    pub(super) async fn map_table(
        &mut self,
        event: &Event,
        id: &TableId,
        map: &TableMapEvent<'_>,
    ) -> Result<Mapped, BinlogError> {
        if !self.settings.filters.table(id) {
            return Ok(Mapped::NotCaptured);
        }
        let Some(table) = self.tracker.captured(id)? else {
            if self.flavor == Flavor::MariaDb && is_sequence(map) {
                debug!("{id} is a sequence");
                return Ok(Mapped::NotCaptured);
            }
            if let Some(names) = column_names(map)
                && self.tracker.unknown_rename(id).is_some()
                && let Some(table) = self.adopted(id, &names).await?
            {
                return self.decoded_by(id, map, table);
            }
            return self.unknown(event, id);
        };
        if let Some(names) = column_names(map)
            && let Err(error) = table.plan.check_names(&names)
        {
            return match self.adopted(id, &names).await? {
                Some(table) => self.decoded_by(id, map, table),
                None => Err(error.into()),
            };
        }
        self.decoded_by(id, map, table)
    }

    /// `inconsistent.schema.handling.mode`
    fn unknown(&self, event: &Event, id: &TableId) -> Result<Mapped, BinlogError> {
        let cause = match self.tracker.unknown_rename(id) {
            Some(rename) => format!(
                "'{rename}' gave it this name, and the schema history does not have the definition of the table that had another one before (schema.history.internal.store.only.captured.tables.ddl=true keeps captured tables only). With binlog_row_metadata=FULL on the server the connector takes the definition that the server has. Take a new snapshot, or rebuild the schema with snapshot.mode=recovery if no table was altered since"
            ),
            None => "One possible cause is an incomplete database schema history topic. Take a new snapshot in this case, or rebuild the schema with snapshot.mode=recovery".to_owned(),
        };
        let text = format!(
            "Encountered change event for table {id} whose schema isn't known to this connector. {cause}.\n{}",
            self.mysqlbinlog(event)
        );
        match self.settings.inconsistent_schema {
            EventFailure::Fail => Err(BinlogError::Schema(text)),
            EventFailure::Warn => {
                warn!("The event will be ignored. {text}");
                Ok(Mapped::NotCaptured)
            }
            EventFailure::Skip => Ok(Mapped::NotCaptured),
        }
    }

    /// A table that is not known, by the definition that the server has now, if that has the columns of the log.
    async fn adopted(
        &mut self,
        id: &TableId,
        names: &[String],
    ) -> Result<Option<Arc<CapturedTable>>, BinlogError> {
        let mut conn = self.server.open().await?;
        let definition = queries::show_create_table(&mut conn, id).await;
        conn.disconnect().await;
        let definition = match definition {
            Ok(definition) => definition,
            Err(MySqlError::Refused(error)) => {
                warn!("The definition of table {id} cannot be read: {error}");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let position = self.context.restart.clone();
        self.tracker
            .set_transaction(self.dispatcher.transaction_id());
        if !self
            .tracker
            .adopt(id, &definition, names, &position)
            .await?
        {
            return Ok(None);
        }
        info!(
            "Table {id} has the definition of the server from now on: its columns are those of the log, other than in the schema history"
        );
        self.tracker.captured(id)
    }

    fn decoded_by(
        &self,
        id: &TableId,
        map: &TableMapEvent<'_>,
        table: Arc<CapturedTable>,
    ) -> Result<Mapped, BinlogError> {
        let compressed = match self.flavor {
            Flavor::MariaDb => Some(&*self.compressed_columns),
            Flavor::MySql => None,
        };
        let decoder = table.plan.decoder(map, compressed)?;
        if decoder.has_versions() {
            info!(
                "Rows of {id} begin and end (WITH SYSTEM VERSIONING); those that have ended are passed over"
            );
        }
        Ok(Mapped::Table(MappedTable { table, decoder }))
    }

    /// Rows of one event; those that were handed over before a restart are passed over.
    pub(super) async fn rows(&mut self, rows: &RowsEventData<'_>) -> Result<(), BinlogError> {
        let operation = match rows {
            RowsEventData::WriteRowsEvent(_) | RowsEventData::WriteRowsEventV1(_) => {
                Operation::Create
            }
            RowsEventData::UpdateRowsEvent(_) | RowsEventData::UpdateRowsEventV1(_) => {
                Operation::Update
            }
            RowsEventData::DeleteRowsEvent(_) | RowsEventData::DeleteRowsEventV1(_) => {
                Operation::Delete
            }
            RowsEventData::PartialUpdateRowsEvent(_) => return Ok(()),
        };
        let Some(first_row) = self.repetition.rows_of_event() else {
            debug!(
                "Skipping previously processed row event at {}",
                self.context.event_pos
            );
            return Ok(());
        };
        if self.skips(operation.code()) {
            return Ok(());
        }
        let mapped = match self.tables.get(rows.table_id()) {
            Some(Mapped::Table(mapped)) => mapped,
            Some(Mapped::Misfit(skipper, error)) => {
                return self.misfit(rows, skipper, error, first_row);
            }
            Some(Mapped::NotCaptured) => return Ok(()),
            None if rows.rows_data().is_empty() => return Ok(()),
            None => return self.tolerate(self.without_table_map(rows.table_id())),
        };
        if rows.num_columns() != u64::try_from(mapped.decoder.width()).unwrap_or(u64::MAX) {
            return Err(self.other_width(rows, mapped));
        }
        for present in [rows.columns_before_image(), rows.columns_after_image()] {
            if let Some(present) = present.filter(|present| present.not_all()) {
                return Err(self.partial_image(&mapped.table, present));
            }
        }
        let mut image = rows.rows_data();
        let mut number = 0_u64;
        let moment_row = |number: u64| Moment {
            micros: self.context.micros,
            snapshot: None,
            database: &mapped.table.database,
            table: Some(&mapped.table.name),
            server_id: self.context.restart.server_id,
            gtid: self.context.gtid.as_ref(),
            file: &self.file,
            pos: self.context.event_pos,
            row: number,
            thread: self.context.thread.filter(|_| self.flavor == Flavor::MySql),
        };
        let mut before_row = self.context.offset(first_row);
        let place = EventPlace {
            file: &self.file,
            pos: self.context.event_pos,
        };
        while !image.is_empty() {
            let before = match rows.columns_before_image() {
                Some(present) if operation != Operation::Create => {
                    mapped.decoder.decode_row(present, &mut image, &place)?
                }
                _ => None,
            };
            let after = match rows.columns_after_image() {
                Some(present) if operation != Operation::Delete => {
                    mapped.decoder.decode_row(present, &mut image, &place)?
                }
                _ => None,
            };
            if number >= first_row {
                let block = self.source.block(&moment_row(number));
                let behind = self.context.offset(number + 1);
                // Where rows have versions, a version that ends is a delete, and one that has ended is nothing new.
                let change = match (before, after) {
                    (None, Some(after)) => Some(RowChange::Created(after)),
                    (Some(before), Some(after)) => Some(RowChange::Updated { before, after }),
                    (Some(before), None) => Some(RowChange::Deleted(before)),
                    (None, None) => None,
                };
                if let Some(change) = change {
                    let offsets = RowOffsets {
                        before: &before_row,
                        behind: behind.clone(),
                    };
                    self.dispatcher.row(&mapped.table, change, block, offsets);
                }
                before_row = behind;
            }
            number += 1;
        }
        self.last_row = number.saturating_sub(1);
        let count = self.dispatcher.hand_over().await?;
        self.warnings.handed_over(count);
        Ok(())
    }

    /// Rows of a table whose number no table map announced: the stream began between the two.
    fn without_table_map(&self, number: u64) -> BinlogError {
        BinlogError::Schema(format!(
            "The rows at {}/{} belong to table number {number}, which no table map before them announces: the offset that the \
             stream began with lies inside of their statement. Set the offset to the beginning of their transaction \
             (mysqlbinlog shows it), or take a new snapshot (snapshot.mode=always for one start)",
            self.context.event_file, self.context.event_pos
        ))
    }

    fn other_width(&self, rows: &RowsEventData<'_>, mapped: &MappedTable) -> BinlogError {
        BinlogError::Schema(format!(
            "The rows of table {} at {}/{} have {} columns, but their table map announces {}: the event is broken. mysqlbinlog \
             shows whether the server's file is, too; a new snapshot (snapshot.mode=always for one start) begins behind it",
            mapped.table.plan.table.id,
            self.context.event_file,
            self.context.event_pos,
            rows.num_columns(),
            mapped.decoder.width()
        ))
    }

    /// Null would stand for values that nobody has changed: no mode allows it.
    fn partial_image(&self, table: &CapturedTable, present: &BitSlice<u8>) -> BinlogError {
        let columns = &table.plan.table.columns;
        let missing: Vec<&str> = present
            .iter_zeros()
            .filter_map(|index| Some(&*columns.get(index)?.name))
            .collect();
        BinlogError::Schema(format!(
            "The rows of table {} at {}/{} do not have all columns, {} is missing: the session that wrote them has another \
             binlog_row_image than FULL. Set binlog_row_image=FULL in all sessions, and take a new snapshot \
             (snapshot.mode=always for one start)",
            table.plan.table.id,
            self.context.event_file,
            self.context.event_pos,
            missing.join(", ")
        ))
    }

    /// Rows that were handed over before a restart may have other columns than the history, which was rebuilt since. More
    /// than those are lost without a trace if they are skipped: no mode allows it.
    fn misfit(
        &self,
        rows: &RowsEventData<'_>,
        skipper: &RowSkipper,
        error: &ValueError,
        first_row: u64,
    ) -> Result<(), BinlogError> {
        let mut image = rows.rows_data();
        let images = [rows.columns_before_image(), rows.columns_after_image()];
        let cut_off = (0..first_row).any(|_| {
            let mut present = images.iter().flatten();
            present.any(|present| skipper.skip_row(present, &mut image).is_none())
        });
        if image.is_empty() && !cut_off {
            return Ok(());
        }
        Err(BinlogError::Schema(format!(
            "Error processing binlog event at {}/{}: {error}",
            self.context.event_file, self.context.event_pos
        )))
    }
}

/// The names of all columns, if the server tells them (`binlog_row_metadata=FULL`).
fn column_names(map: &TableMapEvent<'_>) -> Option<Vec<String>> {
    for field in map.iter_optional_meta() {
        if let OptionalMetadataField::ColumnName(names) = field.ok()? {
            let names = names
                .iter_names()
                .map(|name| Some(name.ok()?.name().into_owned()));
            return names.collect();
        }
    }
    None
}

/// A sequence writes its state as rows of a table of its name, which no schema has. All of them have the same columns.
///
/// Source: MariaDB `sql_sequence.cc`, `sequence_structure`.
fn is_sequence(map: &TableMapEvent<'_>) -> bool {
    const LONG: ColumnType = ColumnType::MYSQL_TYPE_LONGLONG;
    // next_not_cached_value, minimum, maximum, start, increment, cache_size, cycle_option, cycle_count
    const COLUMNS: [ColumnType; 8] = [
        LONG,
        LONG,
        LONG,
        LONG,
        LONG,
        LONG,
        ColumnType::MYSQL_TYPE_TINY,
        LONG,
    ];
    map.columns_count() == 8
        && map.null_bitmask().not_any()
        && (0..).zip(COLUMNS).all(
            |(index, column)| matches!(map.get_column_type(index), Ok(Some(own)) if own == column),
        )
}
