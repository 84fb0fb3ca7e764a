//! Statements in the binary log: transactions begin and end, tables change.

use mysql_async::binlog::StatusVarKey;
use mysql_async::binlog::events::{Event, QueryEvent, StatusVarVal};
use tidegate_api::{Str, Struct};
use tidegate_mysql_ddl::SqlMode;
use tidegate_relational::TableId;
use tracing::warn;

use super::Streaming;
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::source_info::Moment;
use crate::tracker::SchemaChange;

impl Streaming<'_> {
    pub(super) async fn query(
        &mut self,
        event: &Event,
        database: &str,
        sql: &str,
        thread: u32,
    ) -> Result<(), BinlogError> {
        let upper: String = sql
            .trim_start()
            .chars()
            .take(16)
            .collect::<String>()
            .to_ascii_uppercase();
        match upper.trim_end() {
            "BEGIN" => {
                self.context.thread = Some(thread.into());
                self.context.begin();
                return Ok(());
            }
            "COMMIT" => {
                self.commit();
                return Ok(());
            }
            "END" | "FLUSH PRIVILEGES" => return Ok(()),
            _ => {}
        }
        if upper.starts_with("XA ")
            || upper.starts_with("SAVEPOINT")
            || upper.starts_with("ROLLBACK")
        {
            return Ok(());
        }
        if ["INSERT ", "UPDATE ", "DELETE ", "REPLACE "]
            .iter()
            .any(|dml| upper.starts_with(dml))
        {
            warn!(
                "Received DML '{}…' in database '{database}' for processing, binlog probably contains events generated with statement or mixed based replication format; its changes are not captured. Set binlog_format=ROW for all sessions",
                upper.trim_end()
            );
            return Ok(());
        }
        self.ddl(event, database, sql).await
    }

    async fn ddl(&mut self, event: &Event, database: &str, sql: &str) -> Result<(), BinlogError> {
        let position = self.context.restart.clone();
        let applied = self.tracker.apply(database, sql, &position).await;
        let changes = applied.inspect_err(|_| self.context.step_back())?;
        // Numbers of tables belong to versions of them.
        self.tables.clear();
        let tables = table_names(&changes);
        for change in changes {
            let table = match &change.truncated {
                Some(id) => Str::new(&id.table),
                None => tables.clone(),
            };
            // The original leaves the number of the last row that it saw.
            let block = self.block(
                event,
                &Str::new(&change.database),
                (!change.is_database).then_some(&table),
                self.last_row,
            );
            if let Some(id) = &change.truncated {
                if !self.skips("t")
                    && let Some(captured) = self.tracker.captured(id)?
                {
                    let offset = self.context.offset(0);
                    self.queue
                        .push(self.records.truncate(&captured, block, offset))
                        .await?;
                }
            } else if self.tracker.is_published(&change) {
                let offset = self.context.offset(0);
                let record = self
                    .schema_changes
                    .record(self.records, block, &change, offset);
                self.queue.push(record).await?;
            }
        }
        Ok(())
    }

    fn block(&self, event: &Event, database: &Str, table: Option<&Str>, row: u64) -> Struct {
        self.source.block(&Moment {
            // The original takes the time of a statement in milliseconds, that of a row in microseconds.
            micros: self.context.micros.div_euclid(1_000) * 1_000,
            snapshot: None,
            database,
            table,
            server_id: event.header().server_id(),
            gtid: self.context.gtid.as_ref(),
            file: &self.file,
            pos: self.context.event_pos,
            row,
            thread: self.context.thread.filter(|_| self.flavor == Flavor::MySql),
        })
    }
}

/// The tables of a statement in the order of Java's `HashSet` of their ids, joined by commas.
fn table_names(changes: &[SchemaChange]) -> Str {
    let mut ids: Vec<&TableId> = Vec::new();
    for id in changes.iter().filter_map(|change| change.table.as_ref()) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let buckets = (ids.len() * 4 / 3 + 1).next_power_of_two().max(16);
    ids.sort_by_cached_key(|id| {
        let hash = id.to_string().encode_utf16().fold(0_u32, |hash, unit| {
            hash.wrapping_mul(31).wrapping_add(unit.into())
        });
        (hash ^ hash >> 16) as usize & (buckets - 1)
    });
    let names: Vec<&str> = ids.iter().map(|id| &*id.table).collect();
    Str::from(names.join(","))
}

/// The mode that the statement was written in; quotes and escapes mean other things in others.
pub(super) fn sql_mode(query: &QueryEvent<'_>) -> Option<SqlMode> {
    let variable = query.status_vars().get_status_var(StatusVarKey::SqlMode)?;
    match variable.get_value() {
        Ok(StatusVarVal::SqlMode(flags)) => Some(SqlMode::from_bits(flags.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_a_statement_is_read_from_its_event() {
        fn check(variables: &[u8], expected: Option<SqlMode>) {
            let event = QueryEvent::new(variables, &b"db"[..]);
            assert_eq!(sql_mode(&event), expected, "{variables:?}");
        }
        let ansi_quotes = [0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0, 0, 0, 0];
        check(&ansi_quotes, Some(SqlMode::parse("ANSI_QUOTES")));
        check(&[0, 0, 0, 0, 0], None);
        check(&[1, 4, 0], None);
    }
}
