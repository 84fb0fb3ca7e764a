use super::*;

fn config(settings: &[(&str, &str)]) -> ClientConfig {
    let servers = [(BOOTSTRAP_SERVERS, "localhost:9092")];
    servers
        .iter()
        .chain(settings)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[track_caller]
fn check(kind: Kind, java: &[(&str, &str)], native: &[(&str, &str)]) {
    let translated = translate(&config(java), &ClientConfig::default(), kind).unwrap();
    for (name, value) in native {
        assert_eq!(translated.get(name), Some(*value), "{name}");
    }
    // librdkafka itself accepts every name and value.
    translated.create_native_config().unwrap();
}

#[track_caller]
fn check_refused(java: &[(&str, &str)], name: &str, part: &str) {
    let error = translate(&config(java), &ClientConfig::default(), Kind::Producer)
        .expect_err("a setting that cannot be followed")
        .to_string();
    assert!(error.contains(name) && error.contains(part), "{error}");
}

#[test]
fn defaults_are_javas_where_they_matter() {
    check(Kind::Admin, &[], &[("allow.auto.create.topics", "false")]);
    check(
        Kind::Producer,
        &[],
        &[
            ("partitioner", "murmur2_random"),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("max.in.flight.requests.per.connection", "5"),
            ("message.timeout.ms", "2147483647"),
        ],
    );
    check(
        Kind::Consumer,
        &[("group.id", "g")],
        &[
            ("isolation.level", "read_uncommitted"),
            ("auto.offset.reset", "earliest"),
            ("partition.assignment.strategy", "range"),
            ("enable.auto.commit", "false"),
        ],
    );
    check(Kind::Reader, &[], &[("enable.partition.eof", "true")]);
}

#[test]
fn names_and_values_are_translated() {
    check(
        Kind::Producer,
        &[
            ("max.request.size", "2000000"),
            ("buffer.memory", "67108864"),
            ("linger.ms", "5"),
            ("batch.size", "16384"),
            ("compression.type", "ZSTD"),
            ("compression.zstd.level", "3"),
            ("delivery.timeout.ms", "120000"),
            ("request.timeout.ms", "30000"),
            ("send.buffer.bytes", "-1"),
            ("metadata.max.age.ms", "300000"),
        ],
        &[
            ("message.max.bytes", "2000000"),
            ("queue.buffering.max.kbytes", "65536"),
            ("linger.ms", "5"),
            ("batch.size", "16384"),
            ("compression.type", "zstd"),
            ("compression.level", "3"),
            ("message.timeout.ms", "120000"),
            ("request.timeout.ms", "30000"),
            ("socket.send.buffer.bytes", "0"),
            ("topic.metadata.refresh.interval.ms", "300000"),
        ],
    );
    check(
        Kind::Consumer,
        &[
            ("group.id", "g"),
            ("fetch.max.wait.ms", "100"),
            ("auto.offset.reset", "none"),
            ("isolation.level", "READ_COMMITTED"),
            (
                "partition.assignment.strategy",
                "org.apache.kafka.clients.consumer.RangeAssignor,org.apache.kafka.clients.consumer.CooperativeStickyAssignor",
            ),
        ],
        &[
            ("fetch.wait.max.ms", "100"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("partition.assignment.strategy", "range"),
        ],
    );
}

#[test]
fn settings_of_other_clients_stay_away() {
    let java = [("session.timeout.ms", "9000"), ("linger.ms", "7")];
    let admin = translate(&config(&java), &ClientConfig::default(), Kind::Admin).unwrap();
    assert_eq!(
        (admin.get("session.timeout.ms"), admin.get("linger.ms")),
        (None, None)
    );
}

#[test]
fn order_is_kept_without_idempotence_too() {
    let one = [
        ("enable.idempotence", "false"),
        ("max.in.flight.requests.per.connection", "1"),
    ];
    check(Kind::Producer, &[("enable.idempotence", "false")], &one);
    check(Kind::Producer, &[("acks", "1")], &one);
    let many = ("max.in.flight.requests.per.connection", "20");
    check(Kind::Producer, &[("acks", "0"), many], &[many]);
    check(
        Kind::Producer,
        &[many],
        &[
            ("enable.idempotence", "true"),
            ("max.in.flight.requests.per.connection", "5"),
        ],
    );
}

#[test]
fn logins_come_out_of_jaas() {
    let jaas = |module: &str, options: &str| {
        format!("org.apache.kafka.common.security.{module} required\n {options};")
    };
    for (mechanism, text) in [
        (
            "PLAIN",
            jaas(
                "plain.PlainLoginModule",
                r#"username="us er" password="p\"w;=""#,
            ),
        ),
        (
            "SCRAM-SHA-512",
            jaas(
                "scram.ScramLoginModule",
                r#"username = 'us er' password='p"w;=' "#,
            ),
        ),
    ] {
        check(
            Kind::Producer,
            &[
                ("security.protocol", "SASL_PLAINTEXT"),
                ("sasl.mechanism", mechanism),
                ("sasl.jaas.config", &text),
            ],
            &[
                ("security.protocol", "sasl_plaintext"),
                ("sasl.mechanisms", mechanism),
                ("sasl.username", "us er"),
                ("sasl.password", "p\"w;="),
            ],
        );
    }
}

#[test]
fn broken_logins_are_refused_without_showing_them() {
    for (text, part) in [
        (
            "org.x.Krb5LoginModule required secret=secret;",
            "Krb5LoginModule is not supported",
        ),
        (
            "PlainLoginModule required username=secret;",
            "option password is missing",
        ),
        (
            "PlainLoginModule required username=secret password=\"secret",
            "not closed",
        ),
        (
            "PlainLoginModule required username=secret password=secret",
            "closing ';'",
        ),
        (
            "PlainLoginModule username=secret password=secret;",
            "control flag",
        ),
        ("ScramLoginModule required tokenauth=true;", "tokenauth"),
    ] {
        let java = [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.jaas.config", text),
        ];
        check_refused(&java, "sasl.jaas.config", part);
        let error = translate(&config(&java), &ClientConfig::default(), Kind::Producer);
        let shown = error.expect_err("refused").to_string();
        assert!(!shown.replace("secret=", "").contains("secret"), "{shown}");
    }
}

#[test]
fn what_cannot_be_followed_is_refused_by_name() {
    check_refused(
        &[("transactional.id", "x")],
        "transactional.id",
        "not supported",
    );
    check_refused(
        &[("partitioner.class", "com.X")],
        "partitioner.class",
        "Java classes",
    );
    check_refused(
        &[("linger.ms", "soon")],
        "linger.ms",
        "'soon' is no whole number",
    );
    check_refused(
        &[("security.protocol", "SASL_SSL")],
        "sasl.mechanism",
        "GSSAPI is not supported",
    );
    let oauth = [
        ("security.protocol", "SASL_SSL"),
        ("sasl.mechanism", "OAUTHBEARER"),
    ];
    check_refused(&oauth, "sasl.mechanism", "OAUTHBEARER is not supported");
    let trust = [
        ("security.protocol", "SSL"),
        ("ssl.truststore.location", "/trust.jks"),
    ];
    check_refused(&trust, "ssl.truststore.type", "keytool");
    let key = [
        ("security.protocol", "SSL"),
        ("ssl.keystore.location", "/no/such.p12"),
    ];
    check_refused(&key, "ssl.keystore.location", "cannot be read");
    let none = translate(
        &ClientConfig::default(),
        &ClientConfig::default(),
        Kind::Admin,
    );
    assert!(none.is_err_and(|error| error.to_string().contains("bootstrap.servers")));
}

#[test]
fn certificates_in_pem_go_where_openssl_reads_them() {
    check(
        Kind::Admin,
        &[
            ("security.protocol", "SSL"),
            ("ssl.truststore.type", "pem"),
            ("ssl.truststore.location", "/ca.pem"),
            ("ssl.keystore.type", "PEM"),
            ("ssl.keystore.location", "/me.pem"),
            ("ssl.endpoint.identification.algorithm", ""),
        ],
        &[
            ("ssl.ca.location", "/ca.pem"),
            ("ssl.certificate.location", "/me.pem"),
            ("ssl.key.location", "/me.pem"),
            ("ssl.endpoint.identification.algorithm", "none"),
        ],
    );
}
