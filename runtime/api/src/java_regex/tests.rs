use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Flags, JavaRegex, RegexError, Replacer};

/// Patterns that Java takes and this module refuses by name.
const UNSUPPORTED: [&str; 2] = ["a{2}{3}", "a+{2}"];

fn recorded() -> Vec<Value> {
    include_str!("../../testdata/java/regex.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

fn flags_of(case: &Value) -> Flags {
    Flags(u8::try_from(case["flags"].as_u64().unwrap()).unwrap())
}

fn replacer(case: &Value, replacement: &str) -> Result<Replacer, RegexError> {
    let pattern = case["pattern"].as_str().unwrap();
    Replacer::with_flags(pattern, flags_of(case), replacement)
}

#[test]
fn patterns_mean_what_they_mean_in_java() {
    let mut wrong = Vec::new();
    for case in recorded() {
        wrong.extend(differences(&case));
    }
    assert!(wrong.is_empty(), "{} answers: {:#?}", wrong.len(), wrong);
}

/// What is otherwise than recorded.
fn differences(case: &Value) -> Vec<String> {
    let pattern = case["pattern"].as_str().unwrap();
    let regex = JavaRegex::with_flags(pattern, flags_of(case));
    let regex = match (regex, case["refused"].as_str()) {
        (Err(RegexError::Unsupported { .. }), None) if UNSUPPORTED.contains(&pattern) => {
            return Vec::new();
        }
        (Err(_), Some(_)) => return Vec::new(),
        (Ok(_), Some(_)) => return vec![format!("{pattern} is taken")],
        (Err(error), _) => return vec![format!("{pattern:?}: {error}")],
        (Ok(regex), None) => regex,
    };
    let whole = replacer(case, "$0").unwrap();
    let replaced = replacer(case, case["replacement"].as_str().unwrap());
    let mut wrong = Vec::new();
    let mut check = |text: &str, what: &str, ours: Value, javas: &Value| {
        if ours != *javas {
            wrong.push(format!(
                "{pattern:?} on {text:?}: {what} is {ours}, in Java {javas} ({})",
                regex.translated.engine
            ));
        }
    };
    for answer in case["texts"].as_array().unwrap() {
        let text = answer["text"].as_str().unwrap();
        let matches = regex.matches(text).unwrap();
        check(text, "matches", matches.into(), &answer["matches"]);
        let found = whole.part.find(text).unwrap();
        let found = found.map(|found| found.as_str()).into();
        check(text, "found", found, &answer["found"]);
        let (ours, javas) = match &replaced {
            Ok(replacer) => (replacer.replace_first(text).unwrap(), &answer["replaced"]),
            Err(RegexError::Replacement { reason, .. }) if reason.contains("is not certain") => {
                continue;
            }
            Err(RegexError::Replacement { reason, .. }) => (reason.clone(), &answer["error"]),
            Err(error) => (error.to_string(), &Value::Null),
        };
        check(text, "replaced", ours.into(), javas);
    }
    wrong
}

#[test]
fn groups_whose_last_round_is_not_certain_are_not_named_in_replacements() {
    for pattern in ["(a*)*", "(a*)+", "(|a)+", "((a)?){2}", r"(?:(\b)|(?:b?))*"] {
        let error = Replacer::new(pattern, "$1").expect_err(pattern);
        assert!(
            error.to_string().contains("group 1 is in a loop"),
            "{error}"
        );
        Replacer::new(pattern, "$0").unwrap();
    }
    for pattern in [
        "(a)*",
        "(a+b*)*",
        "(a*)?",
        "(?:(a)|b)*",
        "((?!x).)*",
        "(a*){1}",
    ] {
        Replacer::new(pattern, "$1").unwrap();
    }
}

#[test]
fn what_cannot_be_kept_is_refused_by_name() {
    fn check(pattern: &str, expected: &str) {
        let error = JavaRegex::new(pattern).expect_err(pattern);
        assert!(matches!(error, RegexError::Unsupported { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    check(r"\X", r"\X");
    check(r"\b{g}", r"\b{g}");
    check(r"\N{DIGIT ONE}", r"\N{");
    check(r"\p{InGreek}", r"\p{InGreek}");
    check(r"\p{blk=Greek}", r"\p{blk=Greek}");
    check(r"\p{javaMirrored}", r"\p{javaMirrored}");
    check("a{100000}", "100000 repetitions");
    check("((((a{999}){999}){999}){999}){999}", "engine does not take");
    check(&"(".repeat(100_000), "nested deeper");
    check(&"[".repeat(100_000), "nested deeper");
    check(&format!("[a{}]", "&&b".repeat(100_000)), "nested deeper");
    check(r"\ud83d", "U+D83D");
}

#[test]
fn a_match_without_an_end_is_given_up() {
    let started = Instant::now();
    for pattern in [
        r"(?:(?!x)(a|aa)+)+b",
        r"(a*)*\1b",
        r"(?:(?=a)a*?)*?c(?<!a)",
        r"(a|a?)+(?!z)b",
    ] {
        let regex = JavaRegex::new(pattern).unwrap();
        let text = "a".repeat(5_000);
        match regex.matches(&text) {
            Ok(false) => {}
            Ok(true) => panic!("{pattern} matches"),
            Err(error) => {
                assert!(matches!(error, RegexError::TooSlow { .. }), "{error}");
                assert!(error.to_string().len() < 400, "{error}");
            }
        }
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn routers_replace_what_is_found_without_the_ends() {
    let replacer = Replacer::new(r"(\w+?)_(\w+?)", "$2_$1").unwrap();
    assert_eq!(replacer.replace("ab_cd").unwrap().unwrap(), "c_abd");
    assert_eq!(replacer.replace("abcd").unwrap(), None);
    assert!(Replacer::new("(a", "$1").is_err());
    assert!(Replacer::new("(a)", "$2").is_err());
}

proptest::proptest! {
    /// No pattern panics or takes long.
    #[test]
    fn any_pattern_is_taken_or_refused(
        pattern in r"[a-c\\\[\]\(\)\{\}\?\*\+\|\^\$\.&\-:<=!,0-9pPQEdwsbBkxu ]{0,24}",
        text in r"[a-c\n\-0-9 ]{0,12}",
    ) {
        if let Ok(regex) = JavaRegex::new(&pattern) {
            drop(regex.matches(&text));
        }
        drop(Replacer::new("(a)(?<b>b)", &pattern));
    }
}
