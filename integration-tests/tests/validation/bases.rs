//! Configurations that are valid, from which the requests vary one thing each.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};
use reqwest::Method;
use serde_json::json;
use tidegate_integration_tests::Rest;

use crate::compare::Answer;
use crate::generate::Request;

pub(crate) const MARIADB: &str = "io.debezium.connector.mariadb.MariaDbConnector";
pub(crate) const MYSQL: &str = "io.debezium.connector.mysql.MySqlConnector";
pub(crate) const JDBC: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";
pub(crate) const FILE_SOURCE: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";
pub(crate) const FILE_SINK: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";

/// Stand for what differs from run to run.
const MARIADB_PORT: &str = "{mariadb.port}";
const MYSQL_PORT: &str = "{mysql.port}";

/// A valid configuration, and the keys that are varied in it.
#[derive(Debug)]
pub(crate) struct Base {
    /// Also the name of the recording's file.
    pub(crate) name: String,
    pub(crate) plugin: &'static str,
    pub(crate) config: BTreeMap<String, String>,
    /// Beginnings of the keys that are varied; none stands for every key.
    pub(crate) varied: Vec<String>,
}

impl Base {
    fn new(name: &str, plugin: &'static str, more: &[(&str, &str)]) -> Self {
        let mut config = BTreeMap::new();
        let own = own_settings(plugin);
        for (name, value) in own.iter().chain(more) {
            config.insert((*name).to_owned(), (*value).to_owned());
        }
        Self {
            name: name.to_owned(),
            plugin,
            config,
            varied: Vec::new(),
        }
    }

    fn varying(mut self, prefix: &str) -> Self {
        self.varied.push(prefix.to_owned());
        self
    }

    pub(crate) fn request(&self) -> Request {
        Request::new(self, BTreeMap::new(), Vec::new())
    }
}

fn own_settings(plugin: &'static str) -> Vec<(&'static str, &'static str)> {
    let source = |port| {
        vec![
            ("database.hostname", "127.0.0.1"),
            ("database.port", port),
            ("database.user", "debezium"),
            ("database.password", "dbz"),
            ("database.server.id", "5"),
            ("topic.prefix", "srv"),
            ("schema.history.internal.kafka.topic", "history"),
            (
                "schema.history.internal.kafka.bootstrap.servers",
                "127.0.0.1:1",
            ),
        ]
    };
    let mut settings = match plugin {
        MARIADB => source(MARIADB_PORT),
        MYSQL => source(MYSQL_PORT),
        JDBC => vec![
            ("topics", "t"),
            ("connection.url", "jdbc:postgresql://127.0.0.1:1/d"),
            ("connection.username", "u"),
            ("connection.password", "p"),
        ],
        FILE_SOURCE => vec![("topic", "t"), ("file", "/tmp/in.txt")],
        _ => vec![("topics", "t"), ("file", "/tmp/out.txt")],
    };
    settings.extend([("name", "c"), ("connector.class", plugin)]);
    settings
}

const TRANSFORMS: &str = "org.apache.kafka.connect.transforms";
/// Transformations by class, and what they need.
const TRANSFORMATIONS: [(&str, &[(&str, &str)]); 21] = [
    ("Cast$Key", &[("spec", "int32")]),
    ("Cast$Value", &[("spec", "a:int32")]),
    ("ExtractField$Key", &[("field", "a")]),
    ("ExtractField$Value", &[("field", "a")]),
    ("Filter", &[]),
    ("HoistField$Value", &[("field", "a")]),
    (
        "InsertField$Key",
        &[("static.field", "a"), ("static.value", "b")],
    ),
    (
        "InsertField$Value",
        &[("static.field", "a"), ("static.value", "b")],
    ),
    ("MaskField$Key", &[("fields", "a")]),
    ("MaskField$Value", &[("fields", "a")]),
    ("RegexRouter", &[("regex", "a"), ("replacement", "b")]),
    ("ReplaceField$Key", &[("exclude", "a")]),
    ("ReplaceField$Value", &[("exclude", "a")]),
    ("TimestampConverter$Key", &[("target.type", "unix")]),
    ("TimestampConverter$Value", &[("target.type", "unix")]),
    ("TimestampRouter", &[]),
    ("ValueToKey", &[("fields", "a")]),
    ("ReplaceField", &[]),
    ("Flatten$Value", &[]),
    ("io.debezium.transforms.ExtractNewRecordState", &[]),
    (
        "io.debezium.transforms.ByLogicalTableRouter",
        &[("topic.regex", "(.*)"), ("topic.replacement", "$1")],
    ),
];
const PREDICATES: [(&str, &[(&str, &str)]); 3] = [
    ("HasHeaderKey", &[("name", "a")]),
    ("RecordIsTombstone", &[]),
    ("TopicNameMatches", &[("pattern", "a")]),
];
const CONVERTERS: [&str; 9] = [
    "org.apache.kafka.connect.json.JsonConverter",
    "org.apache.kafka.connect.storage.StringConverter",
    "org.apache.kafka.connect.storage.SimpleHeaderConverter",
    "org.apache.kafka.connect.converters.ByteArrayConverter",
    "org.apache.kafka.connect.converters.BooleanConverter",
    "org.apache.kafka.connect.converters.DoubleConverter",
    "org.apache.kafka.connect.converters.IntegerConverter",
    "org.apache.kafka.connect.converters.LongConverter",
    "org.apache.kafka.connect.converters.ShortConverter",
];

fn simple(class: &str) -> String {
    class
        .rsplit('.')
        .next()
        .unwrap_or_default()
        .replace('$', "-")
}

fn plugin_base(kind: &str, package: &str, class: &str, settings: &[(&str, &str)]) -> Base {
    let full = if class.contains('.') {
        class.to_owned()
    } else {
        format!("{package}.{class}")
    };
    let names: Vec<(String, &str)> = settings
        .iter()
        .map(|(name, value)| (format!("{kind}.a.{name}"), *value))
        .collect();
    let kind_of = format!("{kind}.a.type");
    let mut more = vec![(kind, "a"), (kind_of.as_str(), full.as_str())];
    more.extend(names.iter().map(|(name, value)| (name.as_str(), *value)));
    let name = format!("{kind}-{}", simple(class));
    Base::new(&name, FILE_SOURCE, &more).varying(&format!("{kind}.a."))
}

fn converter_base(role: &str, class: &str) -> Base {
    let name = format!("{role}-{}", simple(class));
    Base::new(&name, FILE_SOURCE, &[(role, class)]).varying(&format!("{role}."))
}

/// The settings of one kind of client, each at its default.
fn client_base(client: &str, plugin: &'static str, also: &[(&str, &str)]) -> Result<Base> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../runtime/worker/src/overrides/clients.tsv"
    );
    let text = fs::read_to_string(path).context(path)?;
    let prefix = format!("{client}.override.");
    let mut base = Base::new(&format!("{client}-overrides"), plugin, also).varying(&prefix);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [kind, name, _, default, ..] = columns[..] else {
            anyhow::bail!("clients.tsv: {line}");
        };
        let default = match (default, name) {
            ("!", "bootstrap.servers") => "127.0.0.1:1",
            ("!", _) => "org.apache.kafka.common.serialization.ByteArraySerializer",
            ("\\N", _) => continue,
            (default, _) => default,
        };
        if kind == client {
            base.config
                .insert(format!("{prefix}{name}"), default.to_owned());
        }
    }
    Ok(base)
}

/// All bases, in the order of their recordings.
pub(crate) fn all() -> Result<Vec<Base>> {
    let mut bases = vec![
        Base::new("mariadb", MARIADB, &[]),
        Base::new("mysql", MYSQL, &[]),
        Base::new("jdbc", JDBC, &[]),
        Base::new("file-source", FILE_SOURCE, &[]),
        Base::new("file-sink", FILE_SINK, &[]),
        Base::new(
            "topic-creation",
            FILE_SOURCE,
            &[
                ("topic.creation.groups", "g"),
                ("topic.creation.default.partitions", "1"),
                ("topic.creation.default.replication.factor", "1"),
                ("topic.creation.g.include", "a"),
            ],
        )
        .varying("topic.creation."),
        client_base("producer", FILE_SOURCE, &[])?,
        client_base("consumer", FILE_SINK, &[])?,
        client_base(
            "admin",
            FILE_SINK,
            &[("errors.deadletterqueue.topic.name", "d")],
        )?,
    ];
    for (class, settings) in TRANSFORMATIONS {
        bases.push(plugin_base("transforms", TRANSFORMS, class, settings));
    }
    let package = format!("{TRANSFORMS}.predicates");
    for (class, settings) in PREDICATES {
        bases.push(plugin_base("predicates", &package, class, settings));
    }
    for class in CONVERTERS {
        for role in ["key.converter", "value.converter", "header.converter"] {
            bases.push(converter_base(role, class));
        }
    }
    Ok(bases)
}

/// A worker, and the databases that configurations name.
pub(crate) struct Servers {
    rest: Rest,
    ports: [(&'static str, String); 2],
}

impl Servers {
    pub(crate) fn new(url: &str, mariadb: u16, mysql: u16) -> Self {
        Self {
            rest: Rest::new(url),
            ports: [
                (MARIADB_PORT, mariadb.to_string()),
                (MYSQL_PORT, mysql.to_string()),
            ],
        }
    }

    /// What the worker says of a configuration.
    pub(crate) async fn ask(&self, request: &Request) -> Result<Answer> {
        let mut config = request.config.clone();
        for (token, port) in &self.ports {
            for value in config.values_mut() {
                if value == token {
                    *value = json!(port);
                }
            }
        }
        let path = format!("/connector-plugins/{}/config/validate", request.plugin);
        let body = json!(config);
        let answer = self.rest.request(Method::PUT, &path, Some(&body)).await;
        let mut answer = answer.with_context(|| request.to_string())?;
        if config != request.config {
            let mut body = answer.body.to_string();
            for (token, port) in &self.ports {
                body = body.replace(port.as_str(), token);
            }
            answer.body = serde_json::from_str(&body)?;
        }
        Ok(Answer::new(answer.status, answer.body))
    }
}
