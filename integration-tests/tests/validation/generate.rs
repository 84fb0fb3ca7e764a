//! Requests: from a valid configuration, one key at a time is left out, empty, null, of another type, out of range, of
//! another case, padded with blanks; then keys that depend on each other, together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Value, json};

use crate::bases::Base;
use crate::compare::Answer;

/// One configuration to be validated.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Request {
    pub(crate) base: String,
    pub(crate) plugin: &'static str,
    /// What is other than in the base, and what is left out.
    pub(crate) set: BTreeMap<String, Value>,
    pub(crate) unset: Vec<String>,
    /// The whole.
    pub(crate) config: BTreeMap<String, Value>,
}

impl Request {
    pub(crate) fn new(base: &Base, set: BTreeMap<String, Value>, unset: Vec<String>) -> Self {
        let kept = base.config.iter().filter(|(name, _)| !unset.contains(name));
        let mut config: BTreeMap<String, Value> = kept
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        config.extend(
            set.iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Self {
            base: base.name.clone(),
            plugin: base.plugin,
            set,
            unset,
            config,
        }
    }

    /// The text that a key has.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.config.get(key)?.as_str()
    }

    /// Whether a key is set otherwise than in the base.
    pub(crate) fn sets(&self, key: &str) -> bool {
        self.set.contains_key(key)
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.base, json!(self.set))?;
        if !self.unset.is_empty() {
            write!(f, " without {}", self.unset.join(", "))?;
        }
        Ok(())
    }
}

/// Words of settings whose words the original does not recommend, and texts that are worth a try.
const WORDS: &[(&str, &[&str])] = &[
    (
        "binary.handling.mode",
        &["base64", "base64-url-safe", "HEX", "raw"],
    ),
    (
        "field.name.adjustment.mode",
        &["NONE", "avro", "avro_unicode"],
    ),
    (
        "skipped.operations",
        &["none", "c,u", "C", "x", "none,c", "c,c", " c , d "],
    ),
    (
        "table.include.list",
        &["a.b", "a.b,c\\.d", "a.b,,c", "(", "a,("],
    ),
    ("table.exclude.list", &["a.b", "(", "a,("]),
    ("database.include.list", &["a", "a,,b", "("]),
    ("database.exclude.list", &["a", "("]),
    ("column.include.list", &["a.b.c", "("]),
    ("column.exclude.list", &["a.b.c", "("]),
    ("snapshot.include.collection.list", &["a.b", "(", "a.b,c.d"]),
    ("column.propagate.source.type", &["a.b.c", "(", ".*"]),
    ("datatype.propagate.source.type", &["a.b.INT", "("]),
    (
        "message.key.columns",
        &[
            "a.b:c",
            "a.b:c,d;e.f:g",
            "a.b",
            "a.b:",
            ":c",
            "a.b:c;",
            ";",
            "(:a",
            "a.b : c",
        ],
    ),
    ("signal.data.collection", &["a.b", "a.b,c.d"]),
    (
        "signal.enabled.channels",
        &["source", "source,kafka", "nonsense", "SOURCE"],
    ),
    (
        "notification.enabled.channels",
        &["log", "sink", "jmx", "log,sink", "LOG"],
    ),
    (
        "topic.naming.strategy",
        &[
            "io.debezium.schema.DefaultTopicNamingStrategy",
            "io.debezium.schema.SchemaTopicNamingStrategy",
            "io.debezium.schema.DefaultUnicodeTopicNamingStrategy",
            "io.debezium.schema.DefaultRegexTopicNamingStrategy",
        ],
    ),
    (
        "schema.history.internal",
        &[
            "io.debezium.storage.file.history.FileSchemaHistory",
            "io.debezium.relational.history.MemorySchemaHistory",
        ],
    ),
    ("gtid.source.includes", &["0-1", "a", "0-1,0-2", "("]),
    ("gtid.source.excludes", &["0-1", "("]),
    ("converters", &["isbn", "a,b"]),
    ("post.processors", &["reselector"]),
    ("database.hostname", &["a b", "bad_host!", "127.0.0.1"]),
    ("topic.prefix", &["a b", "ä", "a/b", "-", "_"]),
    ("database.port", &["65535", "65536"]),
    ("database.server.id", &["4294967295", "4294967296"]),
    ("custom.metric.tags", &["a=b", "a=b,c=d", "a", "a=b=c"]),
    (
        "snapshot.mode",
        &["schema_only", "schema_only_recovery", "never"],
    ),
    (
        "snapshot.select.statement.overrides",
        &["a.b", "a.b,c.d", "a"],
    ),
    ("insert.mode", &["insert", "UPSERT", " update "]),
    (
        "primary.key.mode",
        &["kafka", "RECORD_KEY", "record_value", "record_header"],
    ),
    ("primary.key.fields", &["a", "a,b", "a,,b", "a,a"]),
    ("schema.evolution", &["BASIC", "basic", "validate-only"]),
    ("delete.enabled", &["true"]),
    ("truncate.enabled", &["true"]),
    (
        "collection.name.format",
        &["${topic}_x", "${source.db}.a", "x", "${nope}"],
    ),
    ("table.name.format", &["${topic}_x", "x"]),
    (
        "collection.naming.strategy",
        &[
            "io.debezium.sink.naming.DefaultCollectionNamingStrategy",
            "io.debezium.connector.jdbc.naming.DefaultTableNamingStrategy",
        ],
    ),
    (
        "column.naming.strategy",
        &["io.debezium.connector.jdbc.naming.DefaultColumnNamingStrategy"],
    ),
    (
        "use.time.zone",
        &[
            "Europe/Berlin",
            "+02:00",
            "GMT+2",
            "EST",
            "UTC+1",
            "Z",
            "utc",
            "+2",
            "+0230",
            "GMT",
        ],
    ),
    ("use.reduction.buffer", &["true", "perhaps"]),
    ("field.include.list", &["a", "t:a,b", "a,,b"]),
    ("field.exclude.list", &["a", "t:a"]),
    (
        "connection.url",
        &[
            "jdbc:mysql://127.0.0.1:1/d",
            "jdbc:oracle:thin:@//h/d",
            "postgres://h/d",
            "jdbc:postgresql:",
        ],
    ),
    ("cloud.events.schema.name.pattern", &["(", ".*"]),
    ("topics", &["a,,b", "a,a", "a,b", ",", "a,", "a b", "../x"]),
    ("topics.regex", &["a.*", "(", "*"]),
    ("name", &["a/b", "a\u{1}b", "ä", "a b"]),
    (
        "connector.class",
        &[
            "FileStreamSource",
            "FileStreamSinkConnector",
            "MariaDb",
            "io.debezium.connector.mysql.MySqlConnector",
        ],
    ),
    ("errors.tolerance", &["all", "ALL", " all "]),
    ("errors.retry.timeout", &["-1", "-2"]),
    ("config.action.reload", &["none", "RESTART"]),
    (
        "exactly.once.support",
        &["requested", "REQUESTED", "required"],
    ),
    ("transaction.boundary", &["interval", "CONNECTOR", " poll "]),
    ("offsets.storage.topic", &["own", "a b"]),
    ("errors.deadletterqueue.topic.name", &["d", "t", "a b"]),
    ("transforms", &["a", "a,a", "a,b", "a.b", ",", "a,,b"]),
    ("predicates", &["p", "p,p", "p,,q"]),
    (
        "topic.creation.groups",
        &["g", "g,h", "g,g", "default", "g,,h"],
    ),
    ("topic.creation.g.include", &["(", "a,(", "a,,b"]),
    ("topic.creation.g.exclude", &["(", "a"]),
    (
        "key.converter",
        &[
            "JsonConverter",
            "StringConverter",
            "json",
            "io.debezium.converters.CloudEventsConverter",
        ],
    ),
    (
        "value.converter",
        &[
            "Json",
            "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        ],
    ),
    (
        "header.converter",
        &[
            "SimpleHeaderConverter",
            "org.apache.kafka.connect.json.JsonConverter",
        ],
    ),
    (
        "connector.plugin.version",
        &["9.9.9", "[1,2)", "[1.0,", "1.2.3.4"],
    ),
    ("key.converter.plugin.version", &["9.9.9"]),
    (
        "spec",
        &[
            "int32",
            "a:int32,b:string",
            "a:nope",
            "a",
            "a:",
            ":int32",
            "a:int32,a:int64",
            "int32,int64",
            "a:struct",
            "a:bytes",
            "a:Int32",
        ],
    ),
    ("field.syntax.version", &["v2", "V2", "V3"]),
    (
        "renames",
        &["a:b", "a:b,c:d", "a", "a:", ":b", "a:b:c", "a:b,a:c"],
    ),
    ("regex", &["(", "a(b)", "*"]),
    ("pattern", &["(", "a.*", "*"]),
    ("replacement", &["$1", "$", "x"]),
    (
        "target.type",
        &["string", "Date", "date", "Timestamp", "unix", "UNIX"],
    ),
    ("format", &["yyyy-MM-dd", "nonsense", "yyyy-MM-dd'"]),
    ("unix.precision", &["seconds", "Seconds", "microseconds"]),
    ("topic.field", &["a", "a!", "a?"]),
    ("static.value", &["x", ""]),
    ("negate", &["true"]),
    ("predicate", &["p", ""]),
    (
        "delete.tombstone.handling.mode",
        &[
            "drop",
            "tombstone",
            "rewrite",
            "REWRITE",
            "rewrite-with-tombstone",
            "delete-to-tombstone",
        ],
    ),
    ("delete.handling.mode", &["drop", "none", "rewrite"]),
    ("drop.tombstones", &["true", "false"]),
    (
        "add.fields",
        &["op", "op,table", "op:o", "source.ts_ms", ","],
    ),
    ("add.headers", &["op", "op,table", "op:o"]),
    ("route.by.field", &["a", "a.b"]),
    ("topic.regex", &["(", "(.*)x"]),
    ("topic.replacement", &["$1", "$9", "x"]),
    ("schema.name.adjustment.mode", &["avro", "NONE", "nonsense"]),
    (
        "converter.encoding",
        &["UTF-8", "utf8", "UTF-16LE", "ISO-8859-1", "nonsense"],
    ),
    (
        "decimal.format",
        &["BASE64", "numeric", "Numeric", "nonsense"],
    ),
    ("schemas.cache.size", &["0", "-1"]),
    ("converter.type", &["key", "VALUE", "header", "nonsense"]),
    ("acks", &["1", "ALL", "2"]),
    ("compression.type", &["GZIP", "snappy", "brotli"]),
    (
        "partitioner.class",
        &["org.apache.kafka.clients.producer.RoundRobinPartitioner"],
    ),
    (
        "auto.offset.reset",
        &[
            "latest",
            "LATEST",
            "none",
            "by_duration:P1D",
            "by_duration:x",
        ],
    ),
    ("isolation.level", &["read_committed", "READ_COMMITTED"]),
    (
        "partition.assignment.strategy",
        &[
            "org.apache.kafka.clients.consumer.RoundRobinAssignor",
            "range",
        ],
    ),
    ("security.protocol", &["ssl", "SSL", "sasl_plaintext"]),
    ("bootstrap.servers", &["a:1,a:1", "a", "a,,b"]),
    ("group.protocol", &["consumer", "CONSUMER", "classic"]),
];

fn words(key: &str) -> Vec<Value> {
    let plain = key.rsplit_once(".a.").map_or(key, |(_, plain)| plain);
    let plain = [
        "producer.override.",
        "consumer.override.",
        "admin.override.",
        "key.converter.",
        "value.converter.",
        "header.converter.",
    ]
    .iter()
    .find_map(|prefix| plain.strip_prefix(prefix))
    .unwrap_or(plain);
    let known = WORDS.iter().filter(|(name, _)| [plain, key].contains(name));
    known
        .flat_map(|(_, words)| words.iter().map(|word| json!(word)))
        .collect()
}

fn of_type(kind: &str) -> &'static [&'static str] {
    match kind {
        "BOOLEAN" => &["perhaps", "TRUE", " true ", "False", "1", "true"],
        "INT" | "LONG" | "SHORT" => &[
            "many",
            "0",
            "-1",
            "1.5",
            " 7 ",
            "+7",
            "99999",
            "2147483648",
            "9223372036854775808",
        ],
        "DOUBLE" => &["many", "1e3", " 0.5 ", "-1", "NaN", "1"],
        "LIST" => &["a,,b", "a,a", " a , b ", ","],
        "CLASS" => &["com.example.Nope", "java.lang.String", " "],
        "PASSWORD" => &["x", " x "],
        _ => &["nonsense", " padded "],
    }
}

/// Of clients there are many settings; each is tried with fewer values.
fn of_client(kind: &str) -> &'static [&'static str] {
    match kind {
        "BOOLEAN" => &["perhaps", " TRUE "],
        "INT" | "LONG" | "SHORT" => &["many", "-2", "0", "2147483648"],
        "DOUBLE" => &["many", "-1", "2"],
        "LIST" => &["a,a", ",", "nonsense"],
        "CLASS" => &["com.example.Nope"],
        "PASSWORD" => &["x"],
        _ => &["nonsense"],
    }
}

fn values(base: &Base, name: &str, entry: &Value) -> Vec<Value> {
    let definition = &entry["definition"];
    let kind = definition["type"].as_str().unwrap_or("STRING");
    let mut values = vec![Value::Null, json!("")];
    let plain = if base.name.ends_with("-overrides") {
        of_client(kind)
    } else {
        of_type(kind)
    };
    values.extend(plain.iter().map(|value| json!(value)));
    let recommended = entry["value"]["recommended_values"].as_array();
    let recommended: Vec<&str> = recommended
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    // Classes are those on the plugin path.
    if !recommended.iter().any(|word| word.contains('.')) {
        values.extend(recommended.iter().map(|word| json!(word)));
        let other = recommended
            .iter()
            .flat_map(|word| [word.to_uppercase(), format!(" {word} ")]);
        values.extend(other.map(|word| json!(word)));
    }
    if let Some(default) = definition["default_value"]
        .as_str()
        .filter(|text| !text.is_empty())
    {
        values.extend([
            json!(default),
            json!(format!(" {default} ")),
            json!(default.to_uppercase()),
        ]);
    }
    values.extend(words(name));
    let mut seen = BTreeSet::new();
    values.retain(|value| seen.insert(value.to_string()));
    values
}

/// The requests of a base, by what the original answered to the base itself.
pub(crate) fn requests(base: &Base, answer: &Answer) -> Vec<Request> {
    let mut requests = Vec::new();
    for (name, entry) in answer.entries() {
        let varied = &base.varied;
        if !varied.is_empty() && !varied.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        if base.config.contains_key(name) {
            requests.push(Request::new(base, BTreeMap::new(), vec![name.clone()]));
        }
        for value in values(base, name, entry) {
            if base.config.get(name).map(|known| json!(known)) != Some(value.clone()) {
                let set = BTreeMap::from([(name.clone(), value)]);
                requests.push(Request::new(base, set, Vec::new()));
            }
        }
    }
    for (_, settings) in TOGETHER.iter().filter(|(name, _)| base_is(base, name)) {
        let set = settings.iter().filter(|(_, value)| *value != UNSET);
        let set = set
            .map(|(name, value)| ((*name).to_owned(), json!(value)))
            .collect();
        let unset = settings.iter().filter(|(_, value)| *value == UNSET);
        let unset = unset.map(|(name, _)| (*name).to_owned()).collect();
        requests.push(Request::new(base, set, unset));
    }
    requests
}

/// Stands for a key that is left out.
const UNSET: &str = "\u{0}";

fn base_is(base: &Base, which: &str) -> bool {
    match which {
        "source" => ["mariadb", "mysql"].contains(&base.name.as_str()),
        name => base.name == name,
    }
}

/// Settings that depend on each other.
const TOGETHER: &[(&str, &[(&str, &str)])] = &[
    (
        "source",
        &[("table.include.list", "a.b"), ("table.exclude.list", "c.d")],
    ),
    (
        "source",
        &[("table.include.list", ""), ("table.exclude.list", "c.d")],
    ),
    (
        "source",
        &[("table.include.list", "a.b"), ("table.exclude.list", "")],
    ),
    (
        "source",
        &[("table.include.list", "("), ("table.exclude.list", "(")],
    ),
    (
        "source",
        &[
            ("database.include.list", "a"),
            ("database.exclude.list", "b"),
        ],
    ),
    (
        "source",
        &[
            ("column.include.list", "a.b.c"),
            ("column.exclude.list", "a.b.d"),
        ],
    ),
    (
        "source",
        &[("gtid.source.includes", "a"), ("gtid.source.excludes", "b")],
    ),
    ("source", &[("max.batch.size", "8192")]),
    (
        "source",
        &[("max.batch.size", "9000"), ("max.queue.size", "9001")],
    ),
    (
        "source",
        &[("max.batch.size", "9000"), ("max.queue.size", "9000")],
    ),
    (
        "source",
        &[("max.batch.size", "x"), ("max.queue.size", "5")],
    ),
    (
        "source",
        &[("max.batch.size", "-1"), ("max.queue.size", "-1")],
    ),
    (
        "source",
        &[
            ("snapshot.mode", "custom"),
            ("snapshot.mode.custom.name", "x"),
        ],
    ),
    (
        "source",
        &[
            ("snapshot.mode", "configuration_based"),
            ("snapshot.mode.configuration.based.snapshot.data", "true"),
        ],
    ),
    (
        "source",
        &[
            ("snapshot.mode", "configuration_based"),
            ("snapshot.mode.configuration.based.start.stream", "true"),
        ],
    ),
    (
        "source",
        &[
            ("snapshot.locking.mode", "custom"),
            ("snapshot.locking.mode.custom.name", "x"),
        ],
    ),
    (
        "source",
        &[
            ("snapshot.query.mode", "custom"),
            ("snapshot.query.mode.custom.name", "x"),
        ],
    ),
    (
        "source",
        &[
            ("notification.enabled.channels", "sink"),
            ("notification.sink.topic.name", "n"),
        ],
    ),
    (
        "source",
        &[
            ("notification.enabled.channels", "log"),
            ("notification.sink.topic.name", "n"),
        ],
    ),
    (
        "source",
        &[
            ("signal.enabled.channels", "kafka"),
            ("signal.kafka.topic", "s"),
        ],
    ),
    (
        "source",
        &[
            ("signal.enabled.channels", "kafka"),
            ("signal.kafka.topic", "s"),
            ("signal.kafka.bootstrap.servers", "b:1"),
        ],
    ),
    (
        "source",
        &[
            ("signal.enabled.channels", "source,kafka"),
            ("signal.data.collection", "a.b"),
        ],
    ),
    (
        "source",
        &[("signal.data.collection", "a.b"), ("read.only", "true")],
    ),
    ("source", &[("read.only", "false")]),
    ("source", &[("read.only", "FALSE")]),
    ("source", &[("read.only", "perhaps")]),
    (
        "source",
        &[("converters", "isbn"), ("isbn.type", "com.example.Isbn")],
    ),
    (
        "source",
        &[
            ("converters", "isbn"),
            (
                "isbn.type",
                "io.debezium.connector.mysql.converters.TinyIntOneToBooleanConverter",
            ),
        ],
    ),
    (
        "source",
        &[
            ("post.processors", "r"),
            (
                "r.type",
                "io.debezium.processors.reselect.ReselectColumnsPostProcessor",
            ),
        ],
    ),
    ("source", &[("topic.delimiter", "_")]),
    ("source", &[("topic.delimiter", "!")]),
    ("source", &[("topic.heartbeat.prefix", "a b")]),
    ("source", &[("topic.heartbeat.name", "a b")]),
    ("source", &[("topic.transaction", "x")]),
    (
        "source",
        &[
            (
                "schema.history.internal",
                "io.debezium.storage.file.history.FileSchemaHistory",
            ),
            ("schema.history.internal.file.filename", "/tmp/h"),
        ],
    ),
    (
        "source",
        &[("schema.history.internal.kafka.recovery.attempts", "x")],
    ),
    (
        "source",
        &[("schema.history.internal.kafka.recovery.attempts", "-1")],
    ),
    (
        "source",
        &[(
            "schema.history.internal.kafka.recovery.poll.interval.ms",
            "5",
        )],
    ),
    (
        "source",
        &[("schema.history.internal.kafka.query.timeout.ms", "x")],
    ),
    ("source", &[("schema.history.internal.prefer.ddl", "true")]),
    ("source", &[("schema.history.internal.kafka.topic", UNSET)]),
    ("source", &[("schema.history.internal.kafka.topic", "")]),
    (
        "source",
        &[("schema.history.internal.kafka.bootstrap.servers", UNSET)],
    ),
    ("source", &[("column.mask.with.5.chars", "a.b.c")]),
    ("source", &[("column.mask.with.x.chars", "a.b.c")]),
    ("source", &[("column.mask.with.5.chars", "(")]),
    ("source", &[("column.truncate.to.5.chars", "a.b.c")]),
    (
        "source",
        &[("column.mask.hash.SHA-256.with.salt.x", "a.b.c")],
    ),
    ("source", &[("column.mask.hash.NOPE.with.salt.x", "a.b.c")]),
    (
        "source",
        &[("column.mask.hash.v2.SHA-256.with.salt.x", "a.b.c")],
    ),
    (
        "source",
        &[
            ("snapshot.select.statement.overrides", "a.b"),
            ("snapshot.select.statement.overrides.a.b", "SELECT 1"),
        ],
    ),
    ("source", &[("provide.transaction.metadata", "true")]),
    (
        "source",
        &[
            ("database.ssl.mode", "verify-full"),
            ("database.ssl.truststore", "/nope"),
        ],
    ),
    (
        "source",
        &[
            ("database.ssl.keystore", "/nope"),
            ("database.ssl.keystore.password", "x"),
        ],
    ),
    ("source", &[("database.user", "nobody")]),
    ("source", &[("database.password", "wrong")]),
    ("source", &[("database.port", "1")]),
    (
        "source",
        &[("database.port", "1"), ("table.include.list", "(")],
    ),
    ("source", &[("database.server.name", "old")]),
    ("source", &[("table.whitelist", "a.b")]),
    ("source", &[("database.history.kafka.topic", "h")]),
    (
        "source",
        &[("incremental.snapshot.allow.schema.changes", "true")],
    ),
    ("source", &[("unknown.setting", "x")]),
    ("source", &[("driver.connectTimeout", "5")]),
    ("source", &[("unavailable.value.placeholder", "x")]),
    ("source", &[("tasks.max", "2")]),
    (
        "source",
        &[("key.converter", "io.confluent.connect.avro.AvroConverter")],
    ),
    ("source", &[("exactly.once.support", "required")]),
    ("source", &[("transaction.boundary", "connector")]),
    (
        "jdbc",
        &[
            ("insert.mode", "upsert"),
            ("primary.key.mode", "record_key"),
        ],
    ),
    (
        "jdbc",
        &[("insert.mode", "upsert"), ("primary.key.mode", "none")],
    ),
    (
        "jdbc",
        &[
            ("delete.enabled", "true"),
            ("primary.key.mode", "record_key"),
        ],
    ),
    (
        "jdbc",
        &[
            ("delete.enabled", "true"),
            ("primary.key.mode", "record_value"),
        ],
    ),
    (
        "jdbc",
        &[
            ("delete.enabled", "true"),
            ("primary.key.mode", "RECORD_KEY"),
        ],
    ),
    (
        "jdbc",
        &[
            ("primary.key.mode", "record_value"),
            ("primary.key.fields", "a"),
        ],
    ),
    ("jdbc", &[("primary.key.mode", "record_header")]),
    (
        "jdbc",
        &[("primary.key.mode", "kafka"), ("primary.key.fields", "a,b")],
    ),
    (
        "jdbc",
        &[("field.include.list", "a"), ("field.exclude.list", "b")],
    ),
    (
        "jdbc",
        &[("column.include.list", "a"), ("column.exclude.list", "b")],
    ),
    (
        "jdbc",
        &[("insert.mode", "update"), ("use.reduction.buffer", "true")],
    ),
    ("jdbc", &[("topics", "t"), ("topics.regex", "t")]),
    ("jdbc", &[("topics", UNSET), ("topics.regex", "t.*")]),
    ("jdbc", &[("topics", UNSET)]),
    (
        "jdbc",
        &[
            ("connection.pool.min_size", "10"),
            ("connection.pool.max_size", "5"),
        ],
    ),
    (
        "jdbc",
        &[("connection.user", "u"), ("connection.username", UNSET)],
    ),
    ("jdbc", &[("database.time_zone", "Nope/Nope")]),
    ("jdbc", &[("table.naming.strategy", "com.example.Nope")]),
    ("jdbc", &[("hibernate.jdbc.batch_size", "x")]),
    (
        "jdbc",
        &[
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", "d"),
        ],
    ),
    ("file-sink", &[("topics", "t"), ("topics.regex", "t")]),
    ("file-sink", &[("topics", ""), ("topics.regex", "t.*")]),
    ("file-sink", &[("topics", UNSET), ("topics.regex", "(")]),
    ("file-sink", &[("topics", UNSET), ("topics.regex", UNSET)]),
    ("file-sink", &[("errors.deadletterqueue.topic.name", "t")]),
    (
        "file-sink",
        &[
            ("errors.deadletterqueue.topic.name", "t,u"),
            ("topics", "t,u"),
        ],
    ),
    (
        "file-sink",
        &[
            ("topics", UNSET),
            ("topics.regex", "t.*"),
            ("errors.deadletterqueue.topic.name", "tx"),
        ],
    ),
    ("file-sink", &[("consumer.override.group.id", "jvm")]),
    ("file-sink", &[("consumer.override.group.id", "x")]),
    (
        "file-sink",
        &[
            ("consumer.override.max.poll.records", "many"),
            ("producer.override.acks", "9"),
        ],
    ),
    (
        "file-sink",
        &[
            ("producer.override.acks", "9"),
            ("errors.deadletterqueue.topic.name", "d"),
        ],
    ),
    (
        "file-sink",
        &[
            ("admin.override.retries", "x"),
            ("errors.deadletterqueue.topic.name", "d"),
        ],
    ),
    ("file-sink", &[("admin.override.retries", "x")]),
    ("file-sink", &[("consumer.override.unknown.setting", "x")]),
    ("file-sink", &[("consumer.override.", "x")]),
    ("file-source", &[("producer.override.batch.size", "big")]),
    (
        "file-source",
        &[
            ("producer.override.batch.size", "big"),
            ("producer.override.acks", "9"),
        ],
    ),
    (
        "file-source",
        &[
            (
                "producer.override.max.in.flight.requests.per.connection",
                "9",
            ),
            ("producer.override.enable.idempotence", "true"),
        ],
    ),
    (
        "file-source",
        &[
            ("producer.override.acks", "1"),
            ("producer.override.enable.idempotence", "true"),
        ],
    ),
    ("file-source", &[("producer.override.linger.ms", "200000")]),
    (
        "file-source",
        &[("producer.override.delivery.timeout.ms", "1")],
    ),
    ("file-source", &[("producer.override.unknown.setting", "x")]),
    (
        "file-source",
        &[("producer.override.transactional.id", "x")],
    ),
    (
        "file-source",
        &[("producer.override.bootstrap.servers", "")],
    ),
    (
        "file-source",
        &[
            ("admin.override.retries", "x"),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
        ],
    ),
    ("file-source", &[("admin.override.retries", "x")]),
    (
        "file-source",
        &[("consumer.override.max.poll.records", "many")],
    ),
    ("file-source", &[("transforms", "a")]),
    (
        "file-source",
        &[("transforms", "a"), ("transforms.a.type", "")],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            ("transforms.a.type", "com.example.Nope"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a,a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
        ],
    ),
    ("file-source", &[("transforms", "a,a")]),
    (
        "file-source",
        &[
            ("transforms", "a,b"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.a.predicate", "p"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.a.predicate", "p"),
            ("predicates", "p"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.a.predicate", "p"),
            ("predicates", "p"),
            (
                "predicates.p.type",
                "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
            ),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.a.predicate", "q"),
            ("predicates", "p"),
            (
                "predicates.p.type",
                "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
            ),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.a.negate", "true"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
            ("transforms.a.negate", "perhaps"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
            ),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            ("transforms.a.type", "RegexRouter"),
            ("transforms.a.regex", "a"),
            ("transforms.a.replacement", "b"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.RegexRouter",
            ),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.InsertField$Value",
            ),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.Cast",
            ),
            ("transforms.a.spec", "a:int32"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.TimestampConverter$Value",
            ),
            ("transforms.a.target.type", "string"),
            ("transforms.a.field", "a"),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.TimestampConverter$Value",
            ),
            ("transforms.a.target.type", "string"),
            ("transforms.a.format", ""),
        ],
    ),
    (
        "file-source",
        &[
            ("transforms", "a"),
            (
                "transforms.a.type",
                "org.apache.kafka.connect.transforms.ReplaceField$Value",
            ),
            ("transforms.a.blacklist", "x"),
        ],
    ),
    ("file-source", &[("predicates", "p")]),
    (
        "file-source",
        &[
            ("predicates", "p"),
            ("predicates.p.type", "com.example.Nope"),
        ],
    ),
    (
        "file-source",
        &[
            ("predicates", "p"),
            (
                "predicates.p.type",
                "org.apache.kafka.connect.transforms.Filter",
            ),
        ],
    ),
    (
        "file-source",
        &[
            ("predicates", "p,p"),
            (
                "predicates.p.type",
                "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
            ),
        ],
    ),
    ("file-source", &[("topic.creation.groups", "g")]),
    ("file-source", &[("topic.creation.default.partitions", "1")]),
    (
        "file-source",
        &[
            ("topic.creation.default.replication.factor", "x"),
            ("topic.creation.default.partitions", "0"),
        ],
    ),
    (
        "file-source",
        &[
            ("topic.creation.default.replication.factor", "-1"),
            ("topic.creation.default.partitions", "-1"),
        ],
    ),
    (
        "file-source",
        &[
            ("topic.creation.default.replication.factor", "1"),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.groups", "g,h"),
            ("topic.creation.g.include", "a"),
            ("topic.creation.h.include", "b"),
            ("topic.creation.h.cleanup.policy", "x"),
        ],
    ),
    (
        "file-source",
        &[("key.converter.schemas.enable", "perhaps")],
    ),
    (
        "file-source",
        &[
            (
                "key.converter",
                "org.apache.kafka.connect.json.JsonConverter",
            ),
            ("key.converter.schemas.enable", "perhaps"),
        ],
    ),
    ("file-source", &[("connector.class", "FileStreamSource")]),
    (
        "file-source",
        &[("tasks.max", "0"), ("errors.tolerance", "x"), ("topic", "")],
    ),
    (
        "topic-creation",
        &[
            ("topic.creation.default.replication.factor", UNSET),
            ("topic.creation.default.partitions", UNSET),
        ],
    ),
    ("topic-creation", &[("topic.creation.g.include", UNSET)]),
    (
        "topic-creation",
        &[
            ("topic.creation.g.partitions", "0"),
            ("topic.creation.g.replication.factor", "0"),
        ],
    ),
    (
        "topic-creation",
        &[
            ("topic.creation.g.partitions", "-1"),
            ("topic.creation.g.replication.factor", "-1"),
        ],
    ),
    (
        "topic-creation",
        &[
            ("topic.creation.g.partitions", "-2"),
            ("topic.creation.g.replication.factor", "-2"),
        ],
    ),
    ("topic-creation", &[("topic.creation.default.include", "a")]),
    ("topic-creation", &[("topic.creation.default.exclude", "a")]),
];
