use super::*;

/// Settings with which nothing but the required ones is set.
pub(crate) fn settings(style: Style) -> Settings {
    Settings::new(style, &props(&[])).expect("valid")
}

fn props(more: &[(&str, &str)]) -> Props {
    let mut props = Props::from([
        ("connection.url", "jdbc:postgresql://h/db"),
        ("connection.username", "u"),
        ("connection.password", "s3cret"),
    ]);
    for (name, value) in more {
        props.set(*name, *value);
    }
    props
}

#[test]
fn both_worlds_settings_become_one_form() {
    let debezium = Settings::new(
        Style::Debezium,
        &props(&[
            ("insert.mode", "UPSERT"),
            ("primary.key.mode", "record_key"),
            ("schema.evolution", "basic"),
            ("table.name.format", "s.${topic}"),
        ]),
    )
    .expect("valid");
    assert_eq!(
        (debezium.insert_mode, debezium.key_mode, debezium.batch_size),
        (InsertMode::Upsert, KeyMode::RecordKey, 500)
    );
    assert!(debezium.create_tables && debezium.flatten_topic && !debezium.quote);
    assert_eq!(debezium.name_format, "s.${topic}");
    let confluent = Settings::new(
        Style::Confluent,
        &props(&[
            ("auto.create", "true"),
            ("pk.mode", "record_value"),
            ("pk.fields", "a,b"),
        ]),
    )
    .expect("valid");
    assert!(
        confluent.create_tables
            && !confluent.add_columns
            && confluent.quote
            && !confluent.flatten_topic
    );
    assert_eq!(
        (confluent.key_fields.len(), confluent.batch_size),
        (2, 3000)
    );
}

#[test]
fn contradictions_and_unsupported_settings_are_named() {
    fn check(style: Style, more: &[(&str, &str)], text: &str) {
        let error = Settings::new(style, &props(more)).expect_err(text);
        assert!(error.text().contains(text), "{}", error.text());
    }
    check(
        Style::Debezium,
        &[("insert.mode", "upsert")],
        "please define primary.key.mode",
    );
    check(
        Style::Debezium,
        &[("delete.enabled", "true")],
        "must be set to 'record_key'",
    );
    check(
        Style::Debezium,
        &[("insert.mode", "merge")],
        "Value must be one of insert, upsert, update",
    );
    check(
        Style::Debezium,
        &[("use.time.zone", "Asia/Nowhere")],
        "Invalid time zone",
    );
    check(
        Style::Debezium,
        &[("field.include.list", "a"), ("field.exclude.list", "b")],
        "Cannot define both",
    );
    check(
        Style::Confluent,
        &[("delete.enabled", "true")],
        "Deletes are only supported for pk.mode record_key",
    );
    check(
        Style::Confluent,
        &[("dialect.name", "OracleDatabaseDialect")],
        "dialect.name",
    );
    check(
        Style::Confluent,
        &[("connection.url", "jdbc:mysql://h/db")],
        "names no database that this version can write to",
    );
}

/// Values that the original takes, or passes over.
#[test]
fn zones_and_switches_are_read_as_java_does() {
    let settings = |more: &[(&str, &str)]| Settings::new(Style::Debezium, &props(more));
    for zone in [
        "+02:00",
        "-3",
        "+0230",
        "+18:00",
        "GMT+2",
        "UTC-01:30",
        "UT",
        "GMT",
        "EST",
        "Z",
    ] {
        assert!(settings(&[("use.time.zone", zone)]).is_ok(), "{zone}");
    }
    for zone in [
        "+19", "+2:30", "+18:01", "02:00", "UTC+", "utc+1", "+", "Nowhere",
    ] {
        assert!(settings(&[("use.time.zone", zone)]).is_err(), "{zone}");
    }
    for (value, reduces) in [("perhaps", false), ("TRUE", true), ("", false)] {
        let settings = settings(&[("use.reduction.buffer", value)]).expect(value);
        assert_eq!(settings.reduces, reduces, "{value}");
    }
    let default = [
        ("internal.enable.sces", " FALSE "),
        ("dialect.sqlserver.identity.insert", "true"),
    ];
    assert!(settings(&default).is_ok());
    let error = settings(&[("internal.enable.sces", "true")]).expect_err("refused");
    assert!(
        error.text().contains("supports 'false' only"),
        "{}",
        error.text()
    );
}

#[test]
fn secrets_are_not_printed() {
    assert!(
        !format!(
            "{:?}",
            Settings::new(Style::Debezium, &props(&[])).expect("valid")
        )
        .contains("s3cret")
    );
}
