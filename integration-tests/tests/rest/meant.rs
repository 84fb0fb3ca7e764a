//! Differences between the original's REST answers and ours that are meant. `DIFFERENCES.md` gives the reasons.

use tidegate_integration_tests::{Difference, Exchange, Meant};

const CONTAINER: &str = "Errors of the container are JSON";
const BODIES: &str = "Bad bodies are bad requests";
const SLASHES: &str = "A slash in a name may be encoded";
const SECRETS: &str = "Configurations are not repeated in errors";
const PLUGINS: &str = "Plugins are those of this worker";
const ALIASES: &str = "Inner classes have aliases";
const NULLS: &str = "Null is an error for every property";
const NAMES: &str = "Errors name the whole property";
const ONCE: &str = "A mistake is reported once";
const PATTERNS: &str = "Patterns have their own error texts";
const SETS: &str = "Values that are allowed come in order";
const CLASSES: &str = "Unknown classes are bad requests";
const OVERRIDES: &str = "An override has one entry";
const VERSIONS: &str = "Versions that are not here are described like any mistake";
const MOMENTS: &str = "States pass at other moments";
const CAUSES: &str = "Failures name their cause";
const CHARSETS: &str = "Converters' settings are checked";
const IDENTITY: &str = "The worker's identity is its own";
const LOGGERS: &str = "Loggers are those of this worker";

const fn meant(request: &'static str, at: &'static str, because: &'static str) -> Meant {
    Meant {
        request,
        at,
        because,
    }
}

pub(crate) static MEANT: [Meant; 68] = [
    meant("GET / ", "/commit", IDENTITY),
    meant("GET / ", "/kafka_cluster_id", IDENTITY),
    meant("GET /admin/loggers ", "", LOGGERS),
    meant("GET /admin/loggers/root ", "/level", LOGGERS),
    meant(r#"{"name":"snk a/b""#, "header location", SLASHES),
    meant("/snk%20a%2Fb/", "", SLASHES),
    meant("GET /connector-plugins ", "", PLUGINS),
    meant("GET /connector-plugins?connectorsOnly=", "", PLUGINS),
    meant(
        "/config/validate",
        "/configs/transforms.a.type/value/recommended_values",
        PLUGINS,
    ),
    meant(
        "/config/validate",
        "/configs/transforms.b.type/value/recommended_values",
        PLUGINS,
    ),
    meant(
        "/config/validate",
        "/configs/transforms.c.type/value/recommended_values",
        PLUGINS,
    ),
    meant("/Cast$Value/config", "", ALIASES),
    meant("-d {bad ", "", BODIES),
    meant(
        "POST /connectors -H Content-Type:application/json ",
        "",
        BODIES,
    ),
    meant(r#"-d {"name":"x"} "#, "", BODIES),
    meant(r#"{"a":{}}"#, "", BODIES),
    meant(r#"{"a":"b"}"#, "", SECRETS),
    meant(r#""foo":1"#, "", BODIES),
    meant("WEIRD", "", BODIES),
    meant("-d null ", "", BODIES),
    meant("-d [] ", "", BODIES),
    meant("-d [1] ", "", BODIES),
    meant(r#""config":null"#, "", BODIES),
    meant(r#""topic":"t",}"#, "", BODIES),
    meant(r#""file":["a"]"#, "", BODIES),
    meant(
        "/trimmed/config -H Content-Type:application/json ",
        "",
        BODIES,
    ),
    meant("/src/offsets -H Content-Type:application/json ", "", BODIES),
    meant(
        "/config/validate -H Content-Type:application/json ",
        "",
        BODIES,
    ),
    meant(
        "/trimmed/config -H Content-Type:application/json -d {} ",
        "/message",
        SECRETS,
    ),
    meant(r#""connector.class":null"#, "/message", SECRETS),
    meant(
        r#"/FileStreamSink/config/validate -H Content-Type:application/json -d {"a":"b"}"#,
        "",
        SECRETS,
    ),
    meant(r#"{"connector.class":"Nope"}"#, "", CLASSES),
    meant(r#""tasks.max":null"#, "/message", NULLS),
    meant(r#""topic":null,"errors.tolerance""#, "/message", NULLS),
    meant(
        r#""topic":null,"errors.tolerance""#,
        "/configs/topic",
        NULLS,
    ),
    meant(
        "/config/validate",
        "/configs/transforms.b.regex/value/errors",
        NAMES,
    ),
    meant(
        "/config/validate",
        "/configs/predicates.p.pattern/value/errors",
        ONCE,
    ),
    meant(
        "/config/validate",
        "/configs/key.converter.schemas.enable/value/errors",
        NAMES,
    ),
    meant(
        "/config/validate",
        "/configs/consumer.override.group.id",
        OVERRIDES,
    ),
    meant(r#""tasks.max":"x""#, "/message", ONCE),
    meant(r#""tasks.max":"1.5""#, "/error_count", ONCE),
    meant(
        r#""tasks.max":"1.5""#,
        "/configs/tasks.max/value/errors",
        ONCE,
    ),
    meant(
        "/config/validate",
        "/configs/transaction.boundary/value/errors",
        SETS,
    ),
    meant(r#""exactly.once.support":"required""#, "/error_count", ONCE),
    meant(
        r#""exactly.once.support":"required""#,
        "/configs/exactly.once.support/value/errors",
        ONCE,
    ),
    meant(
        "/config/validate",
        "/configs/transforms.a.spec/value/errors",
        PATTERNS,
    ),
    meant(r#""topics.regex":"a(""#, "", PATTERNS),
    meant(r#""connector.plugin.version":"9.9.9""#, "", VERSIONS),
    meant(r#""header.converter":"nope""#, "/error_count", CHARSETS),
    meant(
        r#""header.converter":"nope""#,
        "/configs/value.converter.converter.encoding",
        CHARSETS,
    ),
    meant("GET /connectors/src/status", "/tasks/0/state", MOMENTS),
    meant("GET /connectors/bad/status", "/connector/version", MOMENTS),
    meant(r#"{"kafka_topic":"nope""#, "/message", CAUSES),
    meant("/failing/tasks/-1/restart", "/message", CONTAINER),
    meant("GET /nope ", "header", CONTAINER),
    meant("GET /nope -H", "header", CONTAINER),
    meant("/src/nope", "header", CONTAINER),
    meant("DELETE /connectors ", "header", CONTAINER),
    meant("PUT /connectors/src ", "header", CONTAINER),
    meant(" -d x=1", "header", CONTAINER),
    meant(" -d topic=t", "header", CONTAINER),
    meant("Content-Type:text/plain", "header", CONTAINER),
    meant("Accept:", "header", CONTAINER),
    meant("Accept: ", "header", CONTAINER),
    meant("/trimmed/", "header", CONTAINER),
    meant("/failing/tasks/0", "header", CONTAINER),
    meant("OPTIONS /nope", "header", CONTAINER),
    meant(
        "GET /connector-plugins/FileStreamSource ",
        "header",
        CONTAINER,
    ),
];

/// What is left of the differences once those that are meant are taken out; `used` learns which reasons applied.
pub(crate) fn unexpected(
    exchange: &Exchange,
    found: Vec<Difference>,
    used: &mut std::collections::BTreeSet<usize>,
) -> Vec<Difference> {
    let mut left = Vec::new();
    for difference in found {
        let covering = MEANT
            .iter()
            .enumerate()
            .filter(|(_, meant)| meant.covers(exchange, &difference));
        let covering: Vec<usize> = covering.map(|(index, _)| index).collect();
        if covering.is_empty() {
            left.push(difference);
        }
        used.extend(covering);
    }
    left
}
