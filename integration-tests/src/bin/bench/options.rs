//! What is asked for.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

const USAGE: &str = "bench [--rows N] [--only snapshot,catchup,sink,latency,start] [--log kafka|embedded] [--jvm] \
     [--output table|json] [--worker BINARY]";
const DEFAULT_ROWS: u64 = 1_000_000;
/// Fewer rows are gone before the clock has moved.
const LEAST_ROWS: u64 = 1_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    Start,
    Snapshot,
    CatchUp,
    Sink,
    Latency,
}

impl Measure {
    const ALL: [(&'static str, Self); 5] = [
        ("start", Self::Start),
        ("snapshot", Self::Snapshot),
        ("catchup", Self::CatchUp),
        ("sink", Self::Sink),
        ("latency", Self::Latency),
    ];
}

/// Where the worker under test keeps its topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogKind {
    Kafka,
    Embedded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Table,
    Json,
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WorkerKind {
    Tidegate,
    Jvm,
}

impl WorkerKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tidegate => "tidegate",
            Self::Jvm => "jvm",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) rows: u64,
    only: Vec<Measure>,
    pub(crate) log: LogKind,
    pub(crate) jvm: bool,
    pub(crate) output: Output,
    /// By default the binary beside this program.
    pub(crate) worker: Option<PathBuf>,
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self {
            rows: DEFAULT_ROWS,
            only: Measure::ALL.map(|(_, measure)| measure).to_vec(),
            log: LogKind::Kafka,
            jvm: false,
            output: Output::Table,
            worker: None,
        };
        while let Some(arg) = args.next() {
            let mut value = || args.next().context(USAGE);
            match arg.as_str() {
                "--rows" => options.rows = value()?.replace('_', "").parse().context("--rows")?,
                "--only" => {
                    options.only = value()?.split(',').map(measure).collect::<Result<_>>()?;
                }
                "--log" => {
                    options.log = match value()?.as_str() {
                        "kafka" => LogKind::Kafka,
                        "embedded" => LogKind::Embedded,
                        other => bail!("--log is kafka or embedded, not '{other}'"),
                    }
                }
                "--jvm" => options.jvm = true,
                "--output" => {
                    options.output = match value()?.as_str() {
                        "table" => Output::Table,
                        "json" => Output::Json,
                        other => bail!("--output is table or json, not '{other}'"),
                    }
                }
                "--worker" => options.worker = Some(std::path::absolute(value()?)?),
                other => bail!("'{other}' is not known: {USAGE}"),
            }
        }
        ensure!(
            options.rows >= LEAST_ROWS,
            "--rows must be at least {LEAST_ROWS}"
        );
        Ok(options)
    }

    pub(crate) fn wants(&self, measure: Measure) -> bool {
        self.only.contains(&measure)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = WorkerKind> {
        std::iter::once(WorkerKind::Tidegate).chain(self.jvm.then_some(WorkerKind::Jvm))
    }
}

fn measure(name: &str) -> Result<Measure> {
    let found = Measure::ALL.iter().find(|(known, _)| *known == name.trim());
    let (_, measure) = found.with_context(|| {
        let names = Measure::ALL.map(|(name, _)| name).join(", ");
        format!("'{name}' is none of the measures: {names}")
    })?;
    Ok(*measure)
}
