//! How fast change events become JSON and come back: `json_speed [events]`. Prints nanoseconds and bytes per event, without
//! and with schemas.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use tidegate_api::{
    Converter as _, Props, Schema, SchemaAndValue, SchemaBuilder, Struct, Value, logical,
};
use tidegate_json::JsonConverter;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events: u32 = std::env::args()
        .nth(1)
        .map_or(Ok(2_000_000), |text| text.parse())?;
    let event = event();
    for schemas in ["false", "true"] {
        let props: Props = [("schemas.enable".to_owned(), schemas.to_owned())]
            .into_iter()
            .collect();
        let mut converter = JsonConverter::new(&props)?;
        let mut out = BytesMut::with_capacity(1 << 20);
        let (mut bytes, start) = (0, Instant::now());
        for _ in 0..events {
            if out.len() > 900_000 {
                bytes += out.len();
                out.clear();
            }
            converter.from_connect_data("shop.shop.orders", &event, &mut out)?;
        }
        bytes += out.len();
        let to_json = start.elapsed().as_nanos() / u128::from(events);
        let size = bytes / usize::try_from(events)?;
        out.clear();
        converter.from_connect_data("shop.shop.orders", &event, &mut out)?;
        let json = out.freeze();
        let start = Instant::now();
        for _ in 0..events {
            converter.to_connect_data("shop.shop.orders", Some(&json))?;
        }
        let from_json = start.elapsed().as_nanos() / u128::from(events);
        writeln!(
            std::io::stdout(),
            "schemas.enable={schemas}: {to_json} ns to JSON, {from_json} ns from JSON per event of {size} bytes"
        )?;
    }
    Ok(())
}

/// What a snapshot of eleven columns gives.
fn event() -> SchemaAndValue {
    let string = || SchemaBuilder::string().build();
    let long = || SchemaBuilder::int64().build();
    let optional_long = || SchemaBuilder::int64().optional().build();
    let row = structure(
        &[
            ("id", long(), Value::Int64(812_345)),
            (
                "customer",
                string(),
                Value::string("Customer number 812345"),
            ),
            (
                "email",
                string(),
                Value::string("customer812345@example.com"),
            ),
            (
                "amount",
                logical::decimal(2).build(),
                "4711.08".parse().map_or(Value::Null, Value::Decimal),
            ),
            (
                "weight",
                SchemaBuilder::float64().build(),
                Value::Float64(116_049.285_714_285_7),
            ),
            ("active", SchemaBuilder::int16().build(), Value::Int16(1)),
            ("country", string(), Value::string("PT")),
            ("due", SchemaBuilder::int32().build(), Value::Int32(12_345)),
            ("placed", long(), Value::Int64(1_577_836_800_123)),
            (
                "changed",
                string(),
                Value::string("2021-01-01T02:15:26.123456Z"),
            ),
            (
                "note",
                SchemaBuilder::string().optional().build(),
                Value::string("To be delivered before noon, number 812345; ring \"twice\""),
            ),
        ],
        "shop.shop.orders.Value",
    );
    let source = structure(
        &[
            ("version", string(), Value::string("3.5.0.Final")),
            ("connector", string(), Value::string("mariadb")),
            ("name", string(), Value::string("shop")),
            ("ts_ms", long(), Value::Int64(1_764_223_226_000)),
            ("snapshot", string(), Value::string("true")),
            ("db", string(), Value::string("shop")),
            (
                "sequence",
                SchemaBuilder::string().optional().build(),
                Value::Null,
            ),
            (
                "ts_us",
                optional_long(),
                Value::Int64(1_764_223_226_000_000),
            ),
            (
                "ts_ns",
                optional_long(),
                Value::Int64(1_764_223_226_000_000_000),
            ),
            ("table", string(), Value::string("orders")),
            ("server_id", long(), Value::Int64(1)),
            ("file", string(), Value::string("mysql-bin.000002")),
            ("pos", long(), Value::Int64(123_456_789)),
            ("row", SchemaBuilder::int32().build(), Value::Int32(0)),
        ],
        "io.debezium.connector.mariadb.Source",
    );
    let row_schema = row.schema().to_builder().optional().build();
    let row = Struct::new(Arc::clone(&row_schema), row.into_values());
    let event = structure(
        &[
            ("before", row_schema, Value::Null),
            ("after", Arc::clone(row.schema()), Value::Struct(row)),
            ("source", Arc::clone(source.schema()), Value::Struct(source)),
            ("op", string(), Value::string("r")),
            ("ts_ms", optional_long(), Value::Int64(1_764_223_226_123)),
            (
                "ts_us",
                optional_long(),
                Value::Int64(1_764_223_226_123_456),
            ),
            (
                "ts_ns",
                optional_long(),
                Value::Int64(1_764_223_226_123_456_789),
            ),
        ],
        "shop.shop.orders.Envelope",
    );
    event.into()
}

fn structure(fields: &[(&str, Arc<Schema>, Value)], name: &str) -> Struct {
    let mut schema = SchemaBuilder::structure().name(name);
    for (name, field, _) in fields {
        schema = schema.field(*name, Arc::clone(field));
    }
    let values: Vec<Value> = fields.iter().map(|(_, _, value)| value.clone()).collect();
    Struct::new(schema.build(), values)
}
