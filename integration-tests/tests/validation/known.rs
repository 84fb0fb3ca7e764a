//! Differences that are not meant and not mended: no rule gives a reason for them, and there is none.
//!
//! `known_differences.tsv` has one a line: request, path, the original's value, ours. One that is not in the file fails, and
//! so does a line whose difference is gone. `UPDATE_DIFFERENCES=1` writes the file.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context as _, Result};
use tidegate_integration_tests::no_differences;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/validation/known_differences.tsv"
);

/// Holds the differences that no rule covers against the file.
pub(crate) fn check(wrong: &[String]) -> Result<()> {
    let found: BTreeSet<&str> = wrong.iter().map(String::as_str).collect();
    if std::env::var_os("UPDATE_DIFFERENCES").is_some() {
        let text: String = found.iter().map(|line| format!("{line}\n")).collect();
        return Ok(fs::write(FILE, text)?);
    }
    let text = fs::read_to_string(FILE).context(FILE)?;
    let known: BTreeSet<&str> = text.lines().collect();
    let new = found.difference(&known).map(|line| (*line).to_owned());
    let gone = known.difference(&found);
    let gone = gone.map(|line| format!("is gone, take it out of {FILE}: {line}"));
    let all: Vec<String> = new.chain(gone).collect();
    no_differences(&all)
}
