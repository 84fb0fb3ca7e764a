//! Schema history: every statement that changed a table, in the original's record format, on a topic.
//!
//! Source: Debezium `HistoryRecord`, `JsonTableChangeSerializer`, `KafkaSchemaHistory`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value as Json, json};
use tidegate_api::{ConnectError, TopicPartition};
use tidegate_log::{ClientConfig, Log, LogProvider, NewTopic, Producer, ProducerRecord, Reader};
use tidegate_relational::{Column, Table, TableChange, TableId};
use tokio::time::Instant;
use tracing::warn;

/// One record.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRecord {
    /// `{"server": prefix}`
    pub source: Map<String, Json>,
    /// The offset at that moment.
    pub position: Map<String, Json>,
    pub ts_ms: i64,
    pub database: String,
    pub ddl: String,
    pub changes: Vec<TableChange>,
}

impl HistoryRecord {
    /// The record's text, as Jackson's default printer writes it.
    pub fn to_text(&self) -> String {
        let json = json!({
            "source": self.source,
            "position": self.position,
            "ts_ms": self.ts_ms,
            "databaseName": self.database,
            "ddl": self.ddl,
            "tableChanges": self.changes.iter().map(change_json).collect::<Vec<_>>(),
        });
        let mut text = String::new();
        print(&mut text, &json, 0);
        text
    }

    /// `None` for what is no history record.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(bytes).ok()?;
        let text = |name: &str| {
            json.get(name)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Some(Self {
            source: json.get("source")?.as_object()?.clone(),
            position: json.get("position")?.as_object()?.clone(),
            ts_ms: json.get("ts_ms").and_then(Json::as_i64).unwrap_or(0),
            database: text("databaseName"),
            ddl: text("ddl"),
            changes: json
                .get("tableChanges")
                .and_then(Json::as_array)
                .map(|changes| changes.iter().filter_map(parse_change).collect())
                .unwrap_or_default(),
        })
    }
}

fn change_json(change: &TableChange) -> Json {
    let (kind, previous, table) = match change {
        TableChange::Create(table) => ("CREATE", None, Some(table)),
        TableChange::Alter { table, previous } => ("ALTER", previous.as_ref(), Some(table)),
        TableChange::Drop(_) => ("DROP", None, None),
    };
    let mut json = Map::new();
    json.insert("type".to_owned(), json!(kind));
    json.insert("id".to_owned(), json!(change.id().to_double_quoted()));
    if let Some(previous) = previous {
        json.insert("previousId".to_owned(), json!(previous.to_double_quoted()));
    }
    if let Some(table) = table {
        json.insert("table".to_owned(), table_json(table));
        json.insert("comment".to_owned(), json!(table.comment.as_deref()));
    }
    Json::Object(json)
}

fn table_json(table: &Table) -> Json {
    let keys: Vec<&str> = table.primary_key.iter().map(|key| &**key).collect();
    let columns: Vec<Json> = table
        .columns
        .iter()
        .zip(1..)
        .map(|(column, position)| column_json(column, position))
        .collect();
    json!({
        "defaultCharsetName": table.default_charset.as_deref(),
        "primaryKeyColumnNames": keys,
        "columns": columns,
        "attributes": [],
    })
}

fn column_json(column: &Column, position: u32) -> Json {
    let mut json = Map::new();
    let mut put = |name: &str, value: Json| drop(json.insert(name.to_owned(), value));
    put("name", json!(&*column.name));
    put("jdbcType", json!(column.jdbc_type));
    if let Some(native) = column.native_type {
        put("nativeType", json!(native));
    }
    put("typeName", json!(&*column.type_name));
    put("typeExpression", json!(&*column.type_expression));
    put("charsetName", json!(column.charset.as_deref()));
    if let Some(length) = column.length {
        put("length", json!(length));
    }
    if let Some(scale) = column.scale {
        put("scale", json!(scale));
    }
    put("position", json!(position));
    put("optional", json!(column.optional));
    put("autoIncremented", json!(column.auto_incremented));
    put("generated", json!(column.generated));
    put("comment", json!(column.comment.as_deref()));
    put("hasDefaultValue", json!(column.has_default));
    if let Some(expression) = &column.default_expression {
        put("defaultValueExpression", json!(&**expression));
    }
    put(
        "enumValues",
        json!(
            column
                .enum_values
                .iter()
                .map(|option| &**option)
                .collect::<Vec<_>>()
        ),
    );
    Json::Object(json)
}

fn parse_change(json: &Json) -> Option<TableChange> {
    let id = parse_id(json.get("id")?.as_str()?)?;
    let table = || {
        json.get("table")
            .and_then(|table| parse_table(id.clone(), table))
            .map(Arc::new)
    };
    Some(match json.get("type")?.as_str()? {
        "CREATE" => TableChange::Create(table()?),
        "ALTER" => TableChange::Alter {
            table: table()?,
            previous: json
                .get("previousId")
                .and_then(Json::as_str)
                .and_then(parse_id),
        },
        "DROP" => TableChange::Drop(id),
        _ => return None,
    })
}

/// `"db"."table"`, or the same without quotes.
fn parse_id(text: &str) -> Option<TableId> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                parts.last_mut()?.push('"');
            }
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            other => parts.last_mut()?.push(other),
        }
    }
    let mut parts = parts.into_iter().rev().map(Arc::<str>::from);
    let table = parts.next()?;
    let second = parts.next();
    Some(match parts.next() {
        Some(catalog) => TableId {
            catalog: Some(catalog),
            schema: second,
            table,
        },
        None => TableId {
            catalog: second,
            schema: None,
            table,
        },
    })
}

fn parse_table(id: TableId, json: &Json) -> Option<Table> {
    let text =
        |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(Arc::<str>::from);
    let texts = |json: &Json, name: &str| -> Vec<Arc<str>> {
        let list = json.get(name).and_then(Json::as_array);
        list.map(|list| {
            list.iter()
                .filter_map(Json::as_str)
                .map(Arc::from)
                .collect()
        })
        .unwrap_or_default()
    };
    let number = |json: &Json, name: &str| {
        json.get(name)
            .and_then(Json::as_i64)
            .and_then(|number| i32::try_from(number).ok())
    };
    let flag = |json: &Json, name: &str| json.get(name).and_then(Json::as_bool).unwrap_or(false);
    let columns = json.get("columns")?.as_array()?.iter().map(|column| {
        let default_expression = text(column, "defaultValueExpression");
        Some(Column {
            name: text(column, "name")?,
            jdbc_type: number(column, "jdbcType")?,
            native_type: number(column, "nativeType"),
            type_name: text(column, "typeName")?,
            type_expression: text(column, "typeExpression").or_else(|| text(column, "typeName"))?,
            charset: text(column, "charsetName"),
            length: number(column, "length"),
            scale: number(column, "scale"),
            optional: flag(column, "optional"),
            auto_incremented: flag(column, "autoIncremented"),
            generated: flag(column, "generated"),
            comment: text(column, "comment"),
            has_default: flag(column, "hasDefaultValue") || default_expression.is_some(),
            default_expression,
            enum_values: texts(column, "enumValues"),
        })
    });
    Some(Table {
        id,
        columns: columns.collect::<Option<_>>()?,
        primary_key: texts(json, "primaryKeyColumnNames"),
        default_charset: text(json, "defaultCharsetName"),
        comment: text(json, "comment"),
    })
}

/// Jackson's default pretty printer.
fn print(text: &mut String, json: &Json, indent: usize) {
    match json {
        Json::Object(members) if members.is_empty() => text.push_str("{ }"),
        Json::Object(members) => {
            text.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                text.push_str(if index == 0 { "\n" } else { ",\n" });
                text.push_str(&"  ".repeat(indent + 1));
                text.push_str(&Json::from(name.as_str()).to_string());
                text.push_str(" : ");
                print(text, value, indent + 1);
            }
            text.push('\n');
            text.push_str(&"  ".repeat(indent));
            text.push('}');
        }
        Json::Array(items) if items.is_empty() => text.push_str("[ ]"),
        Json::Array(items) => {
            text.push_str("[ ");
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { ", " });
                print(text, item, indent);
            }
            text.push_str(" ]");
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

/// How long the history may bring nothing while it is read.
#[derive(Debug, Clone, Copy)]
pub struct RecoveryLimits {
    /// `schema.history.internal.kafka.recovery.attempts`
    pub attempts: u32,
    /// `schema.history.internal.kafka.recovery.poll.interval.ms`
    pub poll_interval: Duration,
}

impl RecoveryLimits {
    fn patience(self) -> Duration {
        self.poll_interval * self.attempts.max(1)
    }
}

/// The history of one connector.
pub struct SchemaHistory {
    log: Arc<dyn Log>,
    producer: Arc<dyn Producer>,
    topic: Arc<str>,
    /// Name of the connector that it belongs to.
    connector: Arc<str>,
    limits: RecoveryLimits,
}

impl std::fmt::Debug for SchemaHistory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SchemaHistory")
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl SchemaHistory {
    pub async fn open(
        provider: &dyn LogProvider,
        config: &ClientConfig,
        producer: &ClientConfig,
        topic: &str,
        connector: Arc<str>,
        limits: RecoveryLimits,
    ) -> Result<Self, ConnectError> {
        let log = provider.connect(config).await?;
        let producer = log.producer(producer).await?;
        Ok(Self {
            log,
            producer,
            topic: Arc::from(topic),
            connector,
            limits,
        })
    }

    /// Creates the topic if it is missing.
    pub async fn initialise(&self) -> Result<(), ConnectError> {
        let new = NewTopic {
            name: Arc::clone(&self.topic),
            partitions: Some(1),
            replication_factor: None,
            settings: BTreeMap::from([
                ("cleanup.policy".to_owned(), "delete".to_owned()),
                ("retention.ms".to_owned(), i64::MAX.to_string()),
                ("retention.bytes".to_owned(), "-1".to_owned()),
            ]),
        };
        self.log.create_topic(&new).await.map_err(|error| {
            ConnectError::from(error).context(format!(
                "Creation of database schema history topic '{}' failed, please create the topic manually",
                self.topic
            ))
        })?;
        Ok(())
    }

    /// First and next offset; `None` without a topic.
    async fn bounds(&self) -> Result<Option<(i64, i64)>, ConnectError> {
        if self.log.describe_topic(&self.topic).await?.is_none() {
            return Ok(None);
        }
        let partition = TopicPartition::new(Arc::clone(&self.topic), 0);
        Ok(self
            .log
            .offsets(std::slice::from_ref(&partition))
            .await?
            .get(&partition)
            .copied())
    }

    /// Whether there is a topic with records in it.
    pub async fn exists(&self) -> Result<bool, ConnectError> {
        Ok(self
            .bounds()
            .await?
            .is_some_and(|(first, next)| next > first))
    }

    /// Durable when it returns.
    pub async fn record(&self, records: &[HistoryRecord]) -> Result<(), ConnectError> {
        // One after the other, as the original does: none may be there without those before it.
        for record in records {
            let mut message = ProducerRecord::new(
                Arc::clone(&self.topic),
                None,
                Some(Bytes::from(record.to_text())),
            );
            message.partition = Some(0);
            for stored in self.producer.append(vec![message]).await?.await {
                stored.map_err(|error| {
                    ConnectError::from(error).context(format!(
                        "The schema history topic '{}' did not take a record",
                        self.topic
                    ))
                })?;
            }
        }
        Ok(())
    }

    /// Hands over all records in order.
    ///
    /// # Errors
    /// If the log fails, `visit` does, or nothing came for as long as the limits allow.
    pub async fn replay(
        &self,
        visit: impl FnMut(HistoryRecord) -> Result<(), ConnectError> + Send,
    ) -> Result<(), ConnectError> {
        let Some((first, next)) = self.bounds().await? else {
            return Ok(());
        };
        if next <= first {
            return Ok(());
        }
        let partition = TopicPartition::new(Arc::clone(&self.topic), 0);
        let mut reader = self
            .log
            .reader(&ClientConfig::default(), &[(partition.clone(), first)])
            .await?;
        self.limits
            .read(&mut *reader, &partition, next, visit)
            .await
            .map_err(|error| {
                error.context(format!(
                    "Recovery of the schema history of connector '{}'",
                    self.connector
                ))
            })
    }
}

impl RecoveryLimits {
    /// Hands over the records before offset `next`.
    async fn read(
        self,
        reader: &mut dyn Reader,
        partition: &TopicPartition,
        next: i64,
        mut visit: impl FnMut(HistoryRecord) -> Result<(), ConnectError> + Send,
    ) -> Result<(), ConnectError> {
        let mut reached = None;
        let mut progress = Instant::now();
        while reader
            .position(partition)
            .is_none_or(|position| position < next)
        {
            let left = self.patience().saturating_sub(progress.elapsed());
            if left.is_zero() {
                return Err(self.exhausted(partition, reached, next));
            }
            let poll = reader.poll(left.min(self.poll_interval));
            let records = match tokio::time::timeout(left, poll).await {
                Ok(records) => records?,
                Err(_) => return Err(self.exhausted(partition, reached, next)),
            };
            for record in records {
                match record.value.as_deref().and_then(HistoryRecord::parse) {
                    Some(parsed) => visit(parsed)?,
                    None => warn!(
                        "Skipping invalid database schema history record at offset {} of '{}'",
                        record.offset, partition.topic
                    ),
                }
            }
            let position = reader.position(partition);
            if position != reached {
                reached = position;
                progress = Instant::now();
            }
        }
        Ok(())
    }

    fn exhausted(
        self,
        partition: &TopicPartition,
        reached: Option<i64>,
        next: i64,
    ) -> ConnectError {
        let reached = reached.map_or_else(|| "the first one".to_owned(), |at| at.to_string());
        ConnectError::retriable(format!(
            "The database schema history couldn't be recovered: topic '{}' brought nothing for {:?} at offset {reached} of {next}. Consider to increase the value for schema.history.internal.kafka.recovery.poll.interval.ms or schema.history.internal.kafka.recovery.attempts, and check that the leader of partition 0 answers",
            partition.topic,
            self.patience()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            id: TableId::in_database("inv", "a\"b"),
            columns: vec![Column {
                name: Arc::from("id"),
                jdbc_type: 4,
                type_name: Arc::from("INT"),
                type_expression: Arc::from("INT"),
                auto_incremented: true,
                generated: true,
                ..Column::default()
            }],
            primary_key: vec![Arc::from("id")],
            default_charset: Some(Arc::from("utf8mb4")),
            comment: None,
        }
    }

    fn record(change: TableChange) -> HistoryRecord {
        let map = |json: Json| json.as_object().expect("an object").clone();
        HistoryRecord {
            source: map(json!({"server": "srv"})),
            position: map(json!({"file": "f", "pos": 4})),
            ts_ms: 5,
            database: "inv".to_owned(),
            ddl: "CREATE\n\"x\"".to_owned(),
            changes: vec![change],
        }
    }

    #[test]
    fn records_look_as_jackson_prints_them() {
        let text = record(TableChange::Create(Arc::new(table()))).to_text();
        let expected = r#"{
  "source" : {
    "server" : "srv"
  },
  "position" : {
    "file" : "f",
    "pos" : 4
  },
  "ts_ms" : 5,
  "databaseName" : "inv",
  "ddl" : "CREATE\n\"x\"",
  "tableChanges" : [ {
    "type" : "CREATE",
    "id" : "\"inv\".\"a\"\"b\"",
    "table" : {
      "defaultCharsetName" : "utf8mb4",
      "primaryKeyColumnNames" : [ "id" ],
      "columns" : [ {
        "name" : "id",
        "jdbcType" : 4,
        "typeName" : "INT",
        "typeExpression" : "INT",
        "charsetName" : null,
        "position" : 1,
        "optional" : false,
        "autoIncremented" : true,
        "generated" : true,
        "comment" : null,
        "hasDefaultValue" : false,
        "enumValues" : [ ]
      } ],
      "attributes" : [ ]
    },
    "comment" : null
  } ]
}"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn records_come_back() {
        let altered = TableChange::Alter {
            table: Arc::new(table()),
            previous: Some(TableId::in_database("inv", "old")),
        };
        for change in [
            TableChange::Create(Arc::new(table())),
            altered,
            TableChange::Drop(table().id),
        ] {
            let record = record(change);
            assert_eq!(
                HistoryRecord::parse(record.to_text().as_bytes()),
                Some(record)
            );
        }
        assert_eq!(HistoryRecord::parse(b"{}"), None);
    }

    /// Brings one record with each answer until it falls silent.
    struct Halting {
        brings: i64,
        position: i64,
    }

    #[async_trait::async_trait]
    impl Reader for Halting {
        async fn poll(
            &mut self,
            _: Duration,
        ) -> Result<Vec<tidegate_log::ConsumedRecord>, tidegate_log::LogError> {
            if self.position == self.brings {
                std::future::pending::<()>().await;
            } else {
                self.position += 1;
            }
            Ok(Vec::new())
        }
        fn position(&self, _: &TopicPartition) -> Option<i64> {
            Some(self.position)
        }
    }

    #[tokio::test]
    async fn a_history_that_brings_nothing_is_given_up() {
        let limits = RecoveryLimits {
            attempts: 5,
            poll_interval: Duration::from_millis(2),
        };
        let partition = TopicPartition::new("h", 0);
        let read = async |brings: i64| {
            let mut reader = Halting {
                brings,
                position: 0,
            };
            limits.read(&mut reader, &partition, 500, |_| Ok(())).await
        };
        read(500).await.expect("it came to the end");
        let error = read(7).await.expect_err("it stays away");
        for part in ["'h'", "10ms", "offset 7 of 500", "recovery.attempts"] {
            assert!(error.text().contains(part), "{}", error.text());
        }
    }
}
