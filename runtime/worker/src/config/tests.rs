use super::*;

#[test]
fn internal_topics_are_three() {
    let error = |settings: &[(&'static str, &'static str)]| {
        let props = settings.iter().copied().collect();
        WorkerConfig::new(props, Mode::Distributed)
            .map_err(|error| error.text().to_owned())
            .err()
    };
    assert_eq!(error(&[]), None);
    let storage = [
        "config.storage.topic",
        "offset.storage.topic",
        "status.storage.topic",
    ];
    assert_eq!(
        error(&storage.map(|name| (name, "t"))).as_deref(),
        Some(
            "Invalid value t for configuration offset.storage.topic: config.storage.topic has the same topic; give each its own"
        )
    );
    let status = error(&[("status.storage.topic", "connect-configs")]).expect("refused");
    assert!(
        status.contains("status.storage.topic: config.storage.topic has"),
        "{status}"
    );
    let props = storage.map(|name| (name, "t")).into_iter().collect();
    assert!(WorkerConfig::new(props, Mode::Standalone).is_ok());
}

#[test]
fn the_embedded_log_needs_no_settings() {
    let config = WorkerConfig::new(Props::new(), Mode::Distributed).expect("defaults");
    assert_eq!(config.listeners, ["0.0.0.0:8083"]);
    assert_eq!(config.offset_topic.partitions, 1);
}

#[test]
fn errors_have_connects_texts() {
    fn check(props: &[(&str, &str)], text: &str) {
        let error =
            WorkerConfig::new(props.iter().copied().collect(), Mode::Distributed).expect_err(text);
        assert_eq!(error.text(), text);
    }
    check(
        &[("bootstrap.servers", "b:1")],
        "Missing required configuration \"key.converter\" which has no default value.",
    );
    check(
        &[("offset.flush.interval.ms", "x")],
        "Invalid value x for configuration offset.flush.interval.ms: Not a number of type LONG",
    );
    check(
        &[("exactly.once.source.support", "enabled")],
        "Invalid value enabled for configuration exactly.once.source.support: this version supports 'disabled' only",
    );
    check(
        &[("listeners", "https://:8443")],
        "Invalid value https://:8443 for configuration listeners: only http listeners are supported by this version",
    );
}

/// The keys of the file that Kafka's distribution has.
const STOCK: &str = include_str!("../../testdata/worker/stock.properties");
/// What grows out of it over the years.
const GROWN: &str = include_str!("../../testdata/worker/grown.properties");

fn parsed(text: &str) -> WorkerConfig {
    let props = crate::properties::parse(text).unwrap();
    WorkerConfig::new(props, Mode::Distributed).expect("a file that users have")
}

#[test]
fn files_that_users_have_are_taken_as_they_are() {
    let stock = parsed(STOCK);
    assert_eq!(stock.listeners, ["0.0.0.0:8083"]);
    assert_eq!(stock.unknown_keys(), [""; 0]);
    let grown = parsed(GROWN);
    assert_eq!(grown.unknown_keys(), ["my.company.setting"]);
    assert_eq!(grown.listeners, ["0.0.0.0:8083", "[::1]:8084"]);
    assert_eq!(grown.advertised_host.as_deref(), Some("connect-1.example"));
    assert_eq!(grown.group_id, "connect-prod");
    let servers = "b1.example:9093,b2.example:9093, b3.example:9093";
    assert_eq!(grown.props.raw("bootstrap.servers"), Some(servers));
    let jaas = grown.props.raw("sasl.jaas.config").expect("it is there");
    assert!(jaas.ends_with("username=\"u\" password=\"s3cret\";"));
    assert_eq!(grown.offset_topic.partitions, 25);
    assert!(
        !format!("{grown:?}").contains("s3cret"),
        "secrets are printed"
    );
}

#[test]
fn what_is_not_here_is_refused_by_name() {
    fn check(line: &str) {
        let props = crate::properties::parse(&format!("{STOCK}{line}\n")).unwrap();
        let error = WorkerConfig::new(props, Mode::Distributed).expect_err(line);
        let name = line.split('=').next().unwrap();
        assert!(error.text().contains(name), "{}", error.text());
    }
    check(
        "rest.extension.classes=org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension",
    );
    check("listeners=https://:8443");
    check("exactly.once.source.support=enabled");
    check("metric.reporters=com.example.Reporter");
    check("rest.advertised.listener=https");
    check("connector.client.config.override.policy=com.example.Policy");
    check("response.http.headers.config=setDate Expires: 1");
    check("offset.flush.interval.ms=soon");
}
