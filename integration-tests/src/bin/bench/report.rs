//! Results, as a table for people and as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::accounting::{PROCESSES, Usage, float};
use crate::options::{LogKind, Options, WorkerKind};

#[derive(Debug)]
pub(crate) struct Report {
    rows: u64,
    log: LogKind,
    /// By measure in the order of measuring, then by worker.
    throughput: Vec<(String, BTreeMap<WorkerKind, Usage>)>,
    latency: BTreeMap<WorkerKind, Latency>,
    start: BTreeMap<WorkerKind, Start>,
}

#[derive(Debug, Clone, Copy)]
struct Latency {
    per_second: u64,
    p50: Duration,
    p99: Duration,
    max: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Start {
    answers: Duration,
    idle_bytes: u64,
}

impl Report {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            rows: options.rows,
            log: options.log,
            throughput: Vec::new(),
            latency: BTreeMap::new(),
            start: BTreeMap::new(),
        }
    }

    pub(crate) fn throughput(&mut self, worker: WorkerKind, measure: &str, usage: Usage) {
        let known = self
            .throughput
            .iter_mut()
            .find(|(name, _)| name == measure)
            .map(|(_, usages)| usages);
        match known {
            Some(usages) => drop(usages.insert(worker, usage)),
            None => self
                .throughput
                .push((measure.to_owned(), BTreeMap::from([(worker, usage)]))),
        }
    }

    /// `sorted` is not empty.
    pub(crate) fn latency(&mut self, worker: WorkerKind, per_second: u64, sorted: &[Duration]) {
        let at = |percent: usize| {
            let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
            sorted.get(index).copied().unwrap_or_default()
        };
        self.latency.insert(
            worker,
            Latency {
                per_second,
                p50: at(50),
                p99: at(99),
                max: at(100),
            },
        );
    }

    pub(crate) fn started(&mut self, worker: WorkerKind, answers: Duration, idle_bytes: u64) {
        self.start.insert(
            worker,
            Start {
                answers,
                idle_bytes,
            },
        );
    }

    fn log_name(&self) -> &'static str {
        match self.log {
            LogKind::Kafka => "kafka",
            LogKind::Embedded => "embedded",
        }
    }

    pub(crate) fn table(&self) -> String {
        let mut out = format!(
            "\n{} rows; tidegate's topics are in the {} log; everything that arrived equals the source\n",
            self.rows,
            self.log_name()
        );
        self.put(&mut out)
            .map(|()| out)
            .expect("a string grows as it must")
    }

    fn put(&self, out: &mut String) -> std::fmt::Result {
        if !self.throughput.is_empty() {
            writeln!(
                out,
                "\n{:<42} {:>9} {:>9} {:>8}   {:>6} {:>6} {:>7} {:>8}   {:>7}",
                "", "", "", "", "CPU-s/", "M", "", "", ""
            )?;
            writeln!(
                out,
                "{:<42} {:>9} {:>9} {:>8}   {:>6} {:>6} {:>7} {:>8}   {:>7}",
                "",
                "by",
                "per s",
                "s",
                PROCESSES[0],
                PROCESSES[1],
                PROCESSES[2],
                PROCESSES[3],
                "peak MB"
            )?;
        }
        for (measure, usages) in &self.throughput {
            for (worker, usage) in usages {
                let cpu = |process| {
                    usage
                        .cpu_per_million(process)
                        .map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.2}"))
                };
                writeln!(
                    out,
                    "{measure:<42} {:>9} {:>9.0} {:>8.2}   {:>6} {:>6} {:>7} {:>8}   {:>7.0}",
                    worker.name(),
                    usage.rate(),
                    usage.elapsed.as_secs_f64(),
                    cpu(0),
                    cpu(1),
                    cpu(2),
                    cpu(3),
                    megabytes(usage.peak_bytes)
                )?;
            }
            if let Some((rate, cpu, memory)) = ratios(usages) {
                writeln!(
                    out,
                    "{:<42} {:>9} {rate:>8.1}x {:>8}   {cpu:>5.1}x {:>6} {:>7} {:>8}   {memory:>6.1}x",
                    "", "ratio", "", "", "", ""
                )?;
            }
        }
        for (worker, latency) in &self.latency {
            writeln!(
                out,
                "\ncommit to row visible, {} commits/s: {:>9}   p50 {:.1} ms   p99 {:.1} ms   max {:.1} ms",
                latency.per_second,
                worker.name(),
                millis(latency.p50),
                millis(latency.p99),
                millis(latency.max)
            )?;
        }
        for (worker, start) in &self.start {
            writeln!(
                out,
                "\nexec to REST answers: {:>9}   {:.0} ms   then idle with {:.0} MB",
                worker.name(),
                millis(start.answers),
                megabytes(start.idle_bytes)
            )?;
        }
        Ok(())
    }

    pub(crate) fn json(&self) -> Value {
        let by_worker = |values: Vec<(WorkerKind, Value)>| -> Value {
            values
                .into_iter()
                .map(|(worker, value)| (worker.name().to_owned(), value))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let throughput: Vec<Value> = self
            .throughput
            .iter()
            .map(|(measure, usages)| {
                let workers = usages
                    .iter()
                    .map(|(worker, usage)| (*worker, usage_json(usage)));
                let ratios = ratios(usages).map(|(rate, cpu, memory)| {
                    json!({"rate": rate, "worker_cpu": cpu, "peak_memory": memory})
                });
                json!({"measure": measure, "workers": by_worker(workers.collect()), "ratios": ratios})
            })
            .collect();
        let latency = self.latency.iter().map(|(worker, latency)| {
            let value = json!({
                "commits_per_second": latency.per_second, "p50_ms": millis(latency.p50),
                "p99_ms": millis(latency.p99), "max_ms": millis(latency.max),
            });
            (*worker, value)
        });
        let start = self.start.iter().map(|(worker, start)| {
            let value =
                json!({"answers_ms": millis(start.answers), "idle_bytes": start.idle_bytes});
            (*worker, value)
        });
        json!({
            "rows": self.rows, "log": self.log_name(), "throughput": throughput,
            "latency": by_worker(latency.collect()), "start": by_worker(start.collect()),
        })
    }
}

fn usage_json(usage: &Usage) -> Value {
    let cpu: serde_json::Map<String, Value> = PROCESSES
        .iter()
        .enumerate()
        .filter_map(|(index, name)| {
            Some(((*name).to_owned(), usage.cpu_per_million(index)?.into()))
        })
        .collect();
    json!({
        "count": usage.count, "seconds": usage.elapsed.as_secs_f64(), "per_second": usage.rate(),
        "cpu_seconds_per_million": cpu, "peak_bytes": usage.peak_bytes,
    })
}

/// How many times faster, with how many times less CPU time and memory; `None` with one worker alone.
fn ratios(usages: &BTreeMap<WorkerKind, Usage>) -> Option<(f64, f64, f64)> {
    let (ours, theirs) = (
        usages.get(&WorkerKind::Tidegate)?,
        usages.get(&WorkerKind::Jvm)?,
    );
    Some((
        ours.rate() / theirs.rate(),
        theirs.cpu_per_million(0)? / ours.cpu_per_million(0)?,
        float(theirs.peak_bytes) / float(ours.peak_bytes),
    ))
}

fn megabytes(bytes: u64) -> f64 {
    float(bytes) / 1e6
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(seconds: u64, worker: u64) -> Usage {
        Usage {
            count: 1_000_000,
            elapsed: Duration::from_secs(seconds),
            cpu: [Some(Duration::from_secs(worker)), None, None, None],
            peak_bytes: 100_000_000 * worker,
        }
    }

    #[test]
    fn ratios_are_of_the_original_to_ours() {
        let options = Options::parse(std::iter::empty()).unwrap();
        let mut report = Report::new(&options);
        report.throughput(WorkerKind::Tidegate, "snapshot", usage(4, 3));
        report.throughput(WorkerKind::Jvm, "snapshot", usage(40, 45));
        let json = report.json();
        let ratios = &json["throughput"][0]["ratios"];
        assert_eq!(
            (ratios["rate"].as_f64(), ratios["worker_cpu"].as_f64()),
            (Some(10.0), Some(15.0))
        );
        assert!(report.table().contains("250000"), "{}", report.table());
    }
}
