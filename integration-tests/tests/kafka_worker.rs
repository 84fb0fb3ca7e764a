//! The worker on a real broker.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    KafkaBroker, KafkaOptions, Mode, Properties, Rest, TidegateWorker, eventually, free_port,
    tidegate_binary, topic_names, unique,
};
use tidegate_kafka::KafkaLog;
use tidegate_log::{ClientConfig, Log as _, LogError, NewTopic, ProducerRecord};

const DEADLINE: Duration = Duration::from_mins(2);

/// A FileStream source that follows a file, and a sink that writes another one.
struct Files {
    name: String,
    folder: tempfile::TempDir,
    written: usize,
}

impl Files {
    fn new() -> Result<Self> {
        Ok(Self {
            name: unique("files"),
            folder: tempfile::tempdir()?,
            written: 0,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds numbered lines to the source's file.
    fn write(&mut self, lines: usize) -> Result<()> {
        let path = self.path("in");
        let mut file = fs::File::options().create(true).append(true).open(path)?;
        for n in self.written..self.written + lines {
            writeln!(file, "line {n}")?;
        }
        self.written += lines;
        Ok(())
    }

    async fn register(&self, rest: &Rest) -> Result<()> {
        let (source, sink) = (
            format!("{}-source", self.name),
            format!("{}-sink", self.name),
        );
        let string = "org.apache.kafka.connect.storage.StringConverter";
        let config = json!({
            "connector.class": "FileStreamSource", "tasks.max": "1", "topic": self.name,
            "file": self.path("in"), "value.converter": string,
        });
        rest.put_config(&source, &config).await?;
        let config = json!({
            "connector.class": "FileStreamSink", "tasks.max": "1", "topics": self.name,
            "file": self.path("out"), "value.converter": string,
        });
        rest.put_config(&sink, &config).await?;
        rest.wait_running(&source).await?;
        rest.wait_running(&sink).await?;
        Ok(())
    }

    /// Waits until every line has arrived: each number for the first time in order, repeated ones allowed.
    async fn all_arrive(&self) -> Result<()> {
        let what = format!("{} lines have arrived", self.written);
        eventually(DEADLINE, &what, || async {
            let next = first_occurrences_in_order(&self.path("out"))?;
            ensure!(next == self.written, "{next} lines");
            Ok(())
        })
        .await
    }
}

/// How many numbers from 0 on appear, each for the first time behind the one before.
fn first_occurrences_in_order(path: &Path) -> Result<usize> {
    let mut next = 0;
    for line in fs::read_to_string(path)?.lines() {
        let number: usize = line.trim_start_matches("line ").parse()?;
        ensure!(number <= next, "line {number} came before line {next}");
        next = next.max(number + 1);
    }
    Ok(next)
}

#[tokio::test]
async fn lines_pass_through_a_topic() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let props = kafka.distributed_props();
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let mut files = Files::new()?;
    files.write(1000)?;
    files.register(&worker.rest()).await?;
    files.all_arrive().await?;
    files.write(1000)?;
    files.all_arrive().await?;
    worker.stop().await?;
    Ok(())
}

/// Keeps writing lines while `meanwhile` runs, about 2000 a second.
async fn under_load(files: &mut Files, meanwhile: impl Future<Output = Result<()>>) -> Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    let mut meanwhile = std::pin::pin!(meanwhile);
    loop {
        tokio::select! {
            result = &mut meanwhile => return result,
            _ = tick.tick() => files.write(100)?,
        }
    }
}

/// Longer than [`quick_sessions`].
const OUTAGE: Duration = Duration::from_secs(9);

/// Settings that let a test see the end of a session soon.
fn quick_sessions(kafka: &KafkaBroker) -> Properties {
    let mut props = kafka.distributed_props();
    for (name, value) in [
        ("offset.flush.interval.ms", "500"),
        ("session.timeout.ms", "6000"),
        ("consumer.session.timeout.ms", "6000"),
    ] {
        props.insert(name.to_owned(), value.to_owned());
    }
    props
}

#[tokio::test]
async fn a_broker_that_dies_is_waited_for() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let props = quick_sessions(&kafka);
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let rest = worker.rest();
    let mut files = Files::new()?;
    files.write(1000)?;
    files.register(&rest).await?;
    let outage = async {
        for _ in 0..2 {
            kafka.kill9();
            tokio::time::sleep(OUTAGE).await;
            kafka.start_again().await?;
        }
        Ok(())
    };
    under_load(&mut files, outage).await?;
    files.all_arrive().await?;
    for part in ["source", "sink"] {
        rest.wait_running(&format!("{}-{part}", files.name)).await?;
    }
    files.write(100)?;
    files.all_arrive().await?;
    assert!(worker.is_running());
    // Cut off for longer than its session, it cannot know whether it is alone.
    for text in [
        "Connectors and tasks stop until the worker is a member",
        "is a member of its group again; connectors and tasks start",
    ] {
        ensure!(worker.log().contains(text), "{}", worker.log_tail());
    }
    worker.stop().await?;
    Ok(())
}

#[tokio::test]
async fn a_worker_whose_broker_is_away_ends_when_told() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let worker = TidegateWorker::start(Mode::Distributed, &quick_sessions(&kafka)).await?;
    let rest = worker.rest();
    let mut files = Files::new()?;
    files.write(1000)?;
    files.register(&rest).await?;
    files.all_arrive().await?;
    kafka.kill9();
    files.write(1000)?;
    // A change that waits for the broker is no reason to stay either.
    let name = format!("{}-source", files.name);
    let (_no_answer, ended) = tokio::join!(rest.pause(&name), worker.stop());
    let ended = ended?;
    ensure!(ended.success(), "{ended}: {}", worker.log_tail());
    kafka.start_again().await?;
    worker.start_again().await?;
    rest.resume(&name).await?;
    files.all_arrive().await
}

#[tokio::test]
async fn a_change_that_its_client_gave_up_takes_effect() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let worker = TidegateWorker::start(Mode::Distributed, &kafka.distributed_props()).await?;
    let rest = worker.rest();
    let mut files = Files::new()?;
    files.write(100)?;
    files.register(&rest).await?;
    let source = format!("{}-source", files.name);
    let path = format!("/connectors/{source}/config");
    let mut config = rest.get(&path).await?.success()?;
    config["topic"] = json!(format!("{}-other", files.name));
    kafka.freeze();
    let put = rest.put(&path, Some(&config));
    let answer = tokio::time::timeout(Duration::from_secs(3), put).await;
    ensure!(answer.is_err(), "{answer:?}");
    // By the time that it answers another one, the worker has seen this client go.
    rest.get(&path).await?.success()?;
    kafka.thaw();
    eventually(DEADLINE, "the task has the new configuration", || async {
        let tasks = rest.get(&format!("/connectors/{source}/tasks")).await?;
        let tasks = tasks.success()?;
        ensure!(tasks[0]["config"]["topic"] == config["topic"], "{tasks}");
        Ok(())
    })
    .await?;
    rest.wait_running(&source).await?;
    Ok(())
}

#[tokio::test]
async fn a_worker_that_dies_continues_under_its_id() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let props = quick_sessions(&kafka);
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let mut files = Files::new()?;
    files.write(1000)?;
    files.register(&worker.rest()).await?;
    let deaths = async {
        for _ in 0..2 {
            worker.kill9();
            worker.start_again().await?;
        }
        Ok(())
    };
    under_load(&mut files, deaths).await?;
    files.all_arrive().await
}

/// Runs a worker that is to fail at its start for its settings; what it logged.
async fn failed_start(props: &Properties) -> Result<String> {
    start_fails_with(props, 2).await
}

async fn start_fails_with(props: &Properties, status: i32) -> Result<String> {
    let error = TidegateWorker::start(Mode::Distributed, props)
        .await
        .expect_err("it cannot start");
    let text = format!("{error:?}");
    ensure!(text.contains(&format!("exit status: {status}")), "{text}");
    Ok(text)
}

#[tokio::test]
async fn a_second_worker_is_refused() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let props = quick_sessions(&kafka);
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let text = failed_start(&props).await?;
    let first = worker.url().trim_start_matches("http://");
    assert!(
        text.contains(&format!("held by the worker {first}")),
        "{text}"
    );
    assert!(text.contains(&props["group.id"]), "{text}");
    worker.rest().status("none").await.expect_err("it answers");
    // After an orderly end the next one need not wait for the session.
    worker.stop().await?;
    let next = TidegateWorker::start(Mode::Distributed, &props).await?;
    assert!(
        !next.log().contains("waiting for its session"),
        "{}",
        next.log()
    );
    Ok(())
}

#[tokio::test]
async fn a_standalone_worker_uses_the_broker() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let mut files = Files::new()?;
    files.write(500)?;
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let mut paths = Vec::new();
    for (name, config) in [
        (
            "source",
            format!(
                "connector.class=FileStreamSource\ntopic={}\nfile={}",
                files.name,
                files.path("in").display()
            ),
        ),
        (
            "sink",
            format!(
                "connector.class=FileStreamSink\ntopics={}\nfile={}",
                files.name,
                files.path("out").display()
            ),
        ),
    ] {
        let path = files.path(&format!("{name}.properties"));
        fs::write(
            &path,
            format!("name={name}\n{config}\nvalue.converter={string}\n"),
        )?;
        paths.push(path);
    }
    let mut props = kafka.distributed_props();
    props.retain(|name, _| !name.contains(".storage.") && name != "group.id");
    let worker = TidegateWorker::start(Mode::Standalone(paths), &props).await?;
    files.all_arrive().await?;
    // Its offsets are in a file.
    worker.restart().await?;
    files.write(500)?;
    files.all_arrive().await?;
    let topics = topic_names(kafka.bootstrap()).await?;
    assert_eq!(topics, [files.name.as_str()]);
    let lines = fs::read_to_string(files.path("out"))?.lines().count();
    assert_eq!(lines, 1000);
    Ok(())
}

fn login(module: &str, user: &str, password: &str) -> String {
    format!(
        "org.apache.kafka.common.security.{module} required username=\"{user}\" password=\"{password}\";"
    )
}

fn with(props: &Properties, more: &[(&str, &str)]) -> Properties {
    let mut props = props.clone();
    for (name, value) in more {
        props.insert((*name).to_owned(), (*value).to_owned());
    }
    props
}

#[tokio::test]
async fn logins_are_followed_and_refusals_explained() -> Result<()> {
    let port = free_port();
    let plain = login("plain.PlainLoginModule", "admin", "admin-pw")
        .replace(';', " user_admin=\"admin-pw\" user_tide=\"tide-pw\";");
    let mut options = KafkaOptions::default()
        .property("listeners", format!("SASL_PLAINTEXT://127.0.0.1:{port}"))
        .property(
            "advertised.listeners",
            format!("SASL_PLAINTEXT://127.0.0.1:{port}"),
        )
        .property(
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
        )
        .property("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256")
        .property("listener.name.sasl_plaintext.plain.sasl.jaas.config", plain)
        .property(
            "listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        );
    options.format_args = vec![
        "--add-scram".to_owned(),
        "SCRAM-SHA-256=[name=scrammy,password=scram-pw]".to_owned(),
    ];
    let kafka = KafkaBroker::start(options).await?;
    let servers = format!("127.0.0.1:{port}");
    let base = with(
        &quick_sessions(&kafka),
        &[
            ("bootstrap.servers", &servers),
            ("security.protocol", "SASL_PLAINTEXT"),
        ],
    );
    let wrong = with(
        &base,
        &[
            ("sasl.mechanism", "PLAIN"),
            (
                "sasl.jaas.config",
                &login("plain.PlainLoginModule", "tide", "wrong-pw"),
            ),
        ],
    );
    let text = failed_start(&wrong).await?;
    assert!(
        text.contains("uthentication failed") && text.contains(&servers),
        "{text}"
    );
    assert!(!text.contains("wrong-pw"), "{text}");
    for (mechanism, module, user, password) in [
        ("PLAIN", "plain.PlainLoginModule", "tide", "tide-pw"),
        (
            "SCRAM-SHA-256",
            "scram.ScramLoginModule",
            "scrammy",
            "scram-pw",
        ),
    ] {
        let jaas = login(module, user, password);
        let props = with(
            &base,
            &[("sasl.mechanism", mechanism), ("sasl.jaas.config", &jaas)],
        );
        // Clients of connectors get in, too, with nothing said under `producer.` and `consumer.`.
        let worker = TidegateWorker::start_binary(
            &tidegate_binary()?,
            Mode::Distributed,
            &props,
            &[("TIDEGATE_LOG", "trace")],
        )
        .await?;
        let mut files = Files::new()?;
        files.write(100)?;
        files.register(&worker.rest()).await?;
        files.all_arrive().await?;
        assert!(!worker.log().contains(password), "{}", worker.log());
        worker.stop().await?;
    }
    Ok(())
}

/// Whoever may only use the worker's topics needs no right to create, alter or look at anything else.
#[tokio::test]
async fn a_worker_without_rights_to_create_uses_what_is_there() -> Result<()> {
    let port = free_port();
    let listener = format!("SASL_PLAINTEXT://127.0.0.1:{port}");
    let logins = login("plain.PlainLoginModule", "admin", "admin-pw")
        .replace(';', " user_admin=\"admin-pw\" user_locked=\"locked-pw\";");
    let options = KafkaOptions::default()
        .property("listeners", &listener)
        .property("advertised.listeners", &listener)
        .property(
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT",
        )
        .property("sasl.enabled.mechanisms", "PLAIN")
        .property(
            "listener.name.sasl_plaintext.plain.sasl.jaas.config",
            logins,
        )
        .property(
            "authorizer.class.name",
            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        )
        .property("super.users", "User:ANONYMOUS;User:admin");
    let kafka = KafkaBroker::start(options).await?;
    let base = quick_sessions(&kafka);
    let mut files = Files::new()?;
    let group = base["group.id"].as_str();
    for names in [group, files.name.as_str()] {
        let topics = ["--operation", "READ", "--operation", "WRITE", "--topic"];
        kafka
            .permit("locked", &[&topics[..], &[names]].concat())
            .await?;
    }
    for names in [group.to_owned(), format!("connect-{}", files.name)] {
        let groups = ["--operation", "READ", "--group", &names];
        kafka.permit("locked", &groups).await?;
    }
    let jaas = login("plain.PlainLoginModule", "locked", "locked-pw");
    let locked = with(
        &base,
        &[
            ("bootstrap.servers", &format!("127.0.0.1:{port}")),
            ("security.protocol", "SASL_PLAINTEXT"),
            ("sasl.mechanism", "PLAIN"),
            ("sasl.jaas.config", &jaas),
        ],
    );
    let text = start_fails_with(&locked, 1).await?;
    for part in ["does not exist", "cleanup.policy=compact", "storage.topic"] {
        ensure!(text.contains(part), "'{part}' is not in: {text}");
    }
    // Somebody who may do so makes the topics.
    let admin = TidegateWorker::start(Mode::Distributed, &base).await?;
    files.write(10)?;
    files.register(&admin.rest()).await?;
    files.all_arrive().await?;
    admin.stop().await?;
    let worker = TidegateWorker::start(Mode::Distributed, &locked).await?;
    files.write(100)?;
    files.all_arrive().await?;
    worker.stop().await?;
    refused_topics_take_nothing_from_others(&kafka, &locked, &files.name).await
}

/// Records of topics that the principal may not write to fail, those around them are stored in their order.
async fn refused_topics_take_nothing_from_others(
    kafka: &KafkaBroker,
    locked: &Properties,
    permitted: &str,
) -> Result<()> {
    let [hidden, readable, permitted] =
        [unique("hidden"), unique("readable"), permitted.to_owned()];
    kafka
        .permit("locked", &["--operation", "READ", "--topic", &readable])
        .await?;
    let own = |name: &&String| !name.contains(".storage.") && *name != "group.id";
    let settings = locked.iter().filter(|(name, _)| own(name));
    let config = settings.map(|(name, value)| (name.clone(), value.clone()));
    let log = KafkaLog::new(config.collect())?;
    let admin = ClientConfig::default().with("bootstrap.servers", kafka.bootstrap());
    for name in [&hidden, &readable] {
        let new = NewTopic {
            name: Arc::from(name.as_str()),
            partitions: Some(1),
            replication_factor: Some(1),
            settings: BTreeMap::new(),
        };
        KafkaLog::new(admin.clone())?.create_topic(&new).await?;
    }
    let producer = log.producer(&ClientConfig::default()).await?;
    let topics = [&permitted, &hidden, &permitted, &readable, &permitted];
    for _ in 0..2 {
        let records = topics.iter().cycle().take(100);
        let record = |topic: &&String| ProducerRecord::new(topic.as_str(), None, Some("v".into()));
        let results = producer.append(records.map(record).collect()).await?.await;
        let mut last = None;
        for (topic, result) in topics.iter().cycle().zip(results) {
            match result {
                Ok(stored) => {
                    ensure!(**topic == permitted, "{topic} takes records");
                    ensure!(last < Some(stored.offset), "{stored:?} after {last:?}");
                    last = Some(stored.offset);
                }
                Err(error) => {
                    ensure!(**topic != permitted, "{error}");
                    ensure!(matches!(error, LogError::Unauthorized(_)), "{error}");
                    ensure!(error.to_string().contains(topic.as_str()), "{error}");
                }
            }
        }
    }
    Ok(())
}

fn openssl(folder: &Path, args: &[&str]) -> Result<()> {
    let output = std::process::Command::new("openssl")
        .args(args)
        .current_dir(folder)
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A certificate for `name`, signed by itself: `NAME.crt`, and `NAME.pem` with the key before it, as Java's PEM stores are.
fn certificate(folder: &Path, name: &str, subject: &str) -> Result<()> {
    let (key, crt) = (format!("{name}.key"), format!("{name}.crt"));
    openssl(
        folder,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=broker",
            "-addext",
            subject,
            "-keyout",
            &key,
            "-out",
            &crt,
        ],
    )?;
    let pem = fs::read_to_string(folder.join(&key))? + &fs::read_to_string(folder.join(&crt))?;
    Ok(fs::write(folder.join(format!("{name}.pem")), pem)?)
}

#[tokio::test]
async fn tls_is_followed_and_wrong_certificates_are_explained() -> Result<()> {
    let folder = tempfile::tempdir()?;
    certificate(folder.path(), "right", "subjectAltName=IP:127.0.0.1")?;
    certificate(
        folder.path(),
        "wrong",
        "subjectAltName=DNS:elsewhere.example",
    )?;
    for (name, refusal) in [
        ("right", None),
        ("wrong", Some("certificate verify failed")),
    ] {
        let port = free_port();
        let path = |file: &str| folder.path().join(file).display().to_string();
        let options = KafkaOptions::default()
            .property("listeners", format!("SSL://127.0.0.1:{port}"))
            .property("advertised.listeners", format!("SSL://127.0.0.1:{port}"))
            .property(
                "listener.security.protocol.map",
                "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL",
            )
            .property("ssl.keystore.type", "PEM")
            .property("ssl.keystore.location", path(&format!("{name}.pem")));
        let kafka = KafkaBroker::start(options).await?;
        let servers = format!("127.0.0.1:{port}");
        let trusted = path(&format!("{name}.crt"));
        let props = with(
            &quick_sessions(&kafka),
            &[
                ("bootstrap.servers", &servers),
                ("security.protocol", "SSL"),
                ("ssl.truststore.type", "PEM"),
                ("ssl.truststore.location", &trusted),
            ],
        );
        if let Some(refusal) = refusal {
            let text = failed_start(&props).await?;
            assert!(text.contains(refusal) && text.contains(&servers), "{text}");
            let unchecked = with(&props, &[("ssl.endpoint.identification.algorithm", "")]);
            TidegateWorker::start(Mode::Distributed, &unchecked).await?;
            continue;
        }
        let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
        let mut files = Files::new()?;
        files.write(100)?;
        files.register(&worker.rest()).await?;
        files.all_arrive().await?;
        worker.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let more = [
        ("bootstrap.servers", "127.0.0.1:1"),
        ("default.api.timeout.ms", "8000"),
    ];
    let text = failed_start(&with(&kafka.distributed_props(), &more)).await?;
    assert!(
        text.contains("127.0.0.1:1") && text.contains("refused"),
        "{text}"
    );
    // Every attempt is refused at once, and there are ten of them each second.
    let lines = text.lines().filter(|line| line.contains("refused"));
    assert!(lines.count() < 20, "{text}");
    assert!(text.contains(" times since "), "{text}");
    Ok(())
}

/// A topic that cannot be made, a topic of the worker's that is no compacted one, and topics that are reset.
#[tokio::test]
async fn what_a_broker_says_of_topics_reaches_whoever_asks() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let props = kafka.distributed_props();
    let mut files = Files::new()?;
    files.write(1)?;
    let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
    let rest = worker.rest();
    let string = "org.apache.kafka.connect.storage.StringConverter";
    let source = |topic: &str, more: (&str, &str)| {
        let mut config = json!({
            "connector.class": "FileStreamSource", "topic": topic, "file": files.path("in"), "value.converter": string,
            "topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "1",
        });
        config[more.0] = json!(more.1);
        config
    };
    for (name, setting, reason) in [
        (
            "factor",
            ("topic.creation.default.replication.factor", "5"),
            "eplication factor",
        ),
        (
            "segment",
            ("topic.creation.default.segment.ms", "often"),
            "segment.ms",
        ),
        (
            "policy",
            ("topic.creation.default.cleanup.policy", "sometimes"),
            "cleanup.policy",
        ),
        (
            "retention",
            ("topic.creation.default.retention.ms", "-7"),
            "retention.ms",
        ),
    ] {
        rest.put_config(name, &source(name, setting)).await?;
        let trace = rest.wait_failed(name).await?;
        ensure!(
            trace.contains(reason) && trace.contains(name),
            "{name}: {trace}"
        );
        ensure!(!trace.contains("authorized"), "{name}: {trace}");
    }
    let used = ("topic.creation.default.retention.ms", "1000000");
    rest.put_config("used", &source("used", used)).await?;
    rest.wait_running("used").await?;
    for _ in 0..2 {
        let listed = || async {
            let topics = rest.get("/connectors/used/topics").await?.success()?;
            ensure!(topics == json!({"used": {"topics": ["used"]}}), "{topics}");
            Ok(())
        };
        eventually(DEADLINE, "its topic is listed", listed).await?;
        rest.put("/connectors/used/topics/reset", None)
            .await?
            .success()?;
        let topics = rest.get("/connectors/used/topics").await?.success()?;
        ensure!(topics == json!({"used": {"topics": []}}), "{topics}");
        files.write(1)?;
    }
    worker.stop().await?;
    let deleting = unique("deleting");
    let client: ClientConfig = [("bootstrap.servers".to_owned(), kafka.bootstrap().to_owned())]
        .into_iter()
        .collect();
    let new = NewTopic {
        name: Arc::from(deleting.as_str()),
        partitions: Some(1),
        replication_factor: Some(1),
        settings: BTreeMap::from([("cleanup.policy".to_owned(), "delete".to_owned())]),
    };
    KafkaLog::new(client)?.create_topic(&new).await?;
    for key in [
        "config.storage.topic",
        "offset.storage.topic",
        "status.storage.topic",
    ] {
        let text = start_fails_with(&with(&props, &[(key, &deleting)]), 1).await?;
        ensure!(
            text.contains(key) && text.contains("cleanup.policy"),
            "{text}"
        );
    }
    Ok(())
}
