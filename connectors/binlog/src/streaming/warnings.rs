//! Changes that are in the log and not among the rows, or the other way round: what is said of them, and how often.

use std::collections::HashMap;
use std::time::Duration;

use indexmap::IndexSet;
use tokio::time::Instant;
use tracing::warn;

use super::Streaming;
use super::savepoints::{Savepoint, Savepoints};
use crate::errors::BinlogError;

/// One warning for each table in this time.
const PAUSE: Duration = Duration::from_mins(1);
/// Prepared transactions that are remembered.
const MOST_PREPARED: usize = 10_000;

/// What has been said, and what may have to be said.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// When statements about a table, or of a kind in a database, were warned of.
    warned: HashMap<String, Instant>,
    /// Records of the transaction at hand that were handed over.
    rows: usize,
    /// Of the transaction at hand, by the records that were handed over before them.
    savepoints: Savepoints,
    /// Id of the XA transaction that has ended and is about to be prepared.
    xa: String,
    /// Those that have handed rows over and are not decided.
    prepared: IndexSet<String>,
}

impl Warnings {
    pub(super) fn transaction_begins(&mut self) {
        self.rows = 0;
        self.savepoints = Savepoints::default();
    }
    pub(super) fn handed_over(&mut self, records: usize) {
        self.rows += records;
    }
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// How many of the records that were handed over the statement undoes.
    pub(super) fn savepoint(&mut self, savepoint: Savepoint) -> usize {
        match savepoint {
            Savepoint::Set(name) => {
                self.savepoints.set(name, self.rows);
                0
            }
            Savepoint::RollBackTo(name) => {
                // Of a savepoint that was not seen, the whole transaction.
                let before = self.savepoints.roll_back_to(&name).unwrap_or_default();
                let undone = self.rows - before;
                self.rows = before;
                undone
            }
        }
    }

    /// `XA END`, which names the transaction that is prepared next.
    pub(super) fn xa_ends(&mut self, id: String) {
        self.xa = id;
    }
    pub(super) fn xa_prepared(&mut self) {
        let id = std::mem::take(&mut self.xa);
        if self.rows > 0 && !id.is_empty() {
            self.prepared.insert(id);
            if self.prepared.len() > MOST_PREPARED {
                self.prepared.shift_remove_index(0);
            }
        }
    }
    /// Whether rows of the transaction were handed over.
    pub(super) fn xa_decided(&mut self, id: &str) -> bool {
        self.prepared.shift_remove(id)
    }

    /// Whether it is time to warn of something again.
    fn is_due(&mut self, what: String) -> bool {
        let now = Instant::now();
        if self.warned.len() > 10_000 {
            self.warned.retain(|_, at| now.duration_since(*at) < PAUSE);
        }
        match self.warned.get(&what) {
            Some(at) if now.duration_since(*at) < PAUSE => false,
            _ => {
                self.warned.insert(what, now);
                true
            }
        }
    }
}

impl Streaming<'_> {
    /// A statement that changes rows is in the log as it was written: nothing says which rows it has changed.
    pub(super) fn warn_of_row_statement(
        &mut self,
        database: &str,
        sql: &str,
    ) -> Result<(), BinlogError> {
        let Some(statement) = self.tracker.row_statement(database, sql) else {
            return Ok(());
        };
        let mut subjects = Vec::new();
        for table in &statement.tables {
            if self.tracker.captured(table)?.is_some() {
                subjects.push(format!("table {table}"));
            }
        }
        if statement.tables.is_empty() && self.settings.filters.database(database) {
            subjects.push(format!("database {database}, perhaps by a function,"));
        }
        for subject in subjects {
            if self
                .warnings
                .is_due(format!("{} {subject}", statement.verb))
            {
                warn!(
                    "Received DML '{}' for processing, binlog probably contains events generated with statement or mixed based replication format: the rows of {subject} that it has changed at {}/{} are not captured. Set binlog_format=ROW globally and for all sessions, and take a new snapshot",
                    statement.verb, self.context.event_file, self.context.event_pos
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_table_is_warned_of_once_a_minute() {
        let mut warnings = Warnings::default();
        let mut due = |what: &str| warnings.is_due(what.to_owned());
        assert!(due("a") && !due("a") && due("b"));
        tokio::time::advance(PAUSE).await;
        assert!(due("a") && !due("a"));
    }

    #[test]
    fn records_since_a_savepoint_are_counted_once() {
        let mut warnings = Warnings::default();
        let set = |name: &str| Savepoint::Set(name.to_owned());
        let to = |name: &str| Savepoint::RollBackTo(name.to_owned());
        warnings.transaction_begins();
        warnings.handed_over(2);
        assert_eq!(warnings.savepoint(set("a")), 0);
        warnings.handed_over(3);
        assert_eq!(warnings.savepoint(to("a")), 3);
        assert_eq!(warnings.savepoint(to("a")), 0);
        warnings.handed_over(1);
        assert_eq!(warnings.savepoint(to("unseen")), 3);
        warnings.transaction_begins();
        assert_eq!(warnings.savepoint(to("a")), 0);
    }

    #[test]
    fn rolled_back_xa_transactions_are_known_if_their_rows_were_handed_over() {
        let mut warnings = Warnings::default();
        for (id, rows) in [("a", 1), ("b", 0), ("c", 2)] {
            warnings.transaction_begins();
            warnings.handed_over(rows);
            warnings.xa_ends(id.to_owned());
            warnings.xa_prepared();
        }
        assert!(warnings.xa_decided("a") && !warnings.xa_decided("a"));
        assert!(!warnings.xa_decided("b") && warnings.xa_decided("c"));
        for number in 0..=MOST_PREPARED {
            warnings.xa_ends(number.to_string());
            warnings.xa_prepared();
        }
        assert!(!warnings.xa_decided("0") && warnings.xa_decided("1"));
    }
}
