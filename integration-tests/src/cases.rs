//! Directories of cases, and which of them are to run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

/// Names of cases, separated by commas.
const VARIABLE: &str = "TIDEGATE_CASES";

/// A case's name and directory.
pub type CaseFolder = (String, PathBuf);

/// The directories below `folder` of this crate in the order of their names; only those that `TIDEGATE_CASES` names, if it
/// is set.
///
/// # Errors
/// If a name that is asked for is none of theirs: the test would pass without testing it.
pub fn case_folders(folder: &str) -> Result<Vec<CaseFolder>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut all = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.context("a name")?.to_owned();
        if path.is_dir() {
            all.push((name, path));
        }
    }
    all.sort();
    choose(all, &std::env::var(VARIABLE).unwrap_or_default())
        .with_context(|| format!("{VARIABLE}, cases in {}", folder.display()))
}

fn choose(all: Vec<CaseFolder>, names: &str) -> Result<Vec<CaseFolder>> {
    if names.is_empty() {
        return Ok(all);
    }
    let names: Vec<&str> = names.split(',').map(str::trim).collect();
    for name in &names {
        let known = || all.iter().map(|(known, _)| known.as_str());
        ensure!(
            known().any(|known| known == *name),
            "there is no case '{name}', but {}",
            known().collect::<Vec<_>>().join(", ")
        );
    }
    let is_named = |(name, _): &CaseFolder| names.contains(&name.as_str());
    Ok(all.into_iter().filter(is_named).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(names: &str) -> Result<Vec<String>> {
        let all = ["a", "b", "c"].map(|name| (name.to_owned(), PathBuf::new()));
        let chosen = choose(all.to_vec(), names)?;
        Ok(chosen.into_iter().map(|(name, _)| name).collect())
    }

    #[test]
    fn cases_are_chosen_by_name() -> Result<()> {
        assert_eq!(chosen("")?, ["a", "b", "c"]);
        assert_eq!(chosen("c, a")?, ["a", "c"]);
        Ok(())
    }

    #[test]
    fn a_name_that_is_no_case_is_an_error() {
        let error = chosen("a,misspelt").expect_err("there is none").to_string();
        assert_eq!(error, "there is no case 'misspelt', but a, b, c");
    }
}
