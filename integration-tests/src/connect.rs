//! The original: Apache Kafka Connect with Debezium's connectors.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use futures::FutureExt as _;

use crate::directory::ServerDirectory;
use crate::kafka::{java, properties_text};
use crate::ports::free_port;
use crate::process::ServerProcess;
use crate::rest::Rest;
use crate::worker::{Mode, standalone_files};
use crate::{Properties, installed};

/// How the JVM worker is started.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    pub mode: Mode,
    pub jvm_args: Vec<String>,
    /// Where the worker's directory is made and kept; by default one that goes away with the worker.
    pub directory: Option<PathBuf>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Distributed,
            jvm_args: vec!["-Xmx1g".to_owned()],
            directory: None,
        }
    }
}

/// A running JVM worker.
#[derive(Debug)]
pub struct JvmConnect {
    process: ServerProcess,
    url: String,
    _directory: ServerDirectory,
}

impl Deref for JvmConnect {
    type Target = ServerProcess;
    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl JvmConnect {
    /// Starts a distributed worker with these settings, see
    /// [`KafkaBroker::distributed_props`](crate::KafkaBroker::distributed_props).
    pub async fn start(props: &Properties) -> Result<Self> {
        Self::start_with(ConnectOptions::default(), props).await
    }

    /// Starts a worker. `listeners` and `plugin.path` are added if they are missing.
    pub async fn start_with(options: ConnectOptions, props: &Properties) -> Result<Self> {
        let libs = installed::kafka_libs()?;
        let plugins = installed::plugins()?;
        let directory = ServerDirectory::new("jvm-connect", options.directory.as_deref())?;
        let mut props = props.clone();
        let url = format!("http://127.0.0.1:{}", free_port());
        let url = props.entry("listeners".to_owned()).or_insert(url).clone();
        props
            .entry("plugin.path".to_owned())
            .or_insert_with(|| plugins.display().to_string());
        let launch = java("jvm-connect", &directory, &libs, &options.jvm_args)?;
        let file = directory.join("worker.properties");
        let mut launch = match &options.mode {
            Mode::Distributed => launch
                .args(["org.apache.kafka.connect.cli.ConnectDistributed"])
                .args([&file]),
            Mode::Standalone(connectors) => {
                standalone_files(&directory, &mut props);
                launch
                    .args(["org.apache.kafka.connect.cli.ConnectStandalone"])
                    .args([&file])
                    .args(connectors)
            }
        };
        fs::write(&file, properties_text(&props))?;
        launch.ready_within = Duration::from_mins(3);
        let rest = Rest::new(&url);
        let ready = move || {
            let rest = rest.clone();
            async move { rest.ready().await }.boxed()
        };
        Ok(Self {
            process: ServerProcess::launch(launch, Box::new(ready)).await?,
            url,
            _directory: directory,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
    pub fn rest(&self) -> Rest {
        Rest::new(&self.url)
    }

    /// Stops it in good order. Seldom its REST server, which Jetty and Connect stop at the same time, keeps it from its end;
    /// then it is killed.
    pub async fn stop(&self) -> Result<()> {
        match self.process.stop().await {
            Err(error) if !self.log().contains("Stopping REST server") => Err(error),
            _ => Ok(()),
        }
    }
}
