//! Apache Kafka: one node that is broker and controller.

use std::fmt::Write as _;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use crate::Properties;
use crate::directory::{ServerDirectory, unique};
use crate::installed;
use crate::ports::free_port;
use crate::process::{Launch, ServerProcess, run_to_end};

const CLUSTER_ID: &str = "MkU3OEVBNTcwNTJENDM2Qk";

/// How a broker is started.
#[derive(Debug, Clone)]
pub struct KafkaOptions {
    /// Broker settings on top of the harness's own, e.g. another listener.
    pub properties: Properties,
    /// Arguments of `StorageTool format` beyond the cluster's id, e.g. `--add-scram`.
    pub format_args: Vec<String>,
    pub jvm_args: Vec<String>,
    /// Where the server's directory is made and kept; by default one that goes away with the server.
    pub directory: Option<PathBuf>,
}

impl Default for KafkaOptions {
    /// A small heap and a cheap start, for tests of behaviour.
    fn default() -> Self {
        Self {
            properties: Properties::new(),
            format_args: Vec::new(),
            jvm_args: ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
                .map(str::to_owned)
                .to_vec(),
            directory: None,
        }
    }
}

impl KafkaOptions {
    /// The heap and compiler that measurements are made with.
    pub fn for_measurements() -> Self {
        Self {
            jvm_args: vec!["-Xmx1g".to_owned()],
            ..Self::default()
        }
    }
    #[must_use]
    pub fn property(mut self, name: &str, value: impl Into<String>) -> Self {
        self.properties.insert(name.to_owned(), value.into());
        self
    }
}

/// A running broker.
#[derive(Debug)]
pub struct KafkaBroker {
    process: ServerProcess,
    bootstrap: String,
    directory: ServerDirectory,
}

impl Deref for KafkaBroker {
    type Target = ServerProcess;
    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl KafkaBroker {
    pub async fn start(options: KafkaOptions) -> Result<Self> {
        let libs = installed::kafka_libs()?;
        let directory = ServerDirectory::new("kafka", options.directory.as_deref())?;
        let (port, controller) = (free_port(), free_port());
        let bootstrap = format!("127.0.0.1:{port}");
        let mut properties: Properties = [
            ("process.roles", "broker,controller".to_owned()),
            ("node.id", "1".to_owned()),
            (
                "controller.quorum.voters",
                format!("1@127.0.0.1:{controller}"),
            ),
            (
                "listeners",
                format!("PLAINTEXT://{bootstrap},CONTROLLER://127.0.0.1:{controller}"),
            ),
            ("advertised.listeners", format!("PLAINTEXT://{bootstrap}")),
            ("controller.listener.names", "CONTROLLER".to_owned()),
            ("inter.broker.listener.name", "PLAINTEXT".to_owned()),
            ("log.dirs", directory.join("data").display().to_string()),
            ("offsets.topic.replication.factor", "1".to_owned()),
            ("offsets.topic.num.partitions", "4".to_owned()),
            ("transaction.state.log.replication.factor", "1".to_owned()),
            ("transaction.state.log.min.isr", "1".to_owned()),
            ("transaction.state.log.num.partitions", "4".to_owned()),
            ("group.initial.rebalance.delay.ms", "0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        // More listeners are added to the harness's own.
        for (name, value) in options.properties {
            let joined = ["listeners", "advertised.listeners"].contains(&name.as_str());
            match properties.get_mut(&name) {
                Some(own) if joined => *own = format!("{own},{value}"),
                _ => drop(properties.insert(name, value)),
            }
        }
        let file = directory.join("server.properties");
        fs::write(&file, properties_text(&properties))?;
        if !directory.join("data").exists() {
            let mut format = java(
                "kafka-format",
                &directory,
                &libs,
                &["-Xmx256m".to_owned(), "-XX:TieredStopAtLevel=1".to_owned()],
            )?
            .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
            .args([&file]);
            format = format.args(options.format_args);
            run_to_end(&format).await?;
        }
        let launch = java("kafka", &directory, &libs, &options.jvm_args)?
            .args(["kafka.Kafka"])
            .args([&file]);
        let address = bootstrap.clone();
        let ready = move || {
            let address = address.clone();
            let ping = async move { tokio::task::spawn_blocking(move || ping(&address)).await? };
            ping.boxed()
        };
        Ok(Self {
            process: ServerProcess::launch(launch, Box::new(ready)).await?,
            bootstrap,
            directory,
        })
    }

    /// Gives a user rights on resources whose names begin so. The broker needs an authorizer, and its own listener's
    /// `User:ANONYMOUS` must be a super user. `rights` are arguments of `kafka-acls`, e.g. `--operation READ --topic t`.
    pub async fn permit(&self, user: &str, rights: &[&str]) -> Result<()> {
        let jvm = ["-Xmx128m", "-XX:TieredStopAtLevel=1"].map(str::to_owned);
        let libs = installed::kafka_libs()?;
        let command = java("kafka-acls", &self.directory, &libs, &jvm)?
            .args(["org.apache.kafka.tools.AclCommand", "--add"])
            .args(["--bootstrap-server", &self.bootstrap])
            .args(["--allow-principal", &format!("User:{user}")])
            .args(["--resource-pattern-type", "prefixed"])
            .args(rights);
        run_to_end(&command).await
    }

    /// `host:port`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Settings of a distributed worker with a group and internal topics of its own. The JVM's takes them, too.
    pub fn distributed_props(&self) -> Properties {
        let group = unique("connect");
        let mut props: Properties = [
            ("bootstrap.servers", self.bootstrap.clone()),
            ("config.storage.topic", format!("{group}-configs")),
            ("offset.storage.topic", format!("{group}-offsets")),
            ("status.storage.topic", format!("{group}-status")),
            ("group.id", group),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for topic in ["config", "offset", "status"] {
            props.insert(
                format!("{topic}.storage.replication.factor"),
                "1".to_owned(),
            );
        }
        for converter in ["key.converter", "value.converter"] {
            let class = "org.apache.kafka.connect.json.JsonConverter";
            props.insert(converter.to_owned(), class.to_owned());
        }
        props
    }
}

/// A Java program with the jars in `libs` as its class path; it logs to the standard output.
pub(crate) fn java(
    name: &'static str,
    directory: &ServerDirectory,
    libs: &Path,
    jvm_args: &[String],
) -> Result<Launch> {
    let java = installed::program(&["/usr/bin/java", "/usr/local/bin/java"], "kafka")?;
    let logging = directory.join("log4j2.properties");
    fs::write(
        &logging,
        "rootLogger.level=INFO\nrootLogger.appenderRef.stdout.ref=STDOUT\nappender.stdout.type=Console\n\
         appender.stdout.name=STDOUT\nappender.stdout.layout.type=PatternLayout\n\
         appender.stdout.layout.pattern=[%d] %p %m (%c)%n\n",
    )?;
    Ok(Launch::new(name, java, directory.path().to_owned())
        .args(jvm_args)
        .args(["-cp".to_owned(), format!("{}/*", libs.display())])
        .args([format!("-Dlog4j2.configurationFile={}", logging.display())]))
}

/// Java's `.properties`, with what it would take for an escape escaped.
pub fn properties_text(properties: &Properties) -> String {
    let mut text = String::new();
    for (name, value) in properties {
        let value = value.replace('\\', "\\\\");
        writeln!(text, "{name}={value}").expect("a string grows");
    }
    text
}

fn ping(bootstrap: &str) -> Result<()> {
    let client: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("log_level", "0")
        .create()?;
    let metadata = client
        .fetch_metadata(None, Duration::from_secs(2))
        .with_context(|| format!("no answer from {bootstrap}"))?;
    ensure!(!metadata.brokers().is_empty(), "no brokers yet");
    Ok(())
}
