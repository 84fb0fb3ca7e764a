//! Workers that cannot start, and the exit status that the original gives them.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use tidegate_integration_tests::{Mode, Properties, SERVER_DEADLINE, ServerProcess, eventually};

/// A start that fails: the worker's settings on top of good ones, connectors' files of a worker in standalone mode.
pub(crate) struct Start {
    pub(crate) name: &'static str,
    pub(crate) settings: &'static [(&'static str, &'static str)],
    /// Name and content; `None` for a worker in distributed mode.
    pub(crate) connectors: Option<&'static [(&'static str, &'static str)]>,
    pub(crate) status: i32,
    /// What the log names.
    pub(crate) names: &'static [&'static str],
}

/// The good one that stands before the bad one.
const GOOD: (&str, &str) = (
    "good.properties",
    "name=good\nconnector.class=FileStreamSource\nfile=/none\ntopic=t\n",
);

pub(crate) const STARTS: [Start; 9] = [
    Start {
        name: "a converter class of the worker is unknown",
        settings: &[("key.converter", "com.example.Nope")],
        connectors: None,
        status: 2,
        names: &["com.example.Nope", "key.converter"],
    },
    Start {
        name: "a converter class is unknown in standalone mode",
        settings: &[("value.converter", "com.example.Nope")],
        connectors: Some(&[GOOD]),
        status: 2,
        names: &["com.example.Nope", "value.converter"],
    },
    Start {
        name: "a header converter class is unknown",
        settings: &[("header.converter", "com.example.Nope")],
        connectors: None,
        status: 2,
        names: &["com.example.Nope", "header.converter"],
    },
    Start {
        name: "a listener has no address",
        settings: &[("listeners", "http:/nowhere")],
        connectors: None,
        status: 2,
        names: &["listeners"],
    },
    Start {
        name: "a connector's file is missing",
        settings: &[],
        connectors: Some(&[GOOD, ("missing.properties", "")]),
        status: 3,
        names: &["missing.properties"],
    },
    Start {
        name: "a connector's class is unknown",
        settings: &[],
        connectors: Some(&[GOOD, ("bad.properties", "name=bad\nconnector.class=Nope\n")]),
        status: 3,
        names: &["Nope"],
    },
    Start {
        name: "a connector has no name",
        settings: &[],
        connectors: Some(&[(
            "bad.properties",
            "connector.class=FileStreamSource\ntopic=t\n",
        )]),
        status: 3,
        names: &["name"],
    },
    Start {
        name: "a connector's name contradicts itself",
        settings: &[],
        connectors: Some(&[(
            "bad.json",
            r#"{"name":"a","config":{"name":"b","connector.class":"FileStreamSource","topic":"t"}}"#,
        )]),
        status: 3,
        names: &["name"],
    },
    Start {
        name: "the file of offsets is none",
        settings: &[("offset.storage.file.filename", "GARBAGE")],
        connectors: Some(&[GOOD]),
        status: 3,
        names: &["GARBAGE"],
    },
];

impl Start {
    /// Settings and mode, with their files in `folder`.
    pub(crate) fn prepare(&self, folder: &Path, props: &mut Properties) -> Result<Mode> {
        std::fs::write(folder.join("GARBAGE"), "no offsets")?;
        for (name, value) in self.settings {
            let value = match *value {
                "GARBAGE" => folder.join(value).display().to_string(),
                value => value.to_owned(),
            };
            props.insert((*name).to_owned(), value);
        }
        let Some(connectors) = self.connectors else {
            return Ok(Mode::Distributed);
        };
        let mut files: Vec<PathBuf> = Vec::new();
        for (name, content) in connectors {
            let path = folder.join(name);
            if !content.is_empty() {
                std::fs::write(&path, content)?;
            }
            files.push(path);
        }
        Ok(Mode::Standalone(files))
    }

    /// What the worker said before it ended with the expected status.
    pub(crate) async fn ends<W>(&self, started: Result<W>) -> Result<String>
    where
        W: Deref<Target = ServerProcess>,
    {
        let text = match started {
            Err(error) => format!("{error:?}"),
            // It answered before it read the connectors' files.
            Ok(worker) => {
                let ended = eventually(SERVER_DEADLINE, self.name, || async {
                    worker.exit_status().context("it still runs")
                });
                format!("{}\n{}", ended.await?, worker.log())
            }
        };
        let status = format!("exit status: {}", self.status);
        ensure!(text.contains(&status), "{}: {text}", self.name);
        Ok(text)
    }

    /// Fails unless the text names what is wrong.
    pub(crate) fn check(&self, text: &str) -> Result<()> {
        for part in self.names {
            ensure!(
                text.contains(part),
                "{}: '{part}' is not in {text}",
                self.name
            );
        }
        Ok(())
    }
}
