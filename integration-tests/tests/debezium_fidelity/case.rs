//! Cases: directories with the SQL that both workers see and the connectors that read it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

/// Which connector class reads which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    MariaDb,
    MySql,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "mariadb",
            Self::MySql => "mysql",
        }
    }
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::MariaDb => "io.debezium.connector.mariadb.MariaDbConnector",
            Self::MySql => "io.debezium.connector.mysql.MySqlConnector",
        }
    }
}

/// One directory below `cases/`.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    /// Configurations by name: what differs from the harness's.
    pub(crate) connectors: Map<String, Value>,
    /// By connector, what is changed while they are stopped: `config` replaces settings, and `offset` members of the stored
    /// offset, whose file and position become the place where the stopped part begins.
    pub(crate) resume: Map<String, Value>,
    /// Whether places in the log differ from run to run: compressed events have other lengths.
    pub(crate) varies: bool,
    /// Runs before the connectors start.
    pub(crate) setup: String,
    /// Runs while they stream.
    pub(crate) changes: String,
    /// Runs while they are stopped, if there is such a part.
    pub(crate) stopped: Option<String>,
}

impl Case {
    /// All cases for a server in the order of their names; only those that `TIDEGATE_CASES` names, if it is set.
    pub(crate) fn all(kind: Kind) -> Result<Vec<Self>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
        let chosen = std::env::var("TIDEGATE_CASES").unwrap_or_default();
        let mut cases = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let directory = entry?.path();
            if !directory.is_dir() {
                continue;
            }
            let case = Self::read(&directory, kind)
                .with_context(|| format!("case {}", directory.display()))?;
            let is_chosen = chosen.is_empty()
                || chosen
                    .split(',')
                    .any(|name| case.as_ref().is_some_and(|case| case.name == name));
            cases.extend(case.filter(|_| is_chosen));
        }
        cases.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(cases)
    }

    /// `None` if the case is not for this server.
    fn read(directory: &Path, kind: Kind) -> Result<Option<Self>> {
        let text = |name: &str| {
            let path = directory.join(name);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let json: Value = serde_json::from_str(&text("connector.json")?)?;
        let servers = json["servers"].as_array().context("servers")?;
        if !servers.iter().any(|server| server == kind.name()) {
            return Ok(None);
        }
        let name = directory
            .file_name()
            .and_then(|name| name.to_str())
            .context("a name")?;
        Ok(Some(Self {
            name: name.to_owned(),
            directory: directory.to_owned(),
            connectors: json["connectors"]
                .as_object()
                .context("connectors")?
                .clone(),
            resume: json["resume"].as_object().cloned().unwrap_or_default(),
            varies: json["varies"] == true,
            setup: text("setup.sql")?,
            changes: text("changes.sql")?,
            stopped: directory
                .join("stopped.sql")
                .exists()
                .then(|| text("stopped.sql"))
                .transpose()?,
        }))
    }

    /// The database that the case's SQL works in.
    pub(crate) fn database(&self) -> String {
        self.name.replace('-', "_")
    }

    /// What the original wrote, as recorded.
    pub(crate) fn expected(&self, kind: Kind, connector: &str) -> PathBuf {
        self.directory
            .join("expected")
            .join(kind.name())
            .join(format!("{connector}.jsonl"))
    }
}
