//! Writes a million rows of eleven columns through the task's `put` and says how fast that was.
//!
//! `cargo run --release -p tidegate-jdbc-sink --example sink_speed -- jdbc:postgresql://127.0.0.1/db postgres [batch]`
#![allow(clippy::print_stdout, reason = "the figures are for people")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_api::connector::SinkTaskRequests;
use tidegate_api::{
    ConnectorKind, ConnectorTaskId, Decimal, Plugins, Props, Record, Schema, SchemaAndValue,
    SchemaBuilder, SinkRecord, SinkTaskContext, Struct, TopicPartition, TopicPartitionOffset,
    Value, logical,
};

const ROWS: i64 = 1_000_000;

struct NoRequests;
impl SinkTaskRequests for NoRequests {
    fn request_commit(&self) {}
    fn set_timeout(&self, _timeout: Duration) {}
    fn rewind(&self, _offsets: BTreeMap<TopicPartition, i64>) {}
}

fn row_schema() -> Arc<Schema> {
    let named = |builder: SchemaBuilder, name: &'static str| builder.name(name).version(1).build();
    SchemaBuilder::structure()
        .name("bench.Value")
        .field("id", SchemaBuilder::int64().build())
        .field("customer", SchemaBuilder::string().build())
        .field("product", SchemaBuilder::string().build())
        .field(
            "total",
            logical::decimal(2)
                .parameter("connect.decimal.precision", "12")
                .build(),
        )
        .field("weight", SchemaBuilder::float64().build())
        .field("state", SchemaBuilder::int16().build())
        .field("country", SchemaBuilder::string().build())
        .field(
            "day",
            named(SchemaBuilder::int32(), "io.debezium.time.Date"),
        )
        .field(
            "placed",
            named(SchemaBuilder::int64(), "io.debezium.time.Timestamp"),
        )
        .field(
            "changed",
            named(SchemaBuilder::string(), "io.debezium.time.ZonedTimestamp"),
        )
        .field("note", SchemaBuilder::string().optional().build())
        .build()
}

fn record(id: i64, key: &Arc<Schema>, row: &Arc<Schema>, topic: &Arc<str>) -> SinkRecord {
    let values = vec![
        Value::Int64(id),
        Value::from(format!("customer {}", id % 5000).as_str()),
        Value::from(format!("product number {}", id % 777).as_str()),
        Value::Decimal(Decimal::new(id * 7 % 1_000_000, 2)),
        Value::Float64(0.25),
        Value::Int16(1),
        Value::from("DE"),
        Value::Int32(20_000),
        Value::Int64(1_700_000_000_123 + id),
        Value::from("2026-01-02T03:04:05.123456Z"),
        if id % 3 == 0 {
            Value::Null
        } else {
            Value::from("a note of some length, as notes are")
        },
    ];
    let key = Struct::new(Arc::clone(key), vec![Value::Int64(id)]);
    SinkRecord {
        record: Record {
            topic: Arc::clone(topic),
            kafka_partition: Some(0),
            key: SchemaAndValue::from(key),
            value: SchemaAndValue::from(Struct::new(Arc::clone(row), values)),
            timestamp: None,
            headers: tidegate_api::Headers::new(),
        },
        original: TopicPartitionOffset {
            topic: Arc::clone(topic),
            partition: 0,
            offset: id,
        },
        timestamp_type: tidegate_api::TimestampType::CreateTime,
    }
}

/// User and system time of this process, from `/proc/self/stat`, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok());
    (ticks(11).unwrap_or(0.0) + ticks(12).unwrap_or(0.0)) / 100.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let url = args
        .next()
        .ok_or("give a JDBC URL, a user and the size of a batch")?;
    let user = args.next().unwrap_or_else(|| "postgres".to_owned());
    let batch: i64 = args.next().map_or(Ok(5_000), |text| text.parse())?;
    let mut plugins = Plugins::default();
    tidegate_jdbc_sink::register(&mut plugins);
    let ConnectorKind::Sink(new_task) = &plugins.connectors[0].kind else {
        return Err("the first connector is a sink".into());
    };
    let mut task = new_task();
    let context = SinkTaskContext {
        task: ConnectorTaskId {
            connector: "throughput".into(),
            task: 0,
        },
        requests: Arc::new(NoRequests),
        errant_record_reporter: None,
    };
    let props = Props::from([
        ("connection.url", url.as_str()),
        ("connection.username", user.as_str()),
        ("insert.mode", "upsert"),
        ("primary.key.mode", "record_key"),
        ("schema.evolution", "basic"),
    ]);
    task.start(context, props).await?;
    let (row, topic) = (row_schema(), Arc::from("throughput"));
    let key = SchemaBuilder::structure()
        .field("id", SchemaBuilder::int64().build())
        .build();
    let (mut wall, mut cpu) = (Duration::ZERO, 0.0);
    for first in (0..ROWS).step_by(usize::try_from(batch)?) {
        let last = (first + batch).min(ROWS);
        let records: Vec<_> = (first..last)
            .map(|id| record(id, &key, &row, &topic))
            .collect();
        let (began, spent) = (Instant::now(), cpu_seconds());
        task.put(&records).await?;
        wall += began.elapsed();
        cpu += cpu_seconds() - spent;
    }
    task.stop().await;
    println!(
        "{ROWS} rows in batches of {batch}: {:.0} rows/s, {cpu:.2} CPU-s/M in put",
        1e6 / wall.as_secs_f64()
    );
    Ok(())
}
