//! Rows in the binary log become change records.

use std::sync::Arc;

use bitvec::slice::BitSlice;
use mysql_async::binlog::events::{Event, RowsEventData, TableMapEvent};
use mysql_async::consts::ColumnType;
use tidegate_cdc::envelope::Operation;
use tidegate_relational::TableId;
use tracing::{debug, info, warn};

use super::Streaming;
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::record::CapturedTable;
use crate::schema::{RowDecoder, RowSkipper};
use crate::source_info::Moment;
use crate::values::{EventFailure, ValueError};

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

impl Streaming<'_> {
    pub(super) fn map_table(
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
            let text = format!(
                "Encountered change event for table {id} whose schema isn't known to this connector. One possible cause is an incomplete database schema history topic. Take a new snapshot in this case, or rebuild the schema with snapshot.mode=recovery.\n{}",
                self.mysqlbinlog(event)
            );
            return match self.settings.inconsistent_schema {
                EventFailure::Fail => Err(BinlogError::Schema(text)),
                EventFailure::Warn => {
                    warn!("The event will be ignored. {text}");
                    Ok(Mapped::NotCaptured)
                }
                EventFailure::Skip => Ok(Mapped::NotCaptured),
            };
        };
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
        if self.skipping && self.skip_events > 0 {
            debug!(
                "Skipping previously processed row event at {}",
                self.context.event_pos
            );
            return Ok(());
        }
        let first_row = std::mem::take(&mut self.first_row);
        if self.skips(operation.code()) {
            return Ok(());
        }
        let mapped = match self.tables.get(&rows.table_id()).map(|(_, mapped)| mapped) {
            Some(Mapped::Table(mapped)) => mapped,
            Some(Mapped::Misfit(skipper, error)) => {
                return self.misfit(rows, skipper, error, first_row);
            }
            Some(Mapped::NotCaptured) | None => return Ok(()),
        };
        for present in [rows.columns_before_image(), rows.columns_after_image()] {
            if let Some(present) = present.filter(|present| present.not_all()) {
                return Err(self.partial_image(&mapped.table, present));
            }
        }
        let mut image = rows.rows_data();
        let mut number = 0_u64;
        let mut out = std::mem::take(&mut self.scratch);
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
        let offset_of = |number: u64| {
            let mut position = self.context.restart.clone();
            position.rows = number + 1;
            tidegate_api::SourceOffset::new(position)
        };
        while !image.is_empty() {
            let before = match rows.columns_before_image() {
                Some(present) if operation != Operation::Create => {
                    mapped.decoder.decode_row(present, &mut image)?
                }
                _ => None,
            };
            let after = match rows.columns_after_image() {
                Some(present) if operation != Operation::Delete => {
                    mapped.decoder.decode_row(present, &mut image)?
                }
                _ => None,
            };
            if number >= first_row {
                let block = self.source.block(&moment_row(number));
                let offset = offset_of(number);
                // Where rows have versions, a version that ends is a delete, and one that has ended is nothing new.
                match (before, after) {
                    (None, Some(after)) => out.push(self.records.insert(
                        &mapped.table,
                        Operation::Create,
                        after,
                        block,
                        offset,
                    )),
                    (Some(before), Some(after)) => {
                        self.records
                            .update(&mapped.table, before, after, block, offset, &mut out);
                    }
                    (Some(before), None) => {
                        self.records
                            .delete(&mapped.table, before, block, &offset, None, &mut out);
                    }
                    (None, None) => {}
                }
            }
            number += 1;
        }
        self.last_row = number.saturating_sub(1);
        for record in out.drain(..) {
            self.queue.push(record).await?;
        }
        self.scratch = out;
        Ok(())
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
