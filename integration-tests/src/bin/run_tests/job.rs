//! One process: a test binary, whole or in part.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::choice::{Choice, Part};
use crate::targets::{Target, cargo};

/// A binary that takes longer hangs.
const DEADLINE: Duration = Duration::from_mins(20);
/// Lines of the output that are shown if it ends without a word about tests.
const TAIL_LINES: usize = 60;

#[derive(Debug)]
pub(crate) struct Job {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
    /// How many tests it runs, as far as that is known before.
    tests: usize,
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) passed: usize,
    pub(crate) ignored: usize,
    /// Names of tests; in brackets what is not the failure of a test.
    pub(crate) failed: Vec<String>,
    /// The part of the output that says why.
    pub(crate) shown: String,
    took: Duration,
}

/// The jobs that a choice comes to.
///
/// # Errors
/// If all of the choice, or a test or part that it names, comes to nothing.
pub(crate) async fn plan(choice: &Choice, targets: &[Target]) -> Result<Vec<Job>> {
    let (integration, units): (Vec<&Target>, Vec<&Target>) =
        targets.iter().partition(|target| target.is_integration);
    let mut jobs = Vec::new();
    for part in &choice.parts {
        let Part::Test { target, filter } = part else {
            continue;
        };
        let binary = integration.iter().find(|known| known.name == *target);
        let binary = binary.with_context(|| format!("there is no test '{target}'"))?;
        let tests = list(binary).await?;
        let filter = filter.as_deref().unwrap_or_default();
        ensure!(
            tests.iter().any(|name| name.contains(filter)),
            "no test of {target} has '{filter}' in its name"
        );
        let job = Job::of_binary(binary, &tests, filter, &choice.filters);
        let job = job.with_context(|| {
            format!(
                "no test of {target} with '{filter}' has '{}' in its name",
                choice.filters.join("' or '")
            )
        })?;
        // The same part twice is one job, with one log.
        if jobs.iter().all(|known: &Job| known.name != job.name) {
            jobs.push(job);
        }
    }
    let mut whole = Vec::new();
    if choice.is_everything() {
        whole.extend(integration);
    }
    if choice.has(&Part::Units) {
        whole.extend(units);
    }
    for binary in whole {
        let tests = list(binary).await?;
        jobs.extend(Job::of_binary(binary, &tests, "", &choice.filters));
    }
    // Which there are is known only after they are compiled: a choice by name leaves them out.
    if choice.has(&Part::Doc) && choice.filters.is_empty() {
        jobs.push(Job::of_comments()?);
    }
    ensure!(
        !jobs.is_empty(),
        "no test has '{}' in its name",
        choice.filters.join("' or '")
    );
    Ok(jobs)
}

/// Names of a binary's tests.
async fn list(target: &Target) -> Result<Vec<String>> {
    let output = Command::new(&target.executable)
        .args(["--list", "--format", "terse"])
        .current_dir(&target.folder)
        .output()
        .await
        .with_context(|| target.executable.display().to_string())?;
    ensure!(
        output.status.success(),
        "{} does not list its tests",
        target.name
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

impl Job {
    /// The tests with `part` and one of `filters` in their names, or that with just the name `part`; `None` without any.
    fn of_binary(
        target: &Target,
        tests: &[String],
        part: &str,
        filters: &[String],
    ) -> Option<Self> {
        let is_whole_name = tests.iter().any(|name| name == part);
        let is_chosen = |name: &&String| {
            (if is_whole_name {
                name.as_str() == part
            } else {
                name.contains(part)
            }) && (filters.is_empty() || filters.iter().any(|filter| name.contains(filter)))
        };
        let chosen: Vec<String> = tests.iter().filter(is_chosen).cloned().collect();
        if chosen.is_empty() {
            return None;
        }
        let count = chosen.len();
        let mut args = Vec::new();
        if count < tests.len() {
            args.push("--exact".to_owned());
            args.extend(chosen);
        }
        let name = match part {
            "" => target.name.clone(),
            part => format!("{}::{part}", target.name),
        };
        Some(Self {
            name,
            program: target.executable.clone(),
            args,
            folder: target.folder.clone(),
            tests: count,
        })
    }

    /// The tests in comments, which cargo compiles as it runs them.
    fn of_comments() -> Result<Self> {
        let cargo = cargo();
        Ok(Self {
            name: "doc".to_owned(),
            program: cargo.get_program().into(),
            args: ["test", "--quiet", "--doc", "--workspace"]
                .map(str::to_owned)
                .to_vec(),
            folder: std::env::current_dir()?,
            tests: 0,
        })
    }

    pub(crate) fn tests(&self) -> usize {
        self.tests
    }

    /// How many slots it takes: those that start JVM workers have much to compute, and need memory.
    pub(crate) fn weight(&self) -> usize {
        let starts_jvm = ["jvm", "the_original", "harness"];
        let of_both = self.name == "debezium_fidelity";
        1 + usize::from(of_both || starts_jvm.iter().any(|text| self.name.contains(text)))
    }

    pub(crate) async fn run(self) -> Result<Outcome> {
        let log = log_file(&self.name)?;
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let begin = Instant::now();
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| self.program.display().to_string())?;
        let ended = tokio::time::timeout(DEADLINE, child.wait()).await;
        let ended = match ended {
            Ok(status) => {
                let status = status?;
                (!status.success()).then(|| status.to_string())
            }
            Err(_) => {
                child.kill().await?;
                Some(format!("not within {} min", DEADLINE.as_secs() / 60))
            }
        };
        let text = fs::read(&log).with_context(|| log.display().to_string())?;
        let text = String::from_utf8_lossy(&text);
        let expected = self.tests;
        let mut outcome = Outcome::read(self.name, &text, ended, begin.elapsed());
        let seen = outcome.passed + outcome.ignored + outcome.failed.len();
        if seen < expected {
            let missing = format!("[{seen} of {expected} tests told how they ended]");
            outcome.failed.push(missing);
        }
        Ok(outcome)
    }
}

/// Where the output of a job lies; the folder is made.
fn log_file(name: &str) -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    let folder = Path::new(&target).join("tmp/run_tests");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    Ok(folder.join(name.replace([':', ' ', '(', ')'], "_") + ".log"))
}

impl Outcome {
    /// Reads what a test binary printed; `ended` says how, if not well.
    fn read(name: String, text: &str, ended: Option<String>, took: Duration) -> Self {
        let mut outcome = Self {
            name,
            passed: 0,
            ignored: 0,
            failed: Vec::new(),
            shown: String::new(),
            took,
        };
        for line in text.lines() {
            if let Some(sum) = line.strip_prefix("test result: ") {
                outcome.passed += count(sum, "passed");
                outcome.ignored += count(sum, "ignored");
            } else if let Some(test) = line.strip_prefix("test ")
                && let Some(test) = test.strip_suffix(" ... FAILED")
            {
                outcome.failed.push(test.to_owned());
            }
        }
        match ended {
            Some(how) if outcome.failed.is_empty() => {
                outcome.failed.push(format!("[{how}]"));
            }
            None if outcome.passed == 0 && outcome.failed.is_empty() && outcome.ignored == 0 => {
                outcome.failed.push("[it ran no test]".to_owned());
            }
            _ => {}
        }
        if !outcome.failed.is_empty() {
            outcome.shown = reasons(text);
        }
        outcome
    }

    /// What is said at its end.
    pub(crate) fn line(&self) -> String {
        let Self { name, passed, .. } = self;
        let seconds = self.took.as_secs_f64();
        match self.failed.len() {
            0 => format!("ok      {name:<40} {passed:>4} passed {seconds:>7.1} s"),
            failed => format!(
                "FAILED  {name:<40} {passed:>4} passed {seconds:>7.1} s, {failed} failed: {}",
                self.failed.join(", ")
            ),
        }
    }
}

/// The number before a word in `ok. 2 passed; 0 failed; …`.
fn count(sum: &str, word: &str) -> usize {
    let mut words = sum.split_whitespace();
    let mut before = "";
    words
        .find_map(|next| {
            let found = next.trim_end_matches(';') == word;
            let number = found.then(|| before.parse().ok());
            before = next;
            number
        })
        .flatten()
        .unwrap_or(0)
}

/// What the failed tests printed; of a binary that ended otherwise, its last lines.
fn reasons(text: &str) -> String {
    if let Some((_, reasons)) = text.split_once("\nfailures:\n") {
        // The names alone follow.
        let reasons = reasons.split("\nfailures:\n").next().unwrap_or(reasons);
        return reasons.trim().to_owned();
    }
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, ended: Option<&str>) -> Outcome {
        let ended = ended.map(str::to_owned);
        Outcome::read("a".to_owned(), text, ended, Duration::ZERO)
    }

    const FAILED: &str = "\nrunning 2 tests\ntest x::good ... ok\ntest x::bad ... FAILED\n\nfailures:\n\n---- x::bad stdout ----\n\
        Error: why\n\n\nfailures:\n    x::bad\n\n\
        test result: FAILED. 1 passed; 1 failed; 3 ignored; 0 measured; 5 filtered out; finished in 0.01s\n";

    #[test]
    fn a_failed_test_is_counted_named_and_shown() {
        let outcome = read(FAILED, Some("exit status: 101"));
        assert_eq!((outcome.passed, outcome.ignored), (1, 3));
        assert_eq!(outcome.failed, ["x::bad"]);
        assert_eq!(outcome.shown, "---- x::bad stdout ----\nError: why");
        assert!(outcome.line().ends_with("1 failed: x::bad"));
    }

    #[test]
    fn a_binary_that_crashes_or_runs_nothing_has_failed() {
        let outcome = read("running 2 tests\ntest good ... ok\noh", Some("signal: 6"));
        assert_eq!(outcome.failed, ["[signal: 6]"]);
        assert!(outcome.shown.ends_with("\noh"));
        let empty = "running 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 1 filtered out\n";
        assert_eq!(read(empty, None).failed, ["[it ran no test]"]);
    }

    #[test]
    fn sums_of_several_crates_are_added() {
        let sum = "test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let outcome = read(&sum.repeat(2), None);
        assert_eq!((outcome.passed, outcome.ignored), (4, 2));
        assert!(outcome.failed.is_empty());
    }

    #[test]
    fn tests_are_chosen_by_part_and_filter() {
        let target = Target {
            name: "t".to_owned(),
            executable: "/t".into(),
            folder: "/".into(),
            is_integration: true,
        };
        let tests = ["a::x", "a::y", "b::x", "bb::x"].map(str::to_owned);
        let chosen = |part: &str, filters: &[&str]| {
            let filters: Vec<String> = filters.iter().map(|text| (*text).to_owned()).collect();
            Job::of_binary(&target, &tests, part, &filters).map(|job| (job.tests, job.args))
        };
        assert_eq!(chosen("", &[]), Some((4, vec![])));
        let exact = |names: &[&str]| {
            let args = ["--exact"].iter().chain(names);
            Some((names.len(), args.map(|name| (*name).to_owned()).collect()))
        };
        assert_eq!(chosen("a::", &[]), exact(&["a::x", "a::y"]));
        assert_eq!(chosen("a::", &["x", "z"]), exact(&["a::x"]));
        assert_eq!(chosen("", &["misspelt"]), None);
        assert_eq!(chosen("b::x", &[]), exact(&["b::x"]));
    }
}
