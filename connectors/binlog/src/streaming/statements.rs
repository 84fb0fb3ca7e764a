//! Statements in the binary log: transactions begin and end, tables change.

use std::collections::{HashMap, HashSet};

use mysql_async::binlog::events::Event;
use tidegate_api::{Str, Struct};
use tidegate_cdc::java_order;
use tidegate_mysql::Flavor;
use tidegate_relational::TableId;
use tracing::warn;

use super::Streaming;
use super::savepoints::Savepoint;
use crate::errors::BinlogError;
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
                self.begin();
                return Ok(());
            }
            "COMMIT" => {
                self.commit();
                return Ok(());
            }
            "ROLLBACK" => {
                self.rolled_back();
                return Ok(());
            }
            "END" | "FLUSH PRIVILEGES" => return Ok(()),
            _ => {}
        }
        if upper.starts_with("XA ") {
            self.xa(sql);
            return Ok(());
        }
        if let Some(savepoint) = Savepoint::of(sql) {
            self.savepoint(savepoint);
            return Ok(());
        }
        if self.is_rolled_back || upper.starts_with("SAVEPOINT") || upper.starts_with("ROLLBACK") {
            return Ok(());
        }
        self.warn_of_row_statement(database, sql)?;
        // The original takes others for DDL without an effect, and keeps them in the history.
        if ["INSERT ", "UPDATE ", "DELETE ", "REPLACE "]
            .iter()
            .any(|dml| upper.starts_with(dml))
        {
            return Ok(());
        }
        self.ddl(event, database, sql).await
    }

    /// What `ROLLBACK TO` undoes is in the log if it has touched what cannot be undone.
    fn savepoint(&mut self, savepoint: Savepoint) {
        let rows = self.warnings.savepoint(savepoint);
        if rows > 0 {
            warn!(
                "The transaction at {}/{} was rolled back to a savepoint, but {rows} records since then have been handed over: their rows stay in the target. Set binlog.buffer.size, which holds transactions back until their end is known, and compare the tables with the source",
                self.context.event_file, self.context.event_pos
            );
        }
    }

    /// The end of a transaction that has touched what cannot be undone, so that the log has it all the same.
    fn rolled_back(&mut self) {
        let rows = self.warnings.rows();
        if rows > 0 {
            warn!(
                "The transaction that ends at {}/{} was rolled back, but {rows} records of it have been handed over: its rows stay in the target. Set binlog.buffer.size, which holds transactions back until their end is known, and compare the tables with the source",
                self.context.event_file, self.context.event_pos
            );
        }
        self.commit();
    }

    /// The rows of a transaction of several databases stand between XA START and the event that prepares it, without BEGIN.
    /// MariaDB has announced it with its id, which begins it already.
    fn xa(&mut self, statement: &str) {
        let is_open = self.context.in_transaction;
        let mut words = statement.split_ascii_whitespace().skip(1);
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        let id: String = words.collect();
        match verb.as_str() {
            "START" | "BEGIN" if !is_open => self.begin(),
            "END" => self.warnings.xa_ends(id),
            "COMMIT" | "ROLLBACK" => {
                if self.warnings.xa_decided(&id) && verb == "ROLLBACK" {
                    warn!(
                        "The XA transaction {id} was rolled back at {}/{}, but its rows were handed over when it was prepared: they stay in the target. Compare the tables that it has changed with the source",
                        self.context.event_file, self.context.event_pos
                    );
                }
                if is_open {
                    self.commit();
                }
            }
            _ => {}
        }
    }

    async fn ddl(&mut self, event: &Event, database: &str, sql: &str) -> Result<(), BinlogError> {
        let begins = !self.context.in_transaction && is_followed_by_rows(sql);
        let position = self.context.restart.clone();
        self.tracker
            .set_transaction(self.dispatcher.transaction_id());
        let applied = self.tracker.apply(database, sql, &position).await;
        let changes = applied.inspect_err(|_| self.context.step_back())?;
        // Numbers of tables belong to versions of them.
        self.tables.forget();
        let names = table_names(&changes);
        for change in changes {
            let table = match &change.truncated {
                Some(id) => Str::new(&id.table),
                None => names
                    .get(&change.database)
                    .cloned()
                    .unwrap_or_else(|| Str::new("")),
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
                    let offset = self.context.offset_before_event();
                    self.dispatcher.truncated(&captured, block, offset);
                }
            } else if self.tracker.is_published(&change) {
                let offset = self.context.offset_before_event();
                self.dispatcher
                    .schema_change(block, change.statement(), offset);
            }
        }
        self.dispatcher.last_change_at(self.context.offset(0));
        self.dispatcher.hand_over().await?;
        if begins {
            self.begin();
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

/// Whether a statement of MySQL begins a transaction: CREATE TABLE … SELECT is logged as CREATE TABLE … START TRANSACTION,
/// and the rows follow.
fn is_followed_by_rows(sql: &str) -> bool {
    const END: &[u8] = b"START TRANSACTION";
    let sql = sql.trim().as_bytes();
    let starts = sql
        .get(..6)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"CREATE"));
    let end = sql.len().saturating_sub(END.len());
    starts && sql[end..].eq_ignore_ascii_case(END)
}

/// By database, the tables that a statement names: in the order of Java's `HashSet` of their ids, joined by commas.
fn table_names(changes: &[SchemaChange]) -> HashMap<String, Str> {
    let mut databases: HashMap<&str, (Vec<&TableId>, HashSet<&TableId>)> = HashMap::new();
    for change in changes {
        if let Some(id) = change.table.as_ref().or(change.renamed.as_ref()) {
            let (ids, known) = databases.entry(&change.database).or_default();
            if known.insert(id) {
                ids.push(id);
            }
        }
    }
    let joined = |mut ids: Vec<&TableId>| {
        let buckets = java_order::buckets_of_set(ids.len());
        java_order::sort(&mut ids, buckets, ToString::to_string);
        let names: Vec<&str> = ids.iter().map(|id| &*id.table).collect();
        Str::from(names.join(","))
    };
    let databases = databases.into_iter();
    let names = databases.map(|(database, (ids, _))| (database.to_owned(), joined(ids)));
    names.collect()
}

#[cfg(test)]
mod tests {
    use tidegate_mysql_ddl::Schemas;

    use super::*;

    #[test]
    fn names_of_tables_are_those_of_a_database() {
        let mut schemas = Schemas::default();
        let events = schemas.apply("d", "DROP TABLE a, b, e.c, b").unwrap();
        let changes: Vec<SchemaChange> = events.into_iter().map(SchemaChange::of).collect();
        let names = table_names(&changes);
        assert_eq!(names.get("d"), Some(&Str::new("a,b")));
        assert_eq!(names.get("e"), Some(&Str::new("c")));
    }

    #[test]
    fn statements_that_rows_follow_are_known_by_their_end() {
        assert!(is_followed_by_rows(
            "CREATE TABLE `t` (\n  `id` int\n) START TRANSACTION"
        ));
        assert!(is_followed_by_rows(
            "create table t (id int) start transaction "
        ));
        for other in [
            "CREATE TABLE t (id int) COMMENT='START TRANSACTION'",
            "CREATE TABLE t (id int)",
            "START TRANSACTION",
            "",
        ] {
            assert!(!is_followed_by_rows(other), "{other}");
        }
    }
}
