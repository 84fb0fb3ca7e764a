//! Builds what is to run, through cargo.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::choice::{Choice, Part};

/// A test binary.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
    /// The folder that its tests run in, as with cargo.
    pub(crate) folder: PathBuf,
    /// Whether it is an integration test rather than the tests beside a crate's code.
    pub(crate) is_integration: bool,
}

/// `cargo`, as the caller has it.
pub(crate) fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Builds the programs under test and the tests that are chosen.
///
/// All calls have targets that need the crates' `dev-dependencies`: the features of libraries are then the same in all of
/// them, and nothing is compiled twice.
pub(crate) fn build(choice: &Choice) -> Result<Vec<Target>> {
    let mut programs = vec!["build", "--workspace", "--bins"];
    for test in choice.tests() {
        programs.extend(["--test", test]);
    }
    if choice.is_everything() || choice.tests().is_empty() {
        programs.extend(["--test", "*"]);
    }
    let mut targets = compile(&programs)?;
    if choice.has(&Part::Units) {
        let units = ["test", "--no-run", "--workspace", "--lib", "--bins"];
        targets.extend(compile(&units)?);
    }
    // Integration tests first: they take longer.
    targets.sort_by(|a, b| (!a.is_integration, &a.name).cmp(&(!b.is_integration, &b.name)));
    Ok(targets)
}

/// Runs cargo and returns the tests that it built.
fn compile(args: &[&str]) -> Result<Vec<Target>> {
    let output = cargo()
        .args(args)
        .args(["--quiet", "--message-format", "json-render-diagnostics"])
        .stderr(Stdio::inherit())
        .output()
        .context("could not run cargo")?;
    ensure!(output.status.success(), "cargo {} failed", args.join(" "));
    let mut targets = Vec::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let message: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        targets.extend(test_binary(&message));
    }
    Ok(targets)
}

/// The test binary that a message of cargo announces, if it does.
fn test_binary(message: &Value) -> Option<Target> {
    if message["reason"] != "compiler-artifact" || message["profile"]["test"] != true {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let target = &message["target"];
    let is_integration = target["kind"][0] == "test";
    let name = target["name"].as_str()?;
    let is_program = target["kind"][0] == "bin";
    Some(Target {
        name: if is_program {
            format!("{name} (program)")
        } else {
            name.to_owned()
        },
        executable: message["executable"].as_str()?.into(),
        folder: manifest.parent()?.to_owned(),
        is_integration,
    })
}
