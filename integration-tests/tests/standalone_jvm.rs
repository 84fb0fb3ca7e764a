//! Standalone mode: the original's file of offsets, there and back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tidegate_integration_tests::{
    ConnectOptions, JvmConnect, KafkaBroker, KafkaOptions, Message, Mode, Properties,
    TidegateWorker, eventually, free_port, properties_text, read_topic, tidegate_binary,
};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_mins(2);

struct Lines {
    folder: TempDir,
}

impl Lines {
    fn new() -> Result<Self> {
        let lines = Self {
            folder: tempfile::tempdir()?,
        };
        let (input, output) = (lines.path("in.txt"), lines.path("out.txt"));
        fs::write(&input, "")?;
        let source = serde_json::json!({
            "name": "lines",
            "config": {"connector.class": "FileStreamSource", "topic": "lines", "file": input},
        });
        fs::write(lines.path("source.json"), source.to_string())?;
        let sink = format!(
            "name=written\nconnector.class=FileStreamSink\ntopics=lines\nfile={}\n",
            output.display()
        );
        fs::write(lines.path("sink.properties"), sink)?;
        Ok(lines)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn append(&self, text: &str) -> Result<()> {
        let mut all = fs::read_to_string(self.path("in.txt"))?;
        all.push_str(text);
        Ok(fs::write(self.path("in.txt"), all)?)
    }

    fn props(&self, offsets: &str) -> Properties {
        let class = "org.apache.kafka.connect.storage.StringConverter";
        [
            ("key.converter", class.to_owned()),
            ("value.converter", class.to_owned()),
            ("offset.flush.interval.ms", "200".to_owned()),
            (
                "offset.storage.file.filename",
                self.path(offsets).display().to_string(),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Tidegate on its embedded log: source and sink.
    async fn tidegate(&self, offsets: &str) -> Result<TidegateWorker> {
        let mut props = self.props(offsets);
        let data = self.path("data").display().to_string();
        props.insert("embedded.data.dir".to_owned(), data);
        let files = ["source.json", "sink.properties"].map(|name| self.path(name));
        TidegateWorker::start(Mode::Standalone(files.to_vec()), &props).await
    }

    /// The original, with the source alone.
    async fn jvm(&self, offsets: &str, kafka: &KafkaBroker) -> Result<JvmConnect> {
        let mut props = self.props(offsets);
        let bootstrap = kafka.bootstrap().to_owned();
        props.insert("bootstrap.servers".to_owned(), bootstrap);
        let options = ConnectOptions {
            mode: Mode::Standalone(vec![self.path("source.json")]),
            ..ConnectOptions::default()
        };
        JvmConnect::start_with(options, &props).await
    }

    async fn output_becomes(&self, expected: &str) -> Result<()> {
        eventually(DEADLINE, "the sink has written", || async {
            let text = fs::read_to_string(self.path("out.txt"))?;
            ensure!(text == expected, "{text:?} instead of {expected:?}");
            Ok(())
        })
        .await
    }
}

/// The position in the file of offsets, once it is there.
async fn position(offsets: &Path, expected: usize) -> Result<()> {
    let wanted = format!("{{\"position\":{expected}}}");
    eventually(DEADLINE, &wanted, || async {
        let bytes = fs::read(offsets)?;
        let text = String::from_utf8_lossy(&bytes);
        ensure!(text.contains(&wanted), "{text}");
        Ok(())
    })
    .await
}

async fn topic_becomes(kafka: &KafkaBroker, expected: &[&str]) -> Result<()> {
    eventually(DEADLINE, "the topic is complete", || async {
        let lines = read_topic(kafka.bootstrap(), "lines").await?;
        let lines: Vec<String> = lines.iter().map(Message::value_text).collect();
        ensure!(lines == expected, "{lines:?} instead of {expected:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn offsets_go_to_the_original_and_back() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let lines = Lines::new()?;
    lines.append("one\ntwo\n")?;
    let worker = lines.tidegate("offsets").await?;
    lines.output_becomes("one\ntwo\n").await?;
    worker.stop().await?;
    position(&lines.path("offsets"), 8).await?;
    ensure!(lines.path("data").exists(), "no embedded log");

    lines.append("three\n")?;
    let jvm = lines.jvm("offsets", &kafka).await?;
    topic_becomes(&kafka, &["three"]).await?;
    position(&lines.path("offsets"), 14).await?;
    jvm.stop().await?;

    lines.append("four\n")?;
    let worker = lines.tidegate("offsets").await?;
    lines.output_becomes("one\ntwo\nfour\n").await?;
    position(&lines.path("offsets"), 19).await?;
    worker.stop().await?;

    // The same offsets are the same bytes.
    let jvm = lines.jvm("offsets.jvm", &kafka).await?;
    position(&lines.path("offsets.jvm"), 19).await?;
    jvm.stop().await?;
    fs::remove_dir_all(lines.path("data"))?;
    let worker = lines.tidegate("offsets.own").await?;
    position(&lines.path("offsets.own"), 19).await?;
    worker.stop().await?;
    let (own, java) = (
        fs::read(lines.path("offsets.own"))?,
        fs::read(lines.path("offsets.jvm"))?,
    );
    ensure!(
        own == java,
        "{:?}\n{:?}",
        own.escape_ascii().to_string(),
        java.escape_ascii().to_string()
    );
    Ok(())
}

/// A worker alone knows the tasks of a new connector before it answers, also of one that is changed to have others.
#[tokio::test]
async fn new_and_changed_connectors_are_answered_with_their_tasks() -> Result<()> {
    let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
    let lines = Lines::new()?;
    let worker = lines.tidegate("offsets").await?;
    let jvm = lines.jvm("offsets.jvm", &kafka).await?;
    let config = |tasks: usize| {
        let topics = "lines,others";
        serde_json::json!({"connector.class": "FileStreamSink", "topics": topics, "tasks.max": tasks.to_string(),
            "file": lines.path("more.txt")})
    };
    let mut answers = Vec::new();
    for rest in [worker.rest(), jvm.rest()] {
        let body = serde_json::json!({"name": "more", "config": config(1)});
        let made = rest.post("/connectors", Some(&body)).await?.success()?;
        let changed = rest.put_config("more", &config(2)).await?;
        let put = rest.put_config("others", &config(2)).await?;
        answers.push([made, changed, put]);
    }
    let (own, original) = (&answers[0], &answers[1]);
    ensure!(own == original, "{own:#?} instead of {original:#?}");
    let tasks = |answer: &serde_json::Value| answer["tasks"].as_array().map(Vec::len);
    ensure!(
        own.iter().map(tasks).eq([Some(1), Some(2), Some(2)]),
        "{own:#?}"
    );
    jvm.stop().await?;
    worker.stop().await?;
    Ok(())
}

/// The source of the tutorials' console waits in a read that nobody can interrupt.
#[tokio::test]
async fn a_source_of_the_standard_input_does_not_outlive_the_worker() -> Result<()> {
    let lines = Lines::new()?;
    let source = lines.path("console.properties");
    let config = "name=console\nconnector.class=FileStreamSource\ntopic=lines\n";
    fs::write(&source, config)?;
    let mut props = lines.props("offsets");
    let url = format!("http://127.0.0.1:{}", free_port());
    props.insert("listeners".to_owned(), url);
    let data = lines.path("data").display().to_string();
    props.insert("embedded.data.dir".to_owned(), data);
    fs::write(lines.path("worker.properties"), properties_text(&props))?;
    let mut worker = Command::new(tidegate_binary()?)
        .args(["standalone".into(), lines.path("worker.properties")])
        .args([source, lines.path("sink.properties")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut input = worker.stdin.take().context("it is piped")?;
    input.write_all(b"typed\n").await?;
    lines.output_becomes("typed\n").await?;
    let id = worker.id().context("it runs")?;
    let pid = Pid::from_raw(id.cast_signed()).context("a process id")?;
    kill_process(pid, Signal::TERM)?;
    let ended = tokio::time::timeout(DEADLINE, worker.wait()).await;
    let status = ended.context("it does not end")??;
    ensure!(status.success(), "{status}");
    drop(input);
    Ok(())
}
