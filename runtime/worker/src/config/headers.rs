//! Settings of REST's headers.

use axum::http::{HeaderName, HeaderValue};

/// `access.control.allow.origin` and `access.control.allow.methods`.
#[derive(Debug, Clone, Default)]
pub(crate) struct CrossOrigin {
    /// Origins that may ask, `*` for all; none if other origins get no help.
    pub(crate) origins: Vec<String>,
    pub(crate) methods: Vec<String>,
}

/// `response.http.headers.config`: headers of every answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponseHeaders(pub(crate) Vec<(HeaderName, HeaderValue, Action)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Set,
    Add,
}

impl ResponseHeaders {
    /// Rules `set name: value` and `add name: value`, separated by commas; one with a comma in it is quoted.
    ///
    /// # Errors
    /// The rule that is wrong, and why.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, String)> {
        let mut rules = Vec::new();
        for rule in split_rules(text) {
            let wrong = |reason: &str| (rule.clone(), reason.to_owned());
            let (action, header) = rule.split_once(' ').ok_or_else(|| {
                wrong("a rule has the form '[action] [header name]:[header value]'")
            })?;
            let action = match action {
                "set" => Action::Set,
                "add" => Action::Add,
                _ => return Err(wrong("the action must be 'set' or 'add'")),
            };
            let (name, value) = header
                .split_once(':')
                .ok_or_else(|| wrong("a ':' between name and value is missing"))?;
            let name =
                HeaderName::try_from(name.trim()).map_err(|_| wrong("the name is no header's"))?;
            let value = HeaderValue::try_from(value.trim())
                .map_err(|_| wrong("the value cannot stand in a header"))?;
            rules.push((name, value, action));
        }
        Ok(Self(rules))
    }
}

fn split_rules(text: &str) -> Vec<String> {
    let (mut rules, mut rule, mut quoted) = (Vec::new(), String::new(), false);
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => rules.push(std::mem::take(&mut rule)),
            other => rule.push(other),
        }
    }
    rules.push(rule);
    let rules = rules.into_iter().map(|rule| rule.trim().to_owned());
    rules.filter(|rule| !rule.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_answers_are_configured() {
        let rules = r#"add Cache-Control: no-cache, "set X-List: a, b""#;
        let headers = ResponseHeaders::parse(rules).unwrap();
        let shown: Vec<_> = headers
            .0
            .iter()
            .map(|(name, value, action)| (name.as_str(), value.to_str().unwrap(), *action))
            .collect();
        assert_eq!(
            shown,
            [
                ("cache-control", "no-cache", Action::Add),
                ("x-list", "a, b", Action::Set)
            ]
        );
        for wrong in ["setDate Expires: 10", "set X", "set", "set a b: c"] {
            let (rule, _) = ResponseHeaders::parse(wrong).unwrap_err();
            assert_eq!(rule, wrong);
        }
    }
}
