//! The table of settings.

use super::Kind;

/// What becomes of a value: `None` leaves librdkafka's default.
type Convert = fn(&str) -> Result<Option<String>, String>;

pub(crate) struct Setting {
    pub(crate) java: &'static str,
    pub(crate) native: &'static [&'static str],
    kinds: &'static [Kind],
    pub(crate) convert: Convert,
}

/// What to do with a setting.
pub(crate) enum Place {
    To(&'static Setting),
    /// Read elsewhere in this crate, or belongs to another kind of client.
    Elsewhere,
    /// Following it is not possible, ignoring it would be wrong.
    Refused(&'static str),
    /// Java's, without a meaning here.
    NoCounterpart,
    Unknown,
}

const ALL: &[Kind] = &[Kind::Admin, Kind::Producer, Kind::Consumer, Kind::Reader];
const PRODUCER: &[Kind] = &[Kind::Producer];
const MEMBER: &[Kind] = &[Kind::Consumer];
const FETCHING: &[Kind] = &[Kind::Consumer, Kind::Reader];
const NOT_PRODUCER: &[Kind] = &[Kind::Admin, Kind::Consumer, Kind::Reader];

const fn to(
    java: &'static str,
    native: &'static [&'static str],
    kinds: &'static [Kind],
    convert: Convert,
) -> Setting {
    Setting {
        java,
        native,
        kinds,
        convert,
    }
}

#[rustfmt::skip]
static SETTINGS: &[Setting] = &[
    to("bootstrap.servers", &["bootstrap.servers"], ALL, list),
    to("client.id", &["client.id"], ALL, text),
    to("client.rack", &["client.rack"], ALL, text),
    to("client.dns.lookup", &["client.dns.lookup"], ALL, text),
    to("metadata.max.age.ms", &["topic.metadata.refresh.interval.ms"], ALL, |v| within(v, 1, 3_600_000)),
    to("metadata.recovery.strategy", &["metadata.recovery.strategy"], ALL, lower),
    to("metadata.recovery.rebootstrap.trigger.ms", &["metadata.recovery.rebootstrap.trigger.ms"], ALL, |v| within(v, 0, INT)),
    to("reconnect.backoff.ms", &["reconnect.backoff.ms"], ALL, |v| within(v, 0, 3_600_000)),
    to("reconnect.backoff.max.ms", &["reconnect.backoff.max.ms"], ALL, |v| within(v, 0, 3_600_000)),
    to("retry.backoff.ms", &["retry.backoff.ms"], ALL, |v| within(v, 1, 300_000)),
    to("retry.backoff.max.ms", &["retry.backoff.max.ms"], ALL, |v| within(v, 1, 300_000)),
    to("connections.max.idle.ms", &["connections.max.idle.ms"], ALL, |v| within(v, 0, INT)),
    to("socket.connection.setup.timeout.ms", &["socket.connection.setup.timeout.ms"], ALL, |v| within(v, 1000, INT)),
    to("send.buffer.bytes", &["socket.send.buffer.bytes"], ALL, |v| within(v, 0, 100_000_000)),
    to("receive.buffer.bytes", &["socket.receive.buffer.bytes"], ALL, |v| within(v, 0, 100_000_000)),
    to("request.timeout.ms", &["socket.timeout.ms"], NOT_PRODUCER, |v| within(v, 10, 300_000)),
    to("request.timeout.ms", &["socket.timeout.ms", "request.timeout.ms"], PRODUCER, |v| within(v, 10, 300_000)),
    to("enable.metrics.push", &["enable.metrics.push"], ALL, boolean),

    to("security.protocol", &["security.protocol"], ALL, lower),
    to("sasl.mechanism", &["sasl.mechanisms"], ALL, text),
    to("ssl.endpoint.identification.algorithm", &["ssl.endpoint.identification.algorithm"], ALL, |v| {
        Ok(Some(if v.trim().is_empty() { "none".to_owned() } else { v.trim().to_ascii_lowercase() }))
    }),
    to("ssl.cipher.suites", &["ssl.cipher.suites"], ALL, |v| Ok((!v.is_empty()).then(|| v.replace(',', ":")))),
    to("ssl.key.password", &["ssl.key.password"], ALL, text),

    to("acks", &["acks"], PRODUCER, |v| Ok(Some(if v.trim() == "-1" { "all".to_owned() } else { v.trim().to_owned() }))),
    to("batch.size", &["batch.size"], PRODUCER, |v| within(v, 1, INT)),
    to("linger.ms", &["linger.ms"], PRODUCER, |v| within(v, 0, 900_000)),
    to("compression.type", &["compression.type"], PRODUCER, lower),
    to("compression.gzip.level", &["compression.level"], PRODUCER, |v| within(v, -1, 12)),
    to("compression.lz4.level", &["compression.level"], PRODUCER, |v| within(v, -1, 12)),
    to("compression.zstd.level", &["compression.level"], PRODUCER, |v| within(v, -1, 12)),
    to("buffer.memory", &["queue.buffering.max.kbytes"], PRODUCER, kibibytes),
    to("max.request.size", &["message.max.bytes"], PRODUCER, |v| within(v, 1000, 1_000_000_000)),
    to("delivery.timeout.ms", &["message.timeout.ms"], PRODUCER, |v| within(v, 1, INT)),
    to("retries", &["retries"], PRODUCER, |v| within(v, 0, INT)),

    to("group.id", &["group.id"], MEMBER, text),
    to("group.instance.id", &["group.instance.id"], MEMBER, text),
    to("group.protocol", &["group.protocol"], MEMBER, lower),
    to("group.remote.assignor", &["group.remote.assignor"], MEMBER, text),
    to("session.timeout.ms", &["session.timeout.ms"], MEMBER, |v| within(v, 1, 3_600_000)),
    to("heartbeat.interval.ms", &["heartbeat.interval.ms"], MEMBER, |v| within(v, 1, 3_600_000)),
    to("max.poll.interval.ms", &["max.poll.interval.ms"], MEMBER, |v| within(v, 1, 86_400_000)),
    to("partition.assignment.strategy", &["partition.assignment.strategy"], MEMBER, assignors),
    to("allow.auto.create.topics", &["allow.auto.create.topics"], MEMBER, boolean),
    to("auto.offset.reset", &["auto.offset.reset"], MEMBER, offset_reset),
    to("isolation.level", &["isolation.level"], FETCHING, lower),
    to("fetch.min.bytes", &["fetch.min.bytes"], FETCHING, |v| within(v, 1, 100_000_000)),
    // librdkafka wants room for one message of any size.
    to("fetch.max.bytes", &["fetch.max.bytes"], FETCHING, |v| within(v, 1_048_576, 2_147_483_135)),
    to("fetch.max.wait.ms", &["fetch.wait.max.ms"], FETCHING, |v| within(v, 0, 300_000)),
    to("max.partition.fetch.bytes", &["max.partition.fetch.bytes"], FETCHING, |v| within(v, 1, 1_000_000_000)),
    to("check.crcs", &["check.crcs"], FETCHING, boolean),

    // librdkafka's own, for those who know them.
    to("debug", &["debug"], ALL, text),
    to("broker.address.family", &["broker.address.family"], ALL, text),
    to("enable.ssl.certificate.verification", &["enable.ssl.certificate.verification"], ALL, boolean),
    to("socket.keepalive.enable", &["socket.keepalive.enable"], ALL, boolean),
];

/// Read by other code, or without consequences for what a client does.
static ELSEWHERE: &[&str] = &[
    "default.api.timeout.ms",
    "enable.auto.commit",
    "enable.idempotence",
    "exclude.internal.topics",
    "key.deserializer",
    "key.serializer",
    "max.block.ms",
    "max.in.flight.requests.per.connection",
    "max.poll.records",
    "sasl.jaas.config",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
    "value.deserializer",
    "value.serializer",
];

const PLUGIN: &str = "Java classes cannot be loaded here";

static REFUSED: &[(&str, &str)] = &[
    ("partitioner.class", PLUGIN),
    ("sasl.client.callback.handler.class", PLUGIN),
    ("sasl.login.callback.handler.class", PLUGIN),
    ("ssl.engine.factory.class", PLUGIN),
    ("transactional.id", "transactions are not supported"),
];

static NO_COUNTERPART: &[&str] = &[
    "auto.include.jmx.reporter",
    "interceptor.classes",
    "metric.reporters",
    "metrics.num.samples",
    "metrics.recording.level",
    "metrics.sample.window.ms",
    "partitioner.adaptive.partitioning.enable",
    "partitioner.availability.timeout.ms",
    "partitioner.ignore.keys",
    "sasl.kerberos.kinit.cmd",
    "sasl.kerberos.min.time.before.relogin",
    "sasl.kerberos.service.name",
    "sasl.kerberos.ticket.renew.jitter",
    "sasl.kerberos.ticket.renew.window.factor",
    "sasl.login.class",
    "sasl.login.connect.timeout.ms",
    "sasl.login.read.timeout.ms",
    "sasl.login.refresh.buffer.seconds",
    "sasl.login.refresh.min.period.seconds",
    "sasl.login.refresh.window.factor",
    "sasl.login.refresh.window.jitter",
    "sasl.login.retry.backoff.max.ms",
    "sasl.login.retry.backoff.ms",
    "security.providers",
    "socket.connection.setup.timeout.max.ms",
    "ssl.enabled.protocols",
    "ssl.keymanager.algorithm",
    "ssl.protocol",
    "ssl.provider",
    "ssl.secure.random.implementation",
    "ssl.trustmanager.algorithm",
    "transaction.timeout.ms",
];

pub(crate) fn place(java: &str, kind: Kind) -> Place {
    let mut known = false;
    for setting in SETTINGS.iter().filter(|setting| setting.java == java) {
        if setting.kinds.contains(&kind) {
            return Place::To(setting);
        }
        known = true;
    }
    if known || ELSEWHERE.contains(&java) {
        return Place::Elsewhere;
    }
    if let Some((_, reason)) = REFUSED.iter().find(|(name, _)| *name == java) {
        return Place::Refused(reason);
    }
    if NO_COUNTERPART.contains(&java) {
        return Place::NoCounterpart;
    }
    Place::Unknown
}

/// Java's largest `int`.
const INT: i64 = 2_147_483_647;

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands in the table with those that fail"
)]
fn text(value: &str) -> Result<Option<String>, String> {
    Ok((!value.trim().is_empty()).then(|| value.trim().to_owned()))
}

fn lower(value: &str) -> Result<Option<String>, String> {
    Ok(text(value)?.map(|value| value.to_ascii_lowercase()))
}

fn boolean(value: &str) -> Result<Option<String>, String> {
    match lower(value)?.as_deref() {
        Some(value @ ("true" | "false")) => Ok(Some(value.to_owned())),
        _ => Err(format!("'{value}' is neither true nor false")),
    }
}

fn list(value: &str) -> Result<Option<String>, String> {
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    text(&parts.join(","))
}

fn number(value: &str) -> Result<i64, String> {
    value
        .trim()
        .parse()
        .map_err(|_| format!("'{value}' is no whole number"))
}

/// A number, moved into librdkafka's range: its bounds are tighter than Java's where neither makes a difference in use.
fn within(value: &str, least: i64, most: i64) -> Result<Option<String>, String> {
    Ok(Some(number(value)?.clamp(least, most).to_string()))
}

fn kibibytes(value: &str) -> Result<Option<String>, String> {
    Ok(Some((number(value)? / 1024).clamp(1, INT).to_string()))
}

fn offset_reset(value: &str) -> Result<Option<String>, String> {
    match lower(value)?.as_deref() {
        None => Ok(None),
        Some("none") => Ok(Some("error".to_owned())),
        Some(value @ ("earliest" | "latest")) => Ok(Some(value.to_owned())),
        Some(_) => Err(format!("'{value}' is none of earliest, latest, none")),
    }
}

/// Members that offer range and another one, as Java's do by default, settle on range.
fn assignors(value: &str) -> Result<Option<String>, String> {
    let mut names = Vec::new();
    for class in value
        .split(',')
        .map(str::trim)
        .filter(|class| !class.is_empty())
    {
        let simple = class.rsplit('.').next().unwrap_or(class);
        names.push(match simple {
            "RangeAssignor" | "range" => "range",
            "RoundRobinAssignor" | "roundrobin" => "roundrobin",
            "CooperativeStickyAssignor" | "cooperative-sticky" => "cooperative-sticky",
            _ => {
                return Err(format!(
                    "{simple} is not supported: RangeAssignor, RoundRobinAssignor and CooperativeStickyAssignor are"
                ));
            }
        });
    }
    // librdkafka refuses to mix the cooperative one with others.
    if names.iter().any(|name| *name != "cooperative-sticky") {
        names.retain(|name| *name != "cooperative-sticky");
    }
    text(&names.join(","))
}
