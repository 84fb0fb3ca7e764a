//! Config providers: `${provider:path:key}` in properties, resolved late and never stored resolved.
//!
//! Source: `org.apache.kafka.common.config.{ConfigTransformer,provider.*}`.

use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};

use fancy_regex::Regex;
use tidegate_api::{ConnectError, Props};
use tracing::{error, warn};

use crate::config::keys;
use crate::errors::WorkerError;
use crate::properties::parse_properties;

/// `ConfigTransformer.DEFAULT_PATTERN`.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\$\{([^}]*?):(([^}]*?):)?([^}]*?)\}").expect("the pattern is constant")
});

const FILE: &str = "org.apache.kafka.common.config.provider.FileConfigProvider";
const DIRECTORY: &str = "org.apache.kafka.common.config.provider.DirectoryConfigProvider";
const ENV: &str = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";

/// Whether a value holds a placeholder of any provider.
pub(crate) fn has_placeholder(value: &str) -> bool {
    value.contains("${") && PLACEHOLDER.is_match(value).unwrap_or(false)
}

/// Replaces placeholders by what the configured providers hold for them.
#[derive(Clone, Default)]
pub(crate) struct ConfigTransformer {
    providers: Arc<[(String, Provider)]>,
}

/// Values of the environment are secrets.
impl fmt::Debug for ConfigTransformer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.providers.iter().map(|(name, _)| name)).finish()
    }
}

enum Provider {
    File(AllowedPaths),
    Directory(AllowedPaths),
    /// The environment at the worker's start, already reduced to what `allowlist.pattern` allows.
    Env(HashMap<String, String>),
}

impl ConfigTransformer {
    /// The providers that `config.providers` of a worker's file lists.
    ///
    /// # Errors
    /// `Config` if a provider has no class, or one that is not known.
    pub(crate) fn new(props: &Props) -> Result<Self, WorkerError> {
        let names = props.get(&keys::CONFIG_PROVIDERS).map_err(crate::config::config_error)?;
        let providers: Result<Vec<_>, WorkerError> = names
            .into_iter()
            .map(|name| {
                let prefix = format!("config.providers.{name}.");
                let own = props.with_prefix(&prefix);
                let class = own.raw("class").ok_or_else(|| {
                    WorkerError::Config(format!(
                        "Missing required configuration \"{prefix}class\" which has no default value."
                    ))
                })?;
                let provider = Provider::new(&prefix, class, &own.with_prefix("param."))?;
                Ok((name, provider))
            })
            .collect();
        Ok(Self {
            providers: providers?.into(),
        })
    }

    /// The properties with every placeholder of a known provider and key resolved; others stay as they are.
    ///
    /// # Errors
    /// `Config` if a provider's file cannot be read.
    pub(crate) fn transform(&self, props: &Props) -> Result<Props, ConnectError> {
        if self.providers.is_empty() {
            return Ok(props.clone());
        }
        props
            .iter()
            .map(|(name, value)| Ok((name.to_owned(), self.resolve(value)?)))
            .collect()
    }

    fn resolve(&self, value: &str) -> Result<String, ConnectError> {
        let mut resolved = String::with_capacity(value.len());
        let mut rest = 0;
        for captures in PLACEHOLDER.captures_iter(value) {
            let captures =
                captures.map_err(|error| ConnectError::config("could not read a placeholder").caused_by(error))?;
            let whole = captures.get(0).expect("group 0 is the match");
            let part = |group| captures.get(group).map_or("", |part| part.as_str());
            resolved.push_str(value.get(rest..whole.start()).unwrap_or_default());
            match self.get(part(1), part(3), part(4))? {
                Some(secret) => resolved.push_str(&secret),
                None => resolved.push_str(whole.as_str()),
            }
            rest = whole.end();
        }
        resolved.push_str(value.get(rest..).unwrap_or_default());
        Ok(resolved)
    }

    fn get(&self, provider: &str, path: &str, key: &str) -> Result<Option<String>, ConnectError> {
        let Some((_, provider)) = self.providers.iter().find(|(name, _)| name == provider) else {
            return Ok(None);
        };
        match provider {
            Provider::File(allowed) => file_value(allowed, path, key),
            Provider::Directory(allowed) => Ok(directory_value(allowed, path, key)),
            Provider::Env(_) if !path.is_empty() => Err(ConnectError::config(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            ))),
            Provider::Env(environment) => Ok(environment.get(key).cloned()),
        }
    }
}

impl Provider {
    fn new(prefix: &str, class: &str, params: &Props) -> Result<Self, WorkerError> {
        let simple = class.rsplit('.').next().unwrap_or(class);
        let is = |known: &str| class == known || (class == simple && known.ends_with(&format!(".{class}")));
        if is(FILE) {
            return Ok(Self::File(AllowedPaths::new(params)?));
        }
        if is(DIRECTORY) {
            return Ok(Self::Directory(AllowedPaths::new(params)?));
        }
        if !is(ENV) {
            return Err(WorkerError::Config(format!(
                "{prefix}class={class}: unknown config provider; known are {FILE}, {DIRECTORY}, {ENV}"
            )));
        }
        let pattern = params
            .raw("allowlist.pattern")
            .map(|pattern| Regex::new(&format!("^(?:{pattern})$")))
            .transpose()
            .map_err(|error| WorkerError::Config(format!("{prefix}param.allowlist.pattern: {error}")))?;
        let is_allowed = |name: &str| {
            pattern
                .as_ref()
                .is_none_or(|pattern| pattern.is_match(name).unwrap_or(false))
        };
        Ok(Self::Env(std::env::vars().filter(|(name, _)| is_allowed(name)).collect()))
    }
}

/// Directories below which a provider may read; `None`: anywhere.
struct AllowedPaths(Option<Vec<PathBuf>>);

impl AllowedPaths {
    fn new(params: &Props) -> Result<Self, WorkerError> {
        let Some(list) = params.raw("allowed.paths").filter(|list| !list.trim().is_empty()) else {
            return Ok(Self(None));
        };
        let paths: Vec<PathBuf> = list.split(',').map(|path| PathBuf::from(path.trim())).collect();
        match paths.iter().find(|path| !path.is_absolute() || !path.exists()) {
            Some(bad) => Err(WorkerError::Config(format!(
                "allowed.paths: '{}' is not absolute or does not exist",
                bad.display()
            ))),
            None => Ok(Self(Some(paths))),
        }
    }

    /// The path without `.` and `..`, if it is allowed.
    fn check(&self, path: &str) -> Option<PathBuf> {
        let mut plain = PathBuf::new();
        for component in Path::new(path).components() {
            match component {
                Component::ParentDir => {
                    plain.pop();
                }
                Component::CurDir => {}
                other => plain.push(other),
            }
        }
        let is_allowed = self
            .0
            .as_ref()
            .is_none_or(|allowed| allowed.iter().any(|directory| plain.starts_with(directory)));
        if !is_allowed {
            warn!(path, "the path is not below 'allowed.paths' of its config provider");
        }
        is_allowed.then_some(plain)
    }
}

fn file_value(allowed: &AllowedPaths, path: &str, key: &str) -> Result<Option<String>, ConnectError> {
    if path.is_empty() {
        return Ok(None);
    }
    let Some(path) = allowed.check(path) else {
        return Ok(None);
    };
    let bytes = std::fs::read(&path).map_err(|error| {
        let text = format!("Could not read properties from file {}", path.display());
        ConnectError::config(text).caused_by(error)
    })?;
    Ok(parse_properties(&bytes).raw(key).map(str::to_owned))
}

/// The content of a file, line ends included. What is not a regular file is as good as not there.
fn directory_value(allowed: &AllowedPaths, path: &str, key: &str) -> Option<String> {
    if path.is_empty() || key.contains(['/', '\\']) {
        return None;
    }
    let file = allowed.check(path)?.join(key);
    if !file.is_file() {
        return None;
    }
    std::fs::read_to_string(&file)
        .inspect_err(|error| error!(file = %file.display(), %error, "could not read the file of a config provider"))
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transformer(extra: &[(&str, &str)]) -> Result<ConfigTransformer, WorkerError> {
        let mut props = Props::from([
            ("config.providers", "file,dir,env"),
            ("config.providers.file.class", FILE),
            ("config.providers.dir.class", "DirectoryConfigProvider"),
            ("config.providers.env.class", ENV),
        ]);
        for (name, value) in extra {
            props.set(*name, *value);
        }
        ConfigTransformer::new(&props)
    }

    #[test]
    fn placeholders_of_all_providers_are_replaced_inside_text() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("s.properties");
        std::fs::write(&file, "user=ann\npass\\ word=s3:cr}t\n").unwrap();
        std::fs::write(directory.path().join("token"), "abc\n").unwrap();
        let (file, dir) = (file.display(), directory.path().display());
        let transformer = transformer(&[]).unwrap();
        let check = |value: String, expected: &str| {
            assert_eq!(transformer.resolve(&value).unwrap(), expected, "{value}");
        };
        check(format!("<${{file:{file}:user}}-${{file:{file}:pass word}}>"), "<ann-s3:cr}t>");
        check(format!("${{dir:{dir}:token}}"), "abc\n");
        check("${env:CARGO_PKG_NAME}".to_owned(), "tidegate-worker");
    }

    #[test]
    fn what_no_provider_knows_stays_as_it_is() {
        let transformer = transformer(&[]).unwrap();
        for value in [
            "${vault:a:b}",
            "${env:NOT_SET_ANYWHERE}",
            "${noseparator}",
            "mp_cdc.${topic}",
            "${dir:/nowhere:x}",
            "${file:key}",
        ] {
            assert_eq!(transformer.resolve(value).unwrap(), value);
        }
    }

    #[test]
    fn an_unreadable_file_is_an_error_that_names_it() {
        let error = transformer(&[]).unwrap().resolve("${file:/nowhere/x.properties:k}").unwrap_err();
        assert!(error.text().contains("Could not read properties from file /nowhere/x.properties"));
    }

    #[test]
    fn paths_outside_the_allowed_ones_stay_unresolved() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("in")).unwrap();
        for name in ["secret", "in/open"] {
            std::fs::write(directory.path().join(name), "x").unwrap();
        }
        let allowed = directory.path().join("in");
        let transformer =
            transformer(&[("config.providers.dir.param.allowed.paths", allowed.to_str().unwrap())]).unwrap();
        let resolve = |path: String, key: &str| transformer.resolve(&format!("${{dir:{path}:{key}}}")).unwrap();
        assert_eq!(resolve(allowed.display().to_string(), "open"), "x");
        assert!(resolve(format!("{}/..", allowed.display()), "secret").starts_with("${dir:"));
    }

    #[test]
    fn an_allow_list_hides_other_variables() {
        let transformer =
            transformer(&[("config.providers.env.param.allowlist.pattern", "CARGO_PKG_V.*")]).unwrap();
        assert_eq!(transformer.resolve("${env:CARGO_PKG_NAME}").unwrap(), "${env:CARGO_PKG_NAME}");
        assert!(!transformer.resolve("${env:CARGO_PKG_VERSION}").unwrap().contains('$'));
    }

    #[test]
    fn unknown_providers_are_refused_by_name() {
        let error = transformer(&[("config.providers.env.class", "com.example.Vault")]).unwrap_err();
        assert!(error.to_string().starts_with("config.providers.env.class=com.example.Vault: unknown"));
    }
}
