//! `*.plugin.version`: which versions of a plugin a configuration takes. Each plugin has one version here.
//!
//! Source: KIP-891, `org.apache.kafka.connect.runtime.isolation.PluginUtils.connectorVersionRequirement`.

use std::cmp::Ordering;

/// Whether a requirement, `1.2` or an interval like `[1.0,2.0)`, takes the version.
pub(crate) fn satisfies(version: &str, requirement: &str) -> bool {
    let requirement = requirement.trim();
    let interval = requirement.starts_with(['[', '(']);
    if !interval {
        return requirement.eq_ignore_ascii_case("latest") || compare(version, requirement).is_eq();
    }
    let inner = requirement.trim_start_matches(['[', '(']);
    let Some(end) = inner.find([']', ')']) else {
        return false;
    };
    let (bounds, closing) = inner.split_at(end);
    let Some((low, high)) = bounds.split_once(',') else {
        return compare(version, bounds.trim()).is_eq();
    };
    let above = match (low.trim(), requirement.starts_with('[')) {
        ("", _) => true,
        (low, true) => compare(version, low).is_ge(),
        (low, false) => compare(version, low).is_gt(),
    };
    let below = match (high.trim(), closing.starts_with(']')) {
        ("", _) => true,
        (high, true) => compare(version, high).is_le(),
        (high, false) => compare(version, high).is_lt(),
    };
    above && below
}

/// Connect's text for a plugin of which no version is taken.
pub(crate) fn not_found(class: &str, version: &str, requirement: &str) -> String {
    let requirement = requirement.trim();
    let range = if requirement.starts_with(['[', '(']) {
        requirement.to_owned()
    } else {
        format!("[{requirement},{requirement}]")
    };
    format!(
        "Plugin {class} not found that matches the version range {range}, available versions: [{version}]"
    )
}

/// Numbers by value, anything else by its letters; `Final` is the version itself.
fn compare(a: &str, b: &str) -> Ordering {
    let parts = |text: &str| -> Vec<(u64, String)> {
        let mut parts: Vec<(u64, String)> = text
            .split(['.', '-'])
            .map(|part| match part.parse() {
                Ok(number) => (number, String::new()),
                Err(_) => (0, part.to_ascii_lowercase()),
            })
            .collect();
        while parts
            .last()
            .is_some_and(|(number, text)| *number == 0 && ["", "final"].contains(&text.as_str()))
        {
            parts.pop();
        }
        parts
    };
    parts(a).cmp(&parts(b))
}

#[cfg(test)]
mod tests {
    use super::satisfies;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        fn check(version: &str, requirement: &str, expected: bool) {
            assert_eq!(
                satisfies(version, requirement),
                expected,
                "{version} {requirement}"
            );
        }
        check("4.3.0", "4.3.0", true);
        check("4.3.0", "4.3", true);
        check("4.3.0", "4.10", false);
        check("4.3.0", "latest", true);
        check("4.10.0", "[4.3,)", true);
        check("3.5.0.Final", "[3.5.0]", true);
        check("3.5.0.Final", "(3.5.0,4)", false);
        check("3.5.0.Final", "[3,3.5.0)", false);
        check("3.5.0.Final", "(,4)", true);
        check("3.5.0.Final", "[3", false);
    }
}
