//! The worker under test.

use std::ffi::OsString;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures::FutureExt as _;

use crate::Properties;
use crate::directory::ServerDirectory;
use crate::kafka::properties_text;
use crate::ports::free_port;
use crate::process::{Launch, ServerProcess};
use crate::rest::Rest;

/// Connect's two kinds of worker.
#[derive(Debug, Clone)]
pub enum Mode {
    Distributed,
    /// With the files of the connectors to run.
    Standalone(Vec<PathBuf>),
}

/// A running `tidegate`.
#[derive(Debug)]
pub struct TidegateWorker {
    process: ServerProcess,
    url: String,
    directory: ServerDirectory,
}

impl Deref for TidegateWorker {
    type Target = ServerProcess;
    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl TidegateWorker {
    /// Starts the built binary, see [`tidegate_binary`].
    pub async fn start(mode: Mode, props: &Properties) -> Result<Self> {
        Self::start_binary(&tidegate_binary()?, mode, props, &[]).await
    }

    /// Starts a binary with variables in its environment. `listeners` is added if it is missing, and so are the files of a
    /// worker without brokers.
    pub async fn start_binary(
        binary: &Path,
        mode: Mode,
        props: &Properties,
        env: &[(&str, &str)],
    ) -> Result<Self> {
        Self::start_limited(binary, mode, props, env, None).await
    }

    /// As [`Self::start_binary`], with files of at most `file_bytes`.
    pub(crate) async fn start_limited(
        binary: &Path,
        mode: Mode,
        props: &Properties,
        env: &[(&str, &str)],
        file_bytes: Option<u64>,
    ) -> Result<Self> {
        let directory = ServerDirectory::new("tidegate", None)?;
        let mut props = props.clone();
        let url = format!("http://127.0.0.1:{}", free_port());
        let url = props.entry("listeners".to_owned()).or_insert(url).clone();
        let file = directory.join("worker.properties");
        let (command, connectors) = match mode {
            Mode::Distributed => ("distributed", Vec::new()),
            Mode::Standalone(connectors) => {
                standalone_files(&directory, &mut props);
                ("standalone", connectors)
            }
        };
        if !props.contains_key("bootstrap.servers") {
            props
                .entry("embedded.data.dir".to_owned())
                .or_insert_with(|| directory.join("log").display().to_string());
        }
        fs::write(&file, properties_text(&props))?;
        let mut launch = Launch::new("tidegate", binary.to_owned(), directory.path().to_owned())
            .args([OsString::from(command), file.into_os_string()])
            .args(connectors);
        launch.env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        launch.file_bytes = file_bytes;
        launch.ready_within = Duration::from_secs(30);
        let rest = Rest::new(&url);
        let ready = move || {
            let rest = rest.clone();
            async move { rest.ready().await }.boxed()
        };
        Ok(Self {
            process: ServerProcess::launch(launch, Box::new(ready)).await?,
            url,
            directory,
        })
    }

    pub fn url(&self) -> &str {
        &self.url
    }
    pub fn rest(&self) -> Rest {
        Rest::new(&self.url)
    }
    /// The folder of its properties, log and data.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Adds the file that a standalone worker keeps its offsets in.
pub(crate) fn standalone_files(directory: &ServerDirectory, props: &mut Properties) {
    props
        .entry("offset.storage.file.filename".to_owned())
        .or_insert_with(|| directory.join("offsets").display().to_string());
}

/// The binary under test: `TIDEGATE_BIN`, or the one built beside the running test.
pub fn tidegate_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("TIDEGATE_BIN") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("TIDEGATE_BIN names {}, which is no file", path.display());
        }
        return Ok(path);
    }
    // target/<profile>/deps/<test> or target/<profile>/<program>
    let running = std::env::current_exe()?;
    let folders = running.ancestors().skip(1).take(2);
    folders
        .map(|folder| folder.join("tidegate"))
        .find(|path| path.is_file())
        .with_context(|| {
            format!(
                "there is no tidegate near {}: run cargo build -p tidegate, or set TIDEGATE_BIN",
                running.display()
            )
        })
}
