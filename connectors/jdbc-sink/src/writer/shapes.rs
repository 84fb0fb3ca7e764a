//! What records are in their tables as these are now.

use std::sync::Arc;

use tidegate_api::{ConnectError, SinkRecord};

use super::{Known, Writer, again};
use crate::batch::{Operation, Shape};
use crate::config::InsertMode;
use crate::dialect::postgres::binding::{bind, key_cast};
use crate::dialect::postgres::catalog;
use crate::dialect::postgres::statements::{self, BoundColumn, WriteForm};
use crate::errors::SinkError;
use crate::plan::{Change, Plan};
use crate::session::STAGE;
use crate::table::{Reaction, TableName};

impl Writer {
    /// The shape of a change; `None` if there is nothing to do.
    pub(super) async fn shape(
        &mut self,
        known: &Known,
        change: Change,
        record: &SinkRecord,
    ) -> Result<Option<Arc<Shape>>, SinkError> {
        let (cached, operation) = match change {
            Change::Skip => return Ok(None),
            Change::Write => (&known.write, Operation::Write),
            Change::Delete => (&known.delete, Operation::Delete),
            Change::Truncate => (&known.truncate, Operation::Truncate),
        };
        if let Some(shape) = cached {
            return Ok(Some(Arc::clone(shape)));
        }
        let plan = &known.plan;
        let Some(table) = plan.table.clone() else {
            return Ok(None);
        };
        if operation == Operation::Write && plan.keys == 0 {
            self.check_keyless(&table)?;
        }
        let same = |(refused, of, _): &&(Arc<Plan>, Operation, ConnectError)| {
            Arc::ptr_eq(refused, plan) && *of == operation
        };
        if let Some((_, _, error)) = self.unprepared.iter().find(same) {
            return Err(again(error).into());
        }
        // A delete or truncate of a table that is not there has nothing to do.
        let creates = operation == Operation::Write || plan.has_row(record);
        let prepared = self.prepare_table(plan, &table, operation, creates, record);
        let prepared = prepared.await;
        if let Err(SinkError::Connect(error)) = &prepared {
            let refused = (Arc::clone(plan), operation, again(error));
            self.unprepared.push(refused);
        }
        if !prepared? {
            return Ok(None);
        }
        let Some(shape) = self.new_shape(plan, &table, operation)? else {
            return Ok(None);
        };
        let topic = &record.record.topic;
        if let Some(known) = self.plans.get_mut(topic).and_then(|plans| {
            plans
                .iter_mut()
                .find(|known| Arc::ptr_eq(&known.plan, plan))
        }) {
            let slot = match operation {
                Operation::Write => &mut known.write,
                Operation::Delete => &mut known.delete,
                Operation::Truncate => &mut known.truncate,
            };
            *slot = Some(Arc::clone(&shape));
        }
        Ok(Some(shape))
    }

    /// Rows without key in a mode that asks for one: without it an UPDATE would change every row.
    fn check_keyless(&self, table: &TableName) -> Result<(), SinkError> {
        if self.settings.insert_mode == InsertMode::Insert {
            return Ok(());
        }
        Err(SinkError::Fatal(if self.settings.is_debezium() {
            format!(
                "Cannot write to table {table} with no key fields defined. Set primary.key.mode, and primary.key.fields if the key is a part of the record"
            )
        } else {
            let mode = match self.settings.insert_mode {
                InsertMode::Update => "UPDATE",
                _ => "UPSERT",
            };
            format!(
                "Write to table '{}' in {mode} mode requires key field names to be known, check the primary key configuration",
                table.sql()
            )
        }))
    }

    fn new_shape(
        &mut self,
        plan: &Arc<Plan>,
        name: &TableName,
        operation: Operation,
    ) -> Result<Option<Arc<Shape>>, SinkError> {
        let settings = &self.settings;
        let table = self
            .tables
            .get(name)
            .ok_or_else(|| SinkError::StaleTable(format!("table {name} is not known")))?;
        let wanted = match operation {
            Operation::Truncate => &[][..],
            Operation::Delete => plan.key_columns(),
            Operation::Write => &plan.columns,
        };
        let (mut columns, mut sql_types, mut skipped) = (Vec::new(), Vec::new(), Vec::new());
        let (mut overriding, mut direct) = (false, true);
        for (index, column) in wanted.iter().enumerate() {
            let existing = table
                .column(&column.name, settings.any_case())
                .ok_or_else(|| {
                    SinkError::StaleTable(format!("table {name} has no column {}", column.name))
                })?;
            if existing.generated && operation == Operation::Write {
                if index < plan.keys {
                    return Err(SinkError::Fatal(format!(
                        "{}: column {} of table {name} is generated and cannot be a key column. Choose other columns with primary.key.fields",
                        self.task, column.name
                    )));
                }
                skipped.push(column.name.clone());
                continue;
            }
            let binding = bind(column, existing, settings)?;
            overriding |= existing.always_identity;
            direct &= binding.is_direct(existing);
            columns.push(BoundColumn {
                name: existing.name.clone(),
                key_cast: key_cast(&binding, existing),
                binding,
            });
            sql_types.push(existing.sql_type.clone());
        }
        let keys = plan.keys.min(columns.len());
        let mode = settings.insert_mode;
        if operation == Operation::Write && mode == InsertMode::Update && columns.len() == keys {
            return Ok(None);
        }
        let unchanged = &catalog::unchanged(name, table);
        let form = WriteForm {
            mode,
            keys,
            overriding,
            unchanged,
        };
        let writes = operation == Operation::Write;
        let from_stage = format!("{STAGE} AS u");
        let from_arrays = match operation {
            Operation::Write => {
                let from = statements::from_arrays(&columns);
                statements::write_rows(form, name, &columns, &from)
            }
            Operation::Delete => statements::delete_rows(name, &columns, unchanged),
            Operation::Truncate => String::new(),
        };
        let (from_arrays, identity) = catalog::identified(&from_arrays, columns.len() + 1);
        let shape = Shape {
            table: name.clone(),
            oid: table.version.oid,
            parents: table.parents.clone(),
            reaction: table.reaction,
            operation,
            keys,
            covers_table: table
                .columns
                .iter()
                .filter(|existing| !existing.generated)
                .all(|existing| columns.iter().any(|column| column.name == existing.name)),
            from_arrays,
            identity,
            copy: (writes
                && direct
                && mode == InsertMode::Insert
                && table.relation == "r"
                && table.reaction != Reaction::Rules
                && table.may_lock
                && !table.row_security)
                .then(|| statements::copy_into_table(name, &columns, unchanged)),
            from_stage: (writes && mode != InsertMode::Update)
                .then(|| statements::write_rows(form, name, &columns, &from_stage)),
            columns,
            sql_types,
            skipped,
        };
        if let Some(known) = self.shapes.iter().find(|known| known.is_same(&shape)) {
            return Ok(Some(Arc::clone(known)));
        }
        let shape = Arc::new(shape);
        self.shapes.push(Arc::clone(&shape));
        Ok(Some(shape))
    }

    /// New columns make what was known of a table's rows incomplete.
    pub(super) fn forget_shapes(&mut self, table: &TableName) {
        self.shapes.retain(|shape| shape.table != *table);
        for known in self.plans.values_mut().flatten() {
            if known.plan.table.as_ref() == Some(table) {
                known.write = None;
                known.delete = None;
            }
        }
    }
}
