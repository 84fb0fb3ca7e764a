use tidegate_api::{Decimal, SchemaBuilder, Struct};

use super::*;

#[track_caller]
fn check(encoder: Encoder, value: Value, expected: &str) {
    let mut bytes = Vec::new();
    encoder.encode(&value, &mut bytes).expect("fits");
    let (length, content) = bytes.split_at(4);
    assert_eq!(length, i32::try_from(content.len()).unwrap().to_be_bytes());
    assert_eq!(describe(encoder.wire(), Some(content)), expected);
}

#[test]
fn values_come_back_from_their_bytes() {
    check(Encoder::Integer(Wire::SmallInt), Value::Int16(-7), "-7");
    check(
        Encoder::Integer(Wire::BigInt),
        Value::Int64(i64::MIN),
        "-9223372036854775808",
    );
    check(Encoder::Date, Value::Int32(18_263), "2020-01-02");
    check(Encoder::Date, Value::Int32(-1), "1969-12-31");
    check(
        Encoder::Time(Unit::Micros),
        Value::Int64(37_230_123_456),
        "10:20:30.123456",
    );
    check(
        Encoder::Time(Unit::Nanos),
        Value::Int64(86_399_999_999_999),
        "23:59:59.999999",
    );
    check(
        Encoder::Timestamp(Unit::Millis, None),
        Value::Int64(1_577_934_245_678),
        "2020-01-02 03:04:05.678000",
    );
    check(
        Encoder::Timestamp(Unit::Millis, Some(Tz::Asia__Tokyo)),
        Value::Int64(0),
        "1970-01-01 09:00:00.000000",
    );
    check(
        Encoder::Timestamp(Unit::Micros, None),
        Value::Int64(-1),
        "1969-12-31 23:59:59.999999",
    );
    check(
        Encoder::Zoned,
        Value::string("2020-01-02T03:04:05.1Z"),
        "2020-01-02 03:04:05.100000",
    );
    check(
        Encoder::Zoned,
        Value::string("2020-01-02T03:04:05+02:00"),
        "2020-01-02 01:04:05.000000",
    );
    check(
        Encoder::BitsNumber,
        Value::Bytes(vec![0b101, 1].into()),
        "261",
    );
}

#[test]
fn decimals_keep_value_and_scale() {
    for text in [
        "0",
        "0.00",
        "1",
        "-1",
        "9999",
        "10000",
        "0.0001",
        "-0.00012",
        "123456789.123456789",
        "1.50",
        "99999999999999999999999999999999999.999999999999999999999999999999",
        "-100000000000000000000",
    ] {
        check(
            Encoder::Numeric,
            Value::Decimal(text.parse().unwrap()),
            text,
        );
    }
    check(
        Encoder::Numeric,
        Value::Decimal(Decimal::new(12, -1)),
        "120",
    );
}

#[test]
fn times_outside_of_a_day_are_refused() {
    let refused = |micros| {
        Encoder::Time(Unit::Micros)
            .encode(&Value::Int64(micros), &mut Vec::new())
            .expect_err("no time of day")
    };
    assert!(refused(-5_000_000).contains("-00:00:05"));
    assert!(refused(838 * 3_600_000_000).contains("838:00:00"));
}

#[test]
fn numbers_that_no_column_holds_are_refused() {
    let refused = |encoder: Encoder, value: Value| {
        let mut out = Vec::new();
        encoder.encode(&value, &mut out).expect_err("too far")
    };
    for scale in [i32::MIN, -2_000_000_000, -131_072, 16_384, i32::MAX] {
        let error = refused(Encoder::Numeric, Value::Decimal(Decimal::new(1, scale)));
        assert!(
            error.contains("more places than the database takes"),
            "{error}"
        );
        let schema = SchemaBuilder::structure()
            .field("scale", SchemaBuilder::int32().build())
            .field("value", SchemaBuilder::bytes().build())
            .build();
        let parts = vec![Value::Int32(scale), Value::Bytes(vec![1].into())];
        let parts = Value::Struct(Struct::new(schema, parts));
        assert_eq!(refused(Encoder::Numeric, parts), error);
    }
    let long: Decimal = "9".repeat(140_000).parse().unwrap();
    refused(Encoder::Numeric, Value::Decimal(long));
    for number in [i64::MIN, i64::MAX] {
        let number = Value::Int64(number);
        refused(Encoder::Date, number.clone());
        refused(Encoder::Time(Unit::Millis), number.clone());
        refused(Encoder::Interval(Unit::Millis), number.clone());
        let zone = Some(chrono_tz::Europe::Berlin);
        refused(Encoder::Timestamp(Unit::Micros, zone), number.clone());
        refused(Encoder::Timestamp(Unit::Millis, None), number);
    }
    // The most that `numeric` holds.
    for text in ["1e131000", "-9.5e130000", "1e-16383"] {
        let decimal: Decimal = text.parse().unwrap();
        check(
            Encoder::Numeric,
            Value::Decimal(decimal.clone()),
            &decimal.to_plain_string(),
        );
    }
}
