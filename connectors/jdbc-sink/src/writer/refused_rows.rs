//! Finds the row that a batch fails on, and its column.

use std::ops::Range;

use tidegate_api::{ConnectError, ConnectorTaskId, SinkRecord};

use super::Writer;
use crate::batch::{Batch, Rules};
use crate::dialect::postgres::statements;
use crate::errors::SinkError;
use crate::session::{ArrayParameter, Session};
use crate::wire;

impl Writer {
    /// In the order of arrival, each part behind a savepoint; rows that fail are reported.
    pub(super) async fn write_by_halves(
        &mut self,
        records: &[SinkRecord],
        batch: &Batch,
    ) -> Result<(), SinkError> {
        let (rules, task, reports) = (self.rules(), self.task.clone(), self.reporter.is_some());
        let session = self.session().await?;
        session.begin(batch.shapes()).await?;
        let mut parts = Vec::new();
        parts.push(0..batch.len());
        let mut failed = Vec::new();
        while let Some(part) = parts.pop() {
            let (text, column) = match try_part(session, batch, part.clone(), rules).await {
                Ok(()) => continue,
                Err(SinkError::Row { text, column }) => (text, column),
                // The session is given up.
                Err(error) if error.is_transient() => return Err(error),
                Err(other) => {
                    session.execute("ROLLBACK").await?;
                    return Err(other);
                }
            };
            if part.len() > 1 {
                let middle = part.start + part.len() / 2;
                parts.push(middle..part.end);
                parts.push(part.start..middle);
                continue;
            }
            let column = match column {
                Some(column) => Some(column),
                None => refusing_column(session, batch, part.start).await?,
            };
            let record = &records[batch.record(part.start)];
            let error = row_error(&task, batch, part.start, record, &text, column);
            if !reports {
                session.execute("ROLLBACK").await?;
                return Err(error.into());
            }
            failed.push((part.start, error));
        }
        // First the reports: what is not reported must not be lost.
        for (row, error) in failed {
            let index = batch.record(row);
            if let Err(error) = self.report(index, &records[index], error).await {
                self.session().await?.execute("ROLLBACK").await?;
                return Err(error);
            }
        }
        Ok(self.session().await?.execute("COMMIT").await?)
    }
}

async fn try_part(
    session: &mut Session,
    batch: &Batch,
    part: Range<usize>,
    rules: Rules,
) -> Result<(), SinkError> {
    session.execute("SAVEPOINT tidegate_part").await?;
    for step in batch.arrange(part, rules) {
        if let Err(error) = session.step(batch, &step).await {
            if matches!(error, SinkError::Row { .. }) {
                session
                    .execute("ROLLBACK TO SAVEPOINT tidegate_part")
                    .await?;
            }
            return Err(error);
        }
    }
    Ok(session.execute("RELEASE SAVEPOINT tidegate_part").await?)
}

/// Asks for each column whether its value alone fits: the database does not always say which one did not.
async fn refusing_column(
    session: &mut Session,
    batch: &Batch,
    row: usize,
) -> Result<Option<String>, SinkError> {
    let shape = batch.shape(row);
    for ((column, sql_type), field) in shape
        .columns
        .iter()
        .zip(&shape.sql_types)
        .zip(batch.fields(row))
    {
        let mut parameter = ArrayParameter::new(column.binding.encoder.wire(), 1);
        parameter.push(field);
        session.execute("SAVEPOINT tidegate_probe").await?;
        let sql = statements::probe(column, sql_type);
        let refused = session.probe(sql, parameter).await.is_err();
        session
            .execute("ROLLBACK TO SAVEPOINT tidegate_probe")
            .await?;
        if refused || too_long(sql_type, field) {
            return Ok(Some(column.name.clone()));
        }
    }
    Ok(None)
}

/// Casts cut texts where assignments refuse them.
fn too_long(sql_type: &str, field: Option<&[u8]>) -> bool {
    let limit = sql_type
        .strip_prefix("character varying(")
        .or_else(|| sql_type.strip_prefix("character("))
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(|digits| digits.parse::<usize>().ok());
    match (limit, field.map(std::str::from_utf8)) {
        (Some(limit), Some(Ok(text))) => text.chars().count() > limit,
        _ => false,
    }
}

/// What is needed to find the row: task, table, key, place, column, and the database's words.
fn row_error(
    task: &ConnectorTaskId,
    batch: &Batch,
    row: usize,
    record: &SinkRecord,
    text: &str,
    column: Option<String>,
) -> ConnectError {
    let shape = batch.shape(row);
    let key: Vec<String> = shape.columns[..shape.keys]
        .iter()
        .zip(batch.fields(row))
        .map(|(column, field)| {
            let value = wire::describe(column.binding.encoder.wire(), field);
            format!("{}={value}", column.name)
        })
        .collect();
    let key = if key.is_empty() {
        "none".to_owned()
    } else {
        key.join(", ")
    };
    let column = column
        .map(|name| format!(", column {name}"))
        .unwrap_or_default();
    ConnectError::data(format!(
        "{task}: table {}{column}: the row with key {key} (record at {}) is refused: {text}. Correct the row at its source or the table, or let such records go to a dead letter queue (errors.tolerance=all, errors.deadletterqueue.topic.name)",
        shape.table, record.original
    ))
}
