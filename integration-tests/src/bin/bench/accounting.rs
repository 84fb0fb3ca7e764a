//! What processes have used, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::stack::{Side, Stack};

/// Linux counts CPU time in hundredths of a second towards programs, on every machine.
const TICK: Duration = Duration::from_millis(10);

/// The processes that are told apart, in the order of the report.
pub(crate) const PROCESSES: [&str; 4] = ["worker", "broker", "mariadb", "postgres"];

/// What one measurement took.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    pub(crate) count: u64,
    pub(crate) elapsed: Duration,
    /// By process as in [`PROCESSES`]; `None` for one that is not there.
    pub(crate) cpu: [Option<Duration>; 4],
    /// The worker's resident memory at its highest.
    pub(crate) peak_bytes: u64,
}

impl Usage {
    /// Per second.
    pub(crate) fn rate(&self) -> f64 {
        float(self.count) / self.elapsed.as_secs_f64()
    }
    /// CPU seconds per million.
    pub(crate) fn cpu_per_million(&self, process: usize) -> Option<f64> {
        self.cpu[process].map(|cpu| cpu.as_secs_f64() * 1e6 / float(self.count))
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Measures from its start on.
#[derive(Debug)]
pub(crate) struct Meter {
    pids: [Option<u32>; 4],
    cpu: [Option<Duration>; 4],
    started: Instant,
}

impl Meter {
    pub(crate) fn start(stack: &Stack, side: &Side) -> Result<Self> {
        let pids = [
            side.worker.pid(),
            side.broker_pid(stack),
            stack.source.pid(),
            stack.target.pid(),
        ];
        if let Some(worker) = pids[0] {
            // The highest resident memory is counted from here on.
            fs::write(format!("/proc/{worker}/clear_refs"), "5")?;
        }
        Ok(Self {
            pids,
            cpu: cpu_of(&pids)?,
            started: Instant::now(),
        })
    }

    /// The next part of a measurement begins.
    pub(crate) fn lap(&mut self, count: u64) -> Result<Usage> {
        let elapsed = self.started.elapsed();
        let now = cpu_of(&self.pids)?;
        let mut cpu = now;
        for (after, before) in cpu.iter_mut().zip(self.cpu) {
            *after = after.zip(before).map(|(a, b)| a.saturating_sub(b));
        }
        let worker = self.pids[0].context("the worker runs")?;
        let usage = Usage {
            count,
            elapsed,
            cpu,
            peak_bytes: memory(worker, "VmHWM")?,
        };
        self.cpu = now;
        self.started = Instant::now();
        Ok(usage)
    }
}

fn cpu_of(pids: &[Option<u32>; 4]) -> Result<[Option<Duration>; 4]> {
    let mut all = [None; 4];
    for (cpu, pid) in all.iter_mut().zip(pids) {
        *cpu = pid.map(cpu_of_tree).transpose()?;
    }
    Ok(all)
}

/// CPU time of a process and of its children, those that have ended included.
fn cpu_of_tree(root: u32) -> Result<Duration> {
    let mut parents: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut ticks = HashMap::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        // It may have ended since the folder was listed.
        let Some(stat) = fs::read_to_string(entry.path().join("stat")).ok() else {
            continue;
        };
        let Some(stat) = Stat::parse(&stat) else {
            continue;
        };
        parents.entry(stat.parent).or_default().push(pid);
        ticks.insert(pid, stat.own + stat.ended_children);
    }
    let mut sum = 0;
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        sum += ticks.get(&pid).copied().unwrap_or(0);
        open.extend(parents.get(&pid).into_iter().flatten());
    }
    Ok(TICK * u32::try_from(sum)?)
}

/// Fields of `/proc/PID/stat`; times in ticks.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    own: u64,
    ended_children: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name is in parentheses and may hold spaces and parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: number(11)? + number(12)?,
            ended_children: number(13)? + number(14)?,
        })
    }
}

/// Bytes of a line of `/proc/PID/status`: `VmRSS` or `VmHWM`.
pub(crate) fn memory(pid: u32, line: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let found = status.lines().find_map(|text| {
        text.strip_prefix(line)?
            .strip_prefix(':')?
            .trim()
            .strip_suffix(" kB")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    Ok(found.with_context(|| format!("{line} of process {pid}"))? * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_spaces_do_not_shift_fields() {
        let text =
            "42 (a (b) c) S 7 42 42 0 -1 4194304 1 2 3 4 100 20 3 1 20 0 1 0 55 1000 10 18446";
        assert_eq!(
            Stat::parse(text),
            Some(Stat {
                parent: 7,
                own: 120,
                ended_children: 4
            })
        );
    }
}
