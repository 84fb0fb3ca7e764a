//! Records of the schema change topic.
//!
//! Source: Debezium `SchemaFactory.schemaHistoryConnectorKeySchema`, `ConnectTableChangeSerializer`.

use std::sync::Arc;

use tidegate_api::{Record, Schema, SchemaBuilder, SourceOffset, SourceRecord, Struct, Value};
use tidegate_relational::{Column, Table, TableChange};

use crate::clock::now_millis;
use crate::records::RecordMaker;

/// What a statement has changed.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    pub database: &'a str,
    pub ddl: &'a str,
    pub changes: &'a [TableChange],
}

/// Makes the records of one connector.
#[derive(Debug, Clone)]
pub struct SchemaChangeMaker {
    topic: Arc<str>,
    key: Arc<Schema>,
    value: Arc<Schema>,
    change: Arc<Schema>,
    table: Arc<Schema>,
    column: Arc<Schema>,
}

impl SchemaChangeMaker {
    /// `connector` is the name in the names of schemas, such as `mysql`; `source` the schema of source blocks.
    pub fn new(connector: &str, prefix: &str, source: &Arc<Schema>) -> Self {
        let text = || SchemaBuilder::string().build();
        let optional_text = || SchemaBuilder::string().optional().build();
        let optional_int = || SchemaBuilder::int32().optional().build();
        let optional_flag = || SchemaBuilder::boolean().optional().build();
        let column = SchemaBuilder::structure()
            .name("io.debezium.connector.schema.Column")
            .version(1)
            .field("name", text())
            .field("jdbcType", SchemaBuilder::int32().build())
            .field("nativeType", optional_int())
            .field("typeName", text())
            .field("typeExpression", optional_text())
            .field("charsetName", optional_text())
            .field("length", optional_int())
            .field("scale", optional_int())
            .field("position", SchemaBuilder::int32().build())
            .field("optional", optional_flag())
            .field("autoIncremented", optional_flag())
            .field("generated", optional_flag())
            .field("comment", optional_text())
            .field("defaultValueExpression", optional_text())
            .field(
                "enumValues",
                SchemaBuilder::array(text()).optional().build(),
            )
            .build();
        let table = SchemaBuilder::structure()
            .name("io.debezium.connector.schema.Table")
            .version(1)
            .optional()
            .field("defaultCharsetName", optional_text())
            .field(
                "primaryKeyColumnNames",
                SchemaBuilder::array(text()).optional().build(),
            )
            .field("columns", SchemaBuilder::array(Arc::clone(&column)).build())
            .field("comment", optional_text())
            .build();
        let change = SchemaBuilder::structure()
            .name("io.debezium.connector.schema.Change")
            .version(1)
            .field("type", text())
            .field("id", text())
            .field("table", Arc::clone(&table))
            .build();
        let key = SchemaBuilder::structure()
            .name(format!("io.debezium.connector.{connector}.SchemaChangeKey"))
            .version(1)
            .field("databaseName", text())
            .build();
        let value = SchemaBuilder::structure()
            .name(format!(
                "io.debezium.connector.{connector}.SchemaChangeValue"
            ))
            .version(1)
            .field("source", Arc::clone(source))
            .field("ts_ms", SchemaBuilder::int64().build())
            .field("databaseName", optional_text())
            .field("schemaName", optional_text())
            .field("ddl", optional_text())
            .field(
                "tableChanges",
                SchemaBuilder::array(Arc::clone(&change)).build(),
            )
            .build();
        Self {
            topic: Arc::from(prefix),
            key,
            value,
            change,
            table,
            column,
        }
    }

    /// `source` is the block, `records` has what all records of the connector share.
    pub fn record(
        &self,
        records: &RecordMaker,
        source: Struct,
        statement: Statement<'_>,
        offset: SourceOffset,
    ) -> SourceRecord {
        let Statement {
            database,
            ddl,
            changes,
        } = statement;
        let key = Struct::new(Arc::clone(&self.key), vec![Value::string(database)]);
        let value = Struct::new(
            Arc::clone(&self.value),
            vec![
                Value::Struct(source),
                Value::Int64(now_millis()),
                Value::string(database),
                Value::Null,
                Value::string(ddl),
                Value::Array(changes.iter().map(|change| self.change(change)).collect()),
            ],
        );
        SourceRecord {
            record: Record {
                topic: Arc::clone(&self.topic),
                kafka_partition: Some(0),
                key: key.into(),
                value: value.into(),
                timestamp: None,
                headers: records.headers.clone(),
            },
            source_partition: Arc::clone(&records.partition),
            source_offset: offset,
        }
    }

    fn change(&self, change: &TableChange) -> Value {
        let (kind, table) = match change {
            TableChange::Create(table) => ("CREATE", Some(table)),
            TableChange::Alter { table, .. } => ("ALTER", Some(table)),
            TableChange::Drop(_) => ("DROP", None),
        };
        let table = table.map_or(Value::Null, |table| self.table(table));
        let values = vec![
            Value::string(kind),
            Value::string(change.id().to_double_quoted()),
            table,
        ];
        Value::Struct(Struct::new(Arc::clone(&self.change), values))
    }

    fn table(&self, table: &Table) -> Value {
        let columns = table
            .columns
            .iter()
            .zip(1..)
            .map(|(column, position)| self.column(column, position))
            .collect();
        let values = vec![
            text(table.default_charset.as_deref()),
            Value::Array(table.primary_key.iter().map(Value::string).collect()),
            Value::Array(columns),
            text(table.comment.as_deref()),
        ];
        Value::Struct(Struct::new(Arc::clone(&self.table), values))
    }

    fn column(&self, column: &Column, position: i32) -> Value {
        let int = |number: Option<i32>| number.map_or(Value::Null, Value::Int32);
        let enum_values = if column.enum_values.is_empty() {
            Value::Null
        } else {
            Value::Array(column.enum_values.iter().map(Value::string).collect())
        };
        let values = vec![
            Value::string(&column.name),
            Value::Int32(column.jdbc_type),
            int(column.native_type),
            Value::string(&column.type_name),
            Value::string(&column.type_expression),
            text(column.charset.as_deref()),
            int(column.length),
            int(column.scale),
            Value::Int32(position),
            Value::Boolean(column.optional),
            Value::Boolean(column.auto_incremented),
            Value::Boolean(column.generated),
            text(column.comment.as_deref()),
            text(column.default_expression.as_deref()),
            enum_values,
        ];
        Value::Struct(Struct::new(Arc::clone(&self.column), values))
    }
}

fn text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::string)
}
