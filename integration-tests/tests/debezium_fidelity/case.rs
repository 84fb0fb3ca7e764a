//! Cases: directories with the SQL that both workers see and the connectors that read it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_integration_tests::case_folders;

use super::records::TextRecord;

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

/// A difference that is meant: a text of the original's records, and what stands in its place here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Meant {
    pub(crate) theirs: String,
    pub(crate) ours: String,
    /// The row of `DIFFERENCES.md`.
    pub(crate) because: String,
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
    /// Whether the case has a server of its own, on which sets of transaction ids are those of the recording.
    pub(crate) alone: bool,
    /// Whether places in the log differ from run to run: compressed events have other lengths.
    pub(crate) varies: bool,
    pub(crate) meant: Vec<Meant>,
    /// Runs before the connectors start.
    pub(crate) setup: String,
    /// Runs while they stream.
    pub(crate) changes: String,
    /// Runs while they are stopped, if there is such a part.
    pub(crate) stopped: Option<String>,
}

impl Case {
    /// All cases for a server that share it, or those that have one of their own, in the order of their names; only those
    /// that `TIDEGATE_CASES` names, if it is set.
    pub(crate) fn all(kind: Kind, alone: bool) -> Result<Vec<Self>> {
        let mut cases = Vec::new();
        for (name, directory) in case_folders("cases")? {
            let case = Self::read(name, &directory, kind);
            cases.extend(case.with_context(|| format!("case {}", directory.display()))?);
        }
        cases.retain(|case: &Self| case.alone == alone);
        ensure!(
            !cases.is_empty(),
            "none of the cases that TIDEGATE_CASES names is for {} (alone: {alone})",
            kind.name()
        );
        Ok(cases)
    }

    /// `None` if the case is not for this server.
    fn read(name: String, directory: &Path, kind: Kind) -> Result<Option<Self>> {
        let text = |name: &str| {
            let path = directory.join(name);
            fs::read_to_string(&path).with_context(|| path.display().to_string())
        };
        let json: Value = serde_json::from_str(&text("connector.json")?)?;
        let servers = json["servers"].as_array().context("servers")?;
        if !servers.iter().any(|server| server == kind.name()) {
            return Ok(None);
        }
        Ok(Some(Self {
            name,
            directory: directory.to_owned(),
            connectors: json["connectors"]
                .as_object()
                .context("connectors")?
                .clone(),
            resume: json["resume"].as_object().cloned().unwrap_or_default(),
            alone: json["alone"] == true,
            varies: json["varies"] == true,
            meant: match &json["meant"] {
                Value::Null => Vec::new(),
                rules => Vec::deserialize(rules)?,
            },
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

    /// The original's records with what is meant to be in them; `uses` counts what each rule has changed.
    pub(crate) fn as_meant(
        &self,
        records: Vec<TextRecord>,
        uses: &mut Vec<usize>,
    ) -> Vec<TextRecord> {
        uses.resize(self.meant.len(), 0);
        let mut changed = Vec::with_capacity(records.len());
        for mut record in records {
            for (rule, uses) in self.meant.iter().zip(uses.iter_mut()) {
                let found = |text: &String| text.contains(&rule.theirs);
                if record.value.as_ref().is_some_and(found) {
                    *uses += 1;
                    record = record.map_text(|text| text.replace(&rule.theirs, &rule.ours));
                }
            }
            changed.push(record);
        }
        changed
    }

    /// Rules that have changed nothing.
    pub(crate) fn unused(&self, uses: &[usize]) -> Vec<String> {
        let unused = self.meant.iter().zip(uses).filter(|(_, uses)| **uses == 0);
        unused
            .map(|(rule, _)| {
                format!(
                    "{}: nothing differs any more from '{}' because '{}'",
                    self.name, rule.theirs, rule.because
                )
            })
            .collect()
    }

    /// What the original wrote, as recorded.
    pub(crate) fn expected(&self, kind: Kind, connector: &str) -> PathBuf {
        self.directory
            .join("expected")
            .join(kind.name())
            .join(format!("{connector}.jsonl"))
    }
}
