//! What to run.

use anyhow::{Context as _, Result, bail, ensure};

const USAGE: &str = "run_tests [--slots N] [--filter TEXT]... [units | doc | TEST | TEST::PART]...";

/// More than there are processors: tests wait for servers.
const SLOTS: usize = 4;

#[derive(Debug)]
pub(crate) struct Choice {
    /// How many binaries run side by side.
    pub(crate) slots: usize,
    /// Parts of names, one of which a test must have; none: all tests.
    pub(crate) filters: Vec<String>,
    /// What was asked for; empty for everything.
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Units,
    Doc,
    /// An integration test, or what of it has a text in its name.
    Test {
        target: String,
        filter: Option<String>,
    },
}

impl Choice {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        let mut choice = Self {
            slots: SLOTS,
            filters: Vec::new(),
            parts: Vec::new(),
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--slots" => choice.slots = args.next().context(USAGE)?.parse().context(USAGE)?,
                "--filter" => choice.filters.push(args.next().context(USAGE)?),
                "units" => choice.parts.push(Part::Units),
                "doc" => choice.parts.push(Part::Doc),
                option if option.starts_with('-') => bail!("'{option}' is not known: {USAGE}"),
                test => choice.parts.push(Part::test(test)),
            }
        }
        ensure!(choice.slots > 0, "--slots must be at least 1");
        Ok(choice)
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn has(&self, part: &Part) -> bool {
        self.is_everything() || self.parts.contains(part)
    }

    /// The integration tests that are asked for by name, each once.
    pub(crate) fn tests(&self) -> Vec<&str> {
        let mut tests: Vec<&str> = Vec::new();
        for part in &self.parts {
            if let Part::Test { target, .. } = part
                && !tests.contains(&target.as_str())
            {
                tests.push(target);
            }
        }
        tests
    }
}

impl Part {
    fn test(text: &str) -> Self {
        let (target, filter) = match text.split_once("::") {
            Some((target, filter)) => (target, Some(filter.to_owned())),
            None => (text, None),
        };
        Self::Test {
            target: target.to_owned(),
            filter,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Choice> {
        Choice::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn nothing_is_everything() -> Result<()> {
        let choice = parse(&[])?;
        assert!(choice.is_everything() && choice.has(&Part::Doc) && choice.has(&Part::Units));
        Ok(())
    }

    #[test]
    fn parts_of_a_binary_are_told_from_the_whole() -> Result<()> {
        let choice = parse(&["units", "a::x", "a::y::z", "b", "--filter", "t"])?;
        assert_eq!(choice.tests(), ["a", "b"]);
        assert_eq!(choice.parts[2], Part::test("a::y::z"));
        assert_eq!(choice.filters, ["t"]);
        assert!(!choice.has(&Part::Doc));
        Ok(())
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for args in [
            &["--slot", "3"][..],
            &["--slots"],
            &["--slots", "0"],
            &["--slots", "x"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}
