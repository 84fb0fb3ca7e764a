//! What must not be shown: values of properties that hold passwords, keys and tokens.

use tidegate_api::Props;

/// Stands for a secret.
pub(super) const MASK: &str = "********";

/// Parts of names of properties whose values are secret.
const SECRET_NAMES: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "jaas",
    "user.info",
    "api.key",
    "apikey",
    "keystore.key",
    "private.key",
];
/// What comes before a password within a URL or a list of settings.
const PASSWORD_PARAMETERS: [&str; 3] = ["password=", "passphrase=", "passwd="];
/// Secrets shorter than this are not looked for in texts: they would be found everywhere.
const SHORTEST: usize = 3;

/// The value as it may be shown. What only refers to a secret is none: `${file:/path:key}`.
pub(super) fn masked(key: &str, value: &str) -> String {
    if is_secret(key) {
        let is_reference =
            value.starts_with("${") && value.ends_with('}') && value.matches("${").count() == 1;
        if value.is_empty() || is_reference {
            return value.to_owned();
        }
        return MASK.to_owned();
    }
    let mut result = value.to_owned();
    for secret in inner_secrets(value) {
        result = result.replace(&secret, MASK);
    }
    result
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| key.contains(part))
}

/// Passwords within a value: `jdbc:postgresql://host/db?user=me&password=…`, `https://me:…@host`.
fn inner_secrets(value: &str) -> Vec<String> {
    let lower = value.to_ascii_lowercase();
    let mut secrets = Vec::new();
    for parameter in PASSWORD_PARAMETERS {
        for (start, _) in lower.match_indices(parameter) {
            let rest = value.get(start + parameter.len()..).unwrap_or_default();
            let end = rest.find(['&', ';', ' ']).unwrap_or(rest.len());
            secrets.extend(rest.get(..end).map(str::to_owned));
        }
    }
    let authority = value
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?']).next());
    if let Some((_, password)) = authority
        .and_then(|authority| authority.rsplit_once('@'))
        .and_then(|(user, _)| user.split_once(':'))
    {
        secrets.push(password.to_owned());
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

/// The secrets of one configuration, to be taken out of texts that a worker answers.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of(config: &Props) -> Self {
        let mut secrets = Vec::new();
        for (key, value) in config.iter() {
            if is_secret(key) && masked(key, value) == MASK {
                secrets.push(value.to_owned());
            }
            secrets.extend(inner_secrets(value));
        }
        secrets.retain(|secret| secret.len() >= SHORTEST);
        // A secret that contains another one goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self(secrets)
    }

    pub(super) fn redact(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), MASK)
        })
    }

    pub(super) fn redact_error(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow::anyhow!("{}", self.redact(&format!("{error:#}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(key: &str, value: &str, expected: &str) {
        assert_eq!(masked(key, value), expected);
    }

    #[test]
    fn secrets_are_masked_by_the_names_of_their_properties() {
        check("database.password", "pw", MASK);
        check("database.ssl.keystore.Password", "pw", MASK);
        check("ssl.key.passphrase", "pw", MASK);
        check("sasl.jaas.config", "x required password=\"pw\";", MASK);
        check("oauth.token", "pw", MASK);
        check("client.secret", "pw", MASK);
        check("schema.registry.basic.auth.user.info", "me:pw", MASK);
        check("database.user", "me", "me");
        check("message.key.columns", "a:b", "a:b");
        check("database.password", "", "");
    }

    #[test]
    fn references_to_secrets_are_shown() {
        check(
            "database.password",
            "${file:/s.properties:pw}",
            "${file:/s.properties:pw}",
        );
        check("database.password", "${env:A}-${env:B}", MASK);
    }

    #[test]
    fn passwords_within_urls_are_masked() {
        check(
            "connection.url",
            "jdbc:postgresql://h:5432/db?user=me&password=p%40w&ssl=true",
            "jdbc:postgresql://h:5432/db?user=me&password=********&ssl=true",
        );
        check(
            "connection.url",
            "jdbc:sqlserver://h;Password=pw;x=y",
            "jdbc:sqlserver://h;Password=********;x=y",
        );
        check(
            "registry.url",
            "https://me:s3cret@host/x",
            "https://me:********@host/x",
        );
        check(
            "connection.url",
            "jdbc:postgresql://h:5432/db",
            "jdbc:postgresql://h:5432/db",
        );
    }

    #[test]
    fn secrets_are_taken_out_of_texts() {
        let mut config = Props::new();
        config.set("database.password", "hunter");
        config.set("other.password", "hunter2");
        config.set("connection.url", "jdbc:postgresql://h/db?password=s3cret");
        let secrets = Secrets::of(&config);
        assert_eq!(
            secrets.redact("{database.password=hunter, x=hunter2, url=?password=s3cret}"),
            "{database.password=********, x=********, url=?password=********}"
        );
    }
}
