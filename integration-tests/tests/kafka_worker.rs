//! The worker on a real broker.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;
use tidegate_integration_tests::{
    KafkaBroker, KafkaOptions, Mode, Rest, TidegateWorker, eventually, unique,
};

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
