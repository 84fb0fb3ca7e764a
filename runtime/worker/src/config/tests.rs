use super::*;

fn worker(extra: &[(&str, &str)]) -> Props {
    let mut props = Props::from([
        ("bootstrap.servers", "kafka:9092"),
        ("group.id", "g"),
        ("key.converter", "JsonConverter"),
        ("value.converter", "JsonConverter"),
        ("config.storage.topic", "c"),
        ("offset.storage.topic", "o"),
        ("status.storage.topic", "s"),
    ]);
    for (name, value) in extra {
        props.set(*name, *value);
    }
    props
}

#[track_caller]
fn check_refused(extra: &[(&str, &str)], expected: &str) {
    let error = WorkerConfig::distributed(&worker(extra)).expect_err("refused");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn defaults_are_the_originals() {
    let config = WorkerConfig::distributed(&worker(&[])).unwrap();
    assert!(!config.is_embedded());
    assert_eq!(config.millis(&keys::OFFSET_FLUSH_INTERVAL_MS), Duration::from_secs(60));
    assert_eq!(config.millis(&keys::TASK_SHUTDOWN_GRACEFUL_TIMEOUT_MS), Duration::from_secs(5));
    assert_eq!(config.listeners, [Listener { host: String::new(), port: 8083 }]);
    let topics = [&config.config_topic, &config.offset_topic, &config.status_topic];
    assert_eq!(topics.map(|topic| topic.partitions), [Some(1), Some(25), Some(5)]);
    assert_eq!(topics.map(|topic| topic.replication_factor), [Some(3); 3]);
    assert_eq!(config.override_policy, OverridePolicy::All);
    assert_eq!(config.store_client("configs").get("client.id"), Some("g-configs"));
}

#[test]
fn missing_and_wrong_properties_have_connects_texts() {
    let mut props = worker(&[]);
    props.remove("group.id");
    assert_eq!(
        WorkerConfig::distributed(&props).unwrap_err().to_string(),
        "Missing required configuration \"group.id\" which has no default value."
    );
    check_refused(
        &[("offset.flush.interval.ms", "soon")],
        "Invalid value soon for configuration offset.flush.interval.ms: Not a number of type LONG",
    );
    check_refused(
        &[("offset.storage.partitions", "0")],
        "Invalid value 0 for configuration offset.storage.partitions: Number of partitions must be positive, or -1 to \
         use the broker's default",
    );
    check_refused(
        &[("listeners", "nowhere")],
        "Listener doesn't have the right format or defined protocol: nowhere",
    );
    check_refused(&[("config.storage.topic", " ")], "Must specify topic for connector configuration.");
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    check_refused(
        &[("exactly.once.source.support", "enabled")],
        "exactly.once.source.support=enabled is not supported; remove the property",
    );
    check_refused(
        &[("rest.extension.classes", "a.B")],
        "rest.extension.classes=a.B is not supported; remove the property",
    );
    check_refused(
        &[("listeners", "http://:1,https://h:8443")],
        "listeners=https://h:8443: https listeners are not supported; use http behind a proxy that terminates TLS",
    );
}

#[test]
fn storage_topics_take_their_settings_from_the_keys_beside_them() {
    let config = WorkerConfig::distributed(&worker(&[
        ("config.storage.min.insync.replicas", "2"),
        ("config.storage.cleanup.policy", "delete"),
        ("config.storage.partitions", "7"),
        ("status.storage.partitions", "-1"),
        ("status.storage.replication.factor", "-1"),
    ]))
    .unwrap();
    assert_eq!(config.config_topic.partitions, Some(1));
    let settings: Vec<_> = config.config_topic.settings.iter().collect();
    assert_eq!(settings, [(&"min.insync.replicas".to_owned(), &"2".to_owned())]);
    assert_eq!(config.status_topic.partitions, None);
    assert_eq!(config.status_topic.replication_factor, None);
}

#[test]
fn the_embedded_log_needs_no_names() {
    let props = Props::from([("key.converter", "J"), ("value.converter", "J"), ("group.id", "mine")]);
    let config = WorkerConfig::distributed(&props).unwrap();
    assert!(config.is_embedded());
    assert_eq!(config.embedded_data_dir(), PathBuf::from("./tidegate-data"));
    assert_eq!(config.group_id, "mine");
    assert_eq!(config.config_topic.name, "connect-configs");
    assert_eq!(config.offset_topic.name, "connect-offsets");
    assert_eq!(config.status_topic.name, "connect-status");
}

#[test]
fn standalone_on_kafka_needs_its_offset_file() {
    let error = WorkerConfig::standalone(&worker(&[])).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Missing required configuration \"offset.storage.file.filename\" which has no default value."
    );
    WorkerConfig::standalone(&worker(&[("offset.storage.file.filename", "/x")])).unwrap();
}

#[test]
fn early_rest_properties_are_listeners() {
    let config = WorkerConfig::distributed(&worker(&[("rest.port", "9000")])).unwrap();
    assert_eq!(config.listeners, [Listener { host: String::new(), port: 9000 }]);
}

#[test]
fn the_advertised_address_is_the_listeners_unless_told() {
    let check = |extra: &[(&str, &str)], expected: &str| {
        let config = WorkerConfig::distributed(&worker(extra)).unwrap();
        let listener = &config.listeners[0];
        assert_eq!(advertised(&config.props, listener, listener.port).unwrap(), expected);
    };
    check(&[("listeners", "http://127.0.0.1:8090")], "127.0.0.1:8090");
    check(&[("listeners", "HTTP://[::1]:8090")], "[::1]:8090");
    check(
        &[("rest.advertised.host.name", "me"), ("rest.advertised.port", "1")],
        "me:1",
    );
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    let config = WorkerConfig::distributed(&worker(&[("sasl.jaas.config", "s3cr3t")])).unwrap();
    assert!(!format!("{config:?}").contains("s3cr3t"));
}

#[test]
fn override_policies_allow_what_they_say() {
    let policy = |name: &str| {
        let props = worker(&[
            ("connector.client.config.override.policy", name),
            ("connector.client.config.override.allowlist", "acks, linger.ms"),
        ]);
        WorkerConfig::distributed(&props).map(|config| config.override_policy)
    };
    let allowed = |name: &str| {
        let policy = policy(name).unwrap();
        ["acks", "sasl.mechanism"].map(|setting| policy.allows(setting))
    };
    assert_eq!(allowed("All"), [true, true]);
    assert_eq!(allowed("None"), [false, false]);
    assert_eq!(
        allowed("org.apache.kafka.connect.connector.policy.PrincipalConnectorClientConfigOverridePolicy"),
        [false, true]
    );
    assert_eq!(allowed("Allowlist"), [true, false]);
    assert!(policy("com.example.Mine").is_err());
}
