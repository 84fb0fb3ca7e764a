//! Config providers: placeholders in configurations, resolved as late as possible and never stored resolved.
//!
//! Source: `org.apache.kafka.common.config.{ConfigTransformer,provider.*}`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::LazyLock;

use fancy_regex::Regex;
use tidegate_api::{ConfigKey, ConnectError, Props};
use tracing::warn;

use crate::properties;

static CONFIG_PROVIDERS: ConfigKey<Vec<String>> = ConfigKey::new("config.providers", "");

#[allow(clippy::expect_used, reason = "the pattern is a constant")]
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}").expect("a regular expression")
});

/// The providers that the worker's file names.
#[derive(Default)]
pub struct ConfigProviders(BTreeMap<String, Box<dyn Provider>>);

impl fmt::Debug for ConfigProviders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

trait Provider: Send + Sync {
    /// `None` if there is no such key.
    fn get(&self, path: &str, key: &str) -> Result<Option<String>, ConnectError>;
}

impl ConfigProviders {
    /// # Errors
    /// `Config` if a provider's class is missing or not known.
    pub fn new(props: &Props) -> Result<Self, ConnectError> {
        let mut providers = BTreeMap::new();
        for name in props.get(&CONFIG_PROVIDERS)? {
            let key = format!("config.providers.{name}.class");
            let class = props.raw(&key).ok_or_else(|| {
                ConnectError::config(format!(
                    "Missing required configuration \"{key}\" which has no default value."
                ))
            })?;
            let options = props.with_prefix(&format!("config.providers.{name}.param."));
            let allowed = || {
                let paths = options.raw("allowed.paths").unwrap_or_default();
                paths
                    .split(',')
                    .map(str::trim)
                    .filter(|path| !path.is_empty())
                    .map(str::to_owned)
                    .collect()
            };
            let provider: Box<dyn Provider> = match class.rsplit('.').next().unwrap_or(class) {
                "FileConfigProvider" => Box::new(FileProvider { allowed: allowed() }),
                "DirectoryConfigProvider" => Box::new(DirectoryProvider { allowed: allowed() }),
                "EnvVarConfigProvider" => {
                    let pattern = options.raw("allowlist.pattern").unwrap_or(".*");
                    let pattern = Regex::new(&format!("^(?:{pattern})$")).map_err(|error| {
                        ConnectError::config(format!(
                            "Invalid value {pattern} for configuration allowlist.pattern: {error}"
                        ))
                    })?;
                    Box::new(EnvironmentProvider { pattern })
                }
                _ => {
                    return Err(ConnectError::config(format!(
                        "Invalid value {class} for configuration {key}: this worker has FileConfigProvider, \
                         DirectoryConfigProvider and EnvVarConfigProvider"
                    )));
                }
            };
            providers.insert(name, provider);
        }
        Ok(Self(providers))
    }

    /// The properties with all placeholders replaced that a provider knows; others stay as they are.
    ///
    /// # Errors
    /// If a provider cannot read its source.
    pub fn resolve(&self, props: &Props) -> Result<Props, ConnectError> {
        props
            .iter()
            .map(|(name, value)| Ok((name.to_owned(), self.resolve_value(value)?)))
            .collect()
    }

    fn resolve_value(&self, value: &str) -> Result<String, ConnectError> {
        let mut out = String::new();
        let mut end = 0;
        for captures in PLACEHOLDER.captures_iter(value) {
            let Ok(captures) = captures else { break };
            let part = |index: usize| captures.get(index).map_or("", |found| found.as_str());
            let Some(whole) = captures.get(0) else {
                continue;
            };
            let found = match self.0.get(part(1)) {
                Some(provider) => provider.get(part(3), part(4))?,
                None => None,
            };
            out.push_str(value.get(end..whole.start()).unwrap_or_default());
            out.push_str(found.as_deref().unwrap_or(whole.as_str()));
            end = whole.end();
        }
        out.push_str(value.get(end..).unwrap_or_default());
        Ok(out)
    }

    /// Whether a raw value holds a placeholder.
    pub(crate) fn has_placeholder(value: &str) -> bool {
        PLACEHOLDER.is_match(value).unwrap_or(false)
    }
}

fn is_allowed(path: &Path, allowed: &[String]) -> bool {
    let inside = |root: &String| path.canonicalize().is_ok_and(|real| real.starts_with(root));
    let ok = allowed.is_empty() || allowed.iter().any(inside);
    if !ok {
        warn!(
            "The path {} is not permitted by allowed.paths; its placeholders stay as they are",
            path.display()
        );
    }
    ok
}

struct FileProvider {
    allowed: Vec<String>,
}

impl Provider for FileProvider {
    fn get(&self, path: &str, key: &str) -> Result<Option<String>, ConnectError> {
        if path.is_empty() || !is_allowed(Path::new(path), &self.allowed) {
            return Ok(None);
        }
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConnectError::config(format!(
                "Could not read properties from file {path}: {error}"
            ))
        })?;
        Ok(properties::parse(&text).raw(key).map(str::to_owned))
    }
}

struct DirectoryProvider {
    allowed: Vec<String>,
}

impl Provider for DirectoryProvider {
    fn get(&self, path: &str, key: &str) -> Result<Option<String>, ConnectError> {
        let file = Path::new(path).join(key);
        if path.is_empty()
            || key.contains('/')
            || !file.is_file()
            || !is_allowed(&file, &self.allowed)
        {
            return Ok(None);
        }
        std::fs::read_to_string(&file).map(Some).map_err(|error| {
            ConnectError::config(format!("Could not read file {}: {error}", file.display()))
        })
    }
}

struct EnvironmentProvider {
    pattern: Regex,
}

impl Provider for EnvironmentProvider {
    fn get(&self, path: &str, key: &str) -> Result<Option<String>, ConnectError> {
        if !path.is_empty() {
            return Err(ConnectError::config(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )));
        }
        Ok(self
            .pattern
            .is_match(key)
            .unwrap_or(false)
            .then(|| std::env::var(key).ok())
            .flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_where_a_provider_knows_them() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("secrets.properties");
        std::fs::write(&file, "password=s3cret\n").expect("written");
        let providers = ConfigProviders::new(&Props::from([
            ("config.providers", "file,dir,env"),
            (
                "config.providers.file.class",
                "org.apache.kafka.common.config.provider.FileConfigProvider",
            ),
            (
                "config.providers.dir.class",
                "org.apache.kafka.common.config.provider.DirectoryConfigProvider",
            ),
            (
                "config.providers.env.class",
                "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            ),
        ]))
        .expect("providers");
        let check = |value: String, expected: &str| {
            assert_eq!(providers.resolve_value(&value).expect("resolved"), expected);
        };
        check(
            format!("a-${{file:{}:password}}-b", file.display()),
            "a-s3cret-b",
        );
        check(
            format!("${{file:{}:other}}", file.display()),
            &format!("${{file:{}:other}}", file.display()),
        );
        check(
            format!("${{dir:{}:secrets.properties}}", directory.path().display()),
            "password=s3cret\n",
        );
        check("${nobody:x}".to_owned(), "${nobody:x}");
        check("${topic}".to_owned(), "${topic}");
        check(
            "${env:PATH}".to_owned(),
            &std::env::var("PATH").unwrap_or_default(),
        );
        let error = providers
            .resolve_value("${file:/does/not/exist:x}")
            .expect_err("no file");
        assert!(
            error
                .text()
                .starts_with("Could not read properties from file /does/not/exist")
        );
    }
}
