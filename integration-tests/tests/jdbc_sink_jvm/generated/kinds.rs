//! Every type of Connect and every meaning that it and Debezium give to one, required and optional, with and without default.

use serde_json::{Value, json};

use super::{Column, Kind, Presence};

pub(super) fn columns() -> Vec<Column> {
    let mut columns = Vec::new();
    for kind in plain().into_iter().chain(nested()).chain(named()) {
        columns.extend(Presence::ALL.map(|presence| kind.column(presence)));
    }
    for kind in temporal() {
        for (tag, parameters) in precisions() {
            let kind = kind.with(&tag, &as_texts(&parameters));
            columns.push(kind.column(Presence::Optional));
        }
    }
    columns
}

fn as_texts<'a>(parameters: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let texts = parameters.iter();
    texts.map(|(name, value)| (*name, value.as_str())).collect()
}

/// Connect's own types without a name.
pub(super) fn plain() -> Vec<Kind> {
    let simple = |name: &str, values| Kind::new(name, json!({"type": name}), values);
    vec![
        simple("boolean", [true, false, true, false].map(Value::from)),
        simple("int8", [7, -128, 127, 0].map(Value::from)),
        simple("int16", [7, -32_768, 32_767, 0].map(Value::from)),
        simple("int32", [7, i32::MIN, i32::MAX, 0].map(Value::from)),
        simple("int64", [7, i64::MIN, i64::MAX, 0].map(Value::from)),
        simple(
            "float",
            [1.5, 3.402_823_5e38, 1.4e-45, -0.1].map(Value::from),
        ),
        simple("double", [1.5, f64::MAX, 5e-324, -1e7].map(Value::from)),
        simple(
            "string",
            ["it's", "", "ж😀 \\ \" \n", "null"].map(Value::from),
        ),
        simple("bytes", ["AAH/", "", "3q2+7w==", "AA=="].map(Value::from)),
    ]
}

/// Arrays and maps of them.
fn nested() -> Vec<Kind> {
    let mut kinds = Vec::new();
    for items in plain() {
        let [a, b, c, d] = items.values.clone();
        let mut schema = items.schema.clone();
        schema["optional"] = json!(true);
        let array = json!({"type": "array", "items": schema});
        let values = [json!([a]), json!([b, c]), json!([]), json!([d, null])];
        kinds.push(Kind::new(&format!("array_{}", items.tag), array, values));
    }
    let text = json!({"type": "string", "optional": true});
    let map = json!({"type": "map", "keys": {"type": "string", "optional": false}, "values": text});
    let values = [
        json!({"d": "e"}),
        json!({"a": "b"}),
        json!({}),
        json!({"k": "v w", "l": "\"q\""}),
    ];
    kinds.push(Kind::new("map", map, values));
    kinds
}

fn of(tag: &str, kind: &str, name: &str, values: [Value; 4]) -> Kind {
    Kind::new(
        tag,
        json!({"type": kind, "name": name, "version": 1}),
        values,
    )
}

fn decimal(tag: &str, scale: &str, precision: Option<&str>) -> Kind {
    let values = ["BNI=", "AA==", "+w==", "Aw=="].map(Value::from);
    let kind = of(
        tag,
        "bytes",
        "org.apache.kafka.connect.data.Decimal",
        values,
    );
    let mut kind = kind.with("s", &[("scale", scale)]);
    if let Some(precision) = precision {
        kind = kind.with("p", &[("connect.decimal.precision", precision)]);
    }
    tag.clone_into(&mut kind.tag);
    kind
}

/// Dates and times, which have a precision.
pub(super) fn temporal() -> Vec<Kind> {
    let millis = [37_230_123, 0, 86_399_999, 1].map(Value::from);
    let micros = [37_230_123_456_i64, 0, 86_399_999_999, 1].map(Value::from);
    let nanos = [37_230_123_456_500_i64, 1_499, 86_399_999_999_000, 1_500].map(Value::from);
    let at_millis = [
        1_700_000_000_123_i64,
        -62_135_596_800_000,
        253_402_300_799_999,
        -1,
    ];
    let at_micros = [
        1_700_000_000_123_456_i64,
        -62_135_596_800_000_000,
        253_402_300_799_999_999,
        -1,
    ];
    let at_nanos = [1_700_000_000_123_456_500_i64, 1_499, -1_500, 1_500];
    let zoned = [
        "2024-02-29T10:20:30.123456Z",
        "1999-12-31T23:59:59.9999995+05:30",
        "0001-01-01T00:00:00Z",
        "2024-02-29T10:20:30-11:45",
    ];
    let times = [
        "10:20:30.123456Z",
        "23:59:59+05:30",
        "00:00:00-12:00",
        "10:20:30.9999995Z",
    ];
    vec![
        of(
            "ctime",
            "int32",
            "org.apache.kafka.connect.data.Time",
            millis.clone(),
        ),
        of(
            "ctimestamp",
            "int64",
            "org.apache.kafka.connect.data.Timestamp",
            at_millis.map(Value::from),
        ),
        of("time", "int32", "io.debezium.time.Time", millis),
        of("microtime", "int64", "io.debezium.time.MicroTime", micros),
        of("nanotime", "int64", "io.debezium.time.NanoTime", nanos),
        of(
            "timestamp",
            "int64",
            "io.debezium.time.Timestamp",
            at_millis.map(Value::from),
        ),
        of(
            "microtimestamp",
            "int64",
            "io.debezium.time.MicroTimestamp",
            at_micros.map(Value::from),
        ),
        of(
            "nanotimestamp",
            "int64",
            "io.debezium.time.NanoTimestamp",
            at_nanos.map(Value::from),
        ),
        of(
            "zonedtimestamp",
            "string",
            "io.debezium.time.ZonedTimestamp",
            zoned.map(Value::from),
        ),
        of(
            "zonedtime",
            "string",
            "io.debezium.time.ZonedTime",
            times.map(Value::from),
        ),
    ]
}

/// What a source may say of the length and scale of a column with a precision.
fn precisions() -> Vec<(String, Vec<(&'static str, String)>)> {
    const LENGTH: &str = "__debezium.source.column.length";
    const SCALE: &str = "__debezium.source.column.scale";
    let one = |tag: &str, name: &'static str, digits: u32| {
        (format!("{tag}{digits}"), vec![(name, digits.to_string())])
    };
    let lengths = [0, 1, 3, 6, 7].map(|digits| one("l", LENGTH, digits));
    let scales = [0, 2, 6, 7].map(|digits| one("s", SCALE, digits));
    let both = vec![(LENGTH, "27".to_owned()), (SCALE, "3".to_owned())];
    lengths
        .into_iter()
        .chain(scales)
        .chain([("l27s3".to_owned(), both)])
        .collect()
}

/// Types with a name.
pub(super) fn named() -> Vec<Kind> {
    let texts = |texts: [&str; 4]| texts.map(Value::from);
    let days = [19_723, -200_000, 2_932_896, 0].map(Value::from);
    let mut kinds = vec![
        decimal("decimal0", "0", Some("10")),
        decimal("decimal2", "2", Some("5")),
        decimal("decimal2any", "2", None),
        decimal("decimal0any", "0", None),
        decimal("decimal10", "10", Some("38")),
        decimal("decimalneg", "-2", Some("5")),
        decimal("decimalnegany", "-2", None),
        of(
            "cdate",
            "int32",
            "org.apache.kafka.connect.data.Date",
            days.clone(),
        ),
        of("date", "int32", "io.debezium.time.Date", days),
        of(
            "year",
            "int32",
            "io.debezium.time.Year",
            [2024, 0, 1901, 2155].map(Value::from),
        ),
        of(
            "microduration",
            "int64",
            "io.debezium.time.MicroDuration",
            [93_784_000_005_i64, -1, 0, 1].map(Value::from),
        ),
        of(
            "nanoduration",
            "int64",
            "io.debezium.time.NanoDuration",
            [93_784_000_005_i64, -1, 0, 1].map(Value::from),
        ),
        of(
            "interval",
            "string",
            "io.debezium.time.Interval",
            texts(["P1Y2M3DT4H5M6.78S", "P0D", "P-1D", "PT1S"]),
        ),
        of(
            "isodate",
            "string",
            "io.debezium.time.IsoDate",
            texts(["2024-02-29Z", "0001-01-01Z", "9999-12-31Z", "2024-01-01Z"]),
        ),
        of(
            "isotime",
            "string",
            "io.debezium.time.IsoTime",
            texts(["10:20:30Z", "00:00:00Z", "23:59:59.999999Z", "01:00:00Z"]),
        ),
        of(
            "isotimestamp",
            "string",
            "io.debezium.time.IsoTimestamp",
            texts([
                "2024-02-29T10:20:30Z",
                "0001-01-01T00:00:00Z",
                "9999-12-31T23:59:59.999999Z",
                "2024-01-01T00:00:00Z",
            ]),
        ),
        of(
            "uuid",
            "string",
            "io.debezium.data.Uuid",
            texts([
                "550e8400-e29b-41d4-a716-446655440000",
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "123e4567-e89b-12d3-a456-426655440000",
            ]),
        ),
        of(
            "json",
            "string",
            "io.debezium.data.Json",
            texts(["{\"a\": 1}", "[]", "null", "\"it's\""]),
        ),
        of(
            "jsonb",
            "string",
            "io.debezium.data.Json",
            texts(["{\"a\": 1}", "[]", "null", "\"it's\""]),
        )
        .with("t", &[("__debezium.source.column.type", "JSONB")]),
        of(
            "hstore",
            "string",
            "io.debezium.data.Json",
            texts(["{\"a\":\"1\"}", "{}", "{\"k\":\"v w\"}", "{\"x\":\"y\"}"]),
        )
        .with("t", &[("__debezium.source.column.type", "HSTORE")]),
        of(
            "xml",
            "string",
            "io.debezium.data.Xml",
            texts(["<a>b</a>", "<a/>", "text", "<a><b/></a>"]),
        ),
        of(
            "enum",
            "string",
            "io.debezium.data.Enum",
            texts(["a", "b", "c", ""]),
        )
        .with("t", &[("allowed", "a,b,c,")]),
        of(
            "enumset",
            "string",
            "io.debezium.data.EnumSet",
            texts(["a", "a,b", "", "b"]),
        )
        .with("t", &[("allowed", "a,b")]),
        of(
            "ltree",
            "string",
            "io.debezium.data.Ltree",
            texts(["a.b", "a", "b.c.d", "x"]),
        ),
        of(
            "tsvector",
            "string",
            "io.debezium.data.Tsvector",
            texts(["'a':1", "'b':2 'c':3", "'d'", "'e':1A"]),
        ),
        of(
            "unknown",
            "string",
            "com.example.Own",
            texts(["a", "b", "", "d"]),
        ),
        of(
            "unknownint",
            "int32",
            "com.example.Own",
            [1, 2, 0, -4].map(Value::from),
        ),
    ];
    for (length, values) in [
        ("3", ["BQ==", "AQ==", "Bw==", "AA=="]),
        ("8", ["BQ==", "gA==", "/w==", "AA=="]),
        ("12", ["BQE=", "AQA=", "/w8=", "AAA="]),
        (
            "64",
            [
                "BQEAAAAAAAA=",
                "AQAAAAAAAAA=",
                "//////////8=",
                "AAAAAAAAAIA=",
            ],
        ),
        ("2147483647", ["BQE=", "Bg==", "AA==", "gA=="]),
    ] {
        let tag = format!("bits{length}");
        let kind = of(
            &tag,
            "bytes",
            "io.debezium.data.Bits",
            values.map(Value::from),
        );
        kinds.push(kind.with("l", &[("length", length)]));
        let varying = [
            ("length", length),
            ("__debezium.source.column.type", "VARBIT"),
        ];
        kinds.push(kind.with("v", &varying));
    }
    kinds.extend(temporal());
    kinds.extend(structures());
    kinds
}

/// Those of the named types that may be in a key.
pub(super) fn keys() -> Vec<Kind> {
    let is_key = |kind: &Kind| {
        let tag = kind.tag.as_str();
        [
            "decimal", "cdate", "date", "year", "micro", "uuid", "enum", "bits", "interval",
        ]
        .iter()
        .any(|start| tag.starts_with(start))
            && !temporal().iter().any(|temporal| temporal.tag == tag)
    };
    named().into_iter().filter(is_key).collect()
}

/// Structs that have a meaning.
fn structures() -> Vec<Kind> {
    // POINT(1 2), little endian.
    const POINT: &str = "AQEAAAAAAAAAAADwPwAAAAAAAABA";
    let field = |name: &str, kind: &str, optional: bool| json!({"field": name, "type": kind, "optional": optional});
    let of = |tag: &str, name: &str, fields: Vec<Value>, values: [Value; 4]| {
        let schema = json!({"type": "struct", "name": name, "version": 1, "fields": fields});
        Kind::new(tag, schema, values)
    };
    let scaled = |scale: i32, value: &str| json!({"scale": scale, "value": value});
    let shape = || vec![field("wkb", "bytes", false), field("srid", "int32", true)];
    let shapes = || {
        let srid = |srid: Value| json!({"wkb": POINT, "srid": srid});
        [
            srid(json!(4326)),
            srid(Value::Null),
            srid(json!(0)),
            srid(json!(3857)),
        ]
    };
    let point = |x: f64, y: f64| json!({"x": x, "y": y, "wkb": POINT, "srid": null});
    let mut of_point = vec![field("x", "double", false), field("y", "double", false)];
    of_point.extend([field("wkb", "bytes", true), field("srid", "int32", true)]);
    vec![
        of(
            "scaled",
            "io.debezium.data.VariableScaleDecimal",
            vec![
                field("scale", "int32", false),
                field("value", "bytes", false),
            ],
            [
                scaled(2, "BNI="),
                scaled(0, "AA=="),
                scaled(10, "+w=="),
                scaled(-2, "Aw=="),
            ],
        ),
        of(
            "point",
            "io.debezium.data.geometry.Point",
            of_point,
            [
                point(1.0, 2.0),
                point(-1.5, 0.0),
                point(1e10, 1e-10),
                point(0.0, 0.0),
            ],
        ),
        of(
            "geometry",
            "io.debezium.data.geometry.Geometry",
            shape(),
            shapes(),
        ),
        of(
            "geography",
            "io.debezium.data.geometry.Geography",
            shape(),
            shapes(),
        ),
    ]
}
