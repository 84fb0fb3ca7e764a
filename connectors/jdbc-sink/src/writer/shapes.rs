//! What records are in their tables as these are now.

use std::sync::Arc;

use tidegate_api::SinkRecord;
use tracing::warn;

use super::{Known, Writer};
use crate::batch::{Operation, Shape};
use crate::config::InsertMode;
use crate::dialect::postgres::binding::{bind, key_cast};
use crate::dialect::postgres::statements::{self, BoundColumn, WriteForm};
use crate::errors::SinkError;
use crate::plan::{Change, Plan};
use crate::session::STAGE;
use crate::table::TableName;

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
        let lacks_keys = plan.keys == 0
            && match operation {
                Operation::Write => self.lacks_keys(&table)?,
                Operation::Delete => {
                    self.warn_of_keys(&table, "nothing says which row a delete means");
                    true
                }
                Operation::Truncate => false,
            };
        if lacks_keys {
            return Ok(None);
        }
        // A delete or truncate of a table that is not there has nothing to do.
        let creates = operation == Operation::Write || plan.has_row(record);
        if !self
            .prepare_table(plan, &table, operation, creates, record)
            .await?
        {
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

    /// Rows without key in a mode that asks for one: an error, or in update mode nothing to do.
    fn lacks_keys(&mut self, table: &TableName) -> Result<bool, SinkError> {
        match self.settings.insert_mode {
            InsertMode::Insert => Ok(false),
            InsertMode::Upsert if self.settings.is_debezium() => Err(SinkError::Fatal(format!(
                "Cannot write to table {table} with no key fields defined. Set primary.key.mode, and primary.key.fields if the key is a part of the record"
            ))),
            InsertMode::Upsert => Err(SinkError::Fatal(format!(
                "Write to table '{}' in UPSERT mode requires key field names to be known, check the primary key configuration",
                table.sql()
            ))),
            InsertMode::Update => {
                self.warn_of_keys(table, "update mode has no row to change");
                Ok(true)
            }
        }
    }

    fn warn_of_keys(&mut self, table: &TableName, why: &str) {
        if !self.warned_of_keys {
            warn!(
                "{}: records for table {table} have no key, and {why}; they are passed over. See primary.key.mode and primary.key.fields",
                self.task
            );
            self.warned_of_keys = true;
        }
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
            let binding = bind(&column.schema, existing, settings)?;
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
        let form = WriteForm {
            mode,
            keys,
            overriding,
        };
        let writes = operation == Operation::Write;
        let from_stage = format!("{STAGE} AS u");
        let shape = Shape {
            table: name.clone(),
            operation,
            keys,
            covers_table: table
                .columns
                .iter()
                .filter(|existing| !existing.generated)
                .all(|existing| columns.iter().any(|column| column.name == existing.name)),
            from_arrays: if writes {
                let from = statements::from_arrays(&columns);
                statements::write_rows(form, name, &columns, &from)
            } else if operation == Operation::Delete {
                statements::delete_rows(name, &columns)
            } else {
                String::new()
            },
            copy: (writes
                && direct
                && mode == InsertMode::Insert
                && table.relation == "r"
                && !table.row_security)
                .then(|| statements::copy_into(&name.sql(), &columns)),
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
