//! Config providers: placeholders in configurations, resolved as late as possible and never stored resolved.
//!
//! Source: `org.apache.kafka.common.config.{ConfigTransformer,provider.*}`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use fancy_regex::Regex;
use tidegate_api::{ConfigKey, ConnectError, JavaRegex, Props};

use crate::properties;

pub(crate) static CONFIG_PROVIDERS: ConfigKey<Vec<String>> = ConfigKey::new("config.providers", "");

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
    /// # Errors
    /// Why there is no such value; never the value of another key.
    fn get(&self, path: &str, key: &str) -> Result<String, ConnectError>;
}

/// What placeholders have become, to take it back out of texts that people see: the value and the placeholder.
#[derive(Default)]
pub(crate) struct Revealed(Vec<(String, String)>);

impl Revealed {
    fn add(&mut self, value: &str, placeholder: &str) {
        let value = value.trim();
        if !value.is_empty() {
            self.0.push((value.to_owned(), placeholder.to_owned()));
            // The longest first: one may be a part of another.
            self.0
                .sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        }
    }

    /// The text with placeholders in place of their values.
    pub(crate) fn hide(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, placeholder) in &self.0 {
            text = replace_words(&text, value, placeholder);
        }
        text
    }
}

/// Short values stand in many a word: they are replaced only where they are words of their own.
const WORD: usize = 4;

fn replace_words(text: &str, value: &str, replacement: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(value) {
        let touches = before
            .chars()
            .next_back()
            .is_some_and(char::is_alphanumeric)
            || after.chars().next().is_some_and(char::is_alphanumeric);
        out.push_str(before);
        out.push_str(if touches && value.len() < WORD {
            value
        } else {
            replacement
        });
        rest = after;
    }
    out.push_str(rest);
    out
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
            let allowed = || AllowedPaths::new(options.raw("allowed.paths").unwrap_or_default());
            let provider: Box<dyn Provider> = match class.rsplit('.').next().unwrap_or(class) {
                "FileConfigProvider" => Box::new(FileProvider {
                    allowed: allowed()?,
                }),
                "DirectoryConfigProvider" => Box::new(DirectoryProvider {
                    allowed: allowed()?,
                }),
                "EnvVarConfigProvider" => {
                    let pattern = options.raw("allowlist.pattern").unwrap_or(".*");
                    let pattern = JavaRegex::new(pattern).map_err(|error| {
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

    /// The properties with the placeholders of all known providers replaced; others stay as they are.
    ///
    /// # Errors
    /// `Config` if a provider has no such value. The original leaves the placeholder there, and then takes its text for the
    /// password.
    pub fn resolve(&self, props: &Props) -> Result<Props, ConnectError> {
        self.reveal(props).map(|(props, _)| props)
    }

    /// As [`Self::resolve`], with what the placeholders have become.
    pub(crate) fn reveal(&self, props: &Props) -> Result<(Props, Revealed), ConnectError> {
        let mut revealed = Revealed::default();
        let mut resolved = Props::new();
        for (name, value) in props.iter() {
            resolved.set(name, self.resolve_value(name, value, &mut revealed)?);
        }
        Ok((resolved, revealed))
    }

    fn resolve_value(
        &self,
        name: &str,
        value: &str,
        revealed: &mut Revealed,
    ) -> Result<String, ConnectError> {
        let mut out = String::new();
        let mut end = 0;
        for captures in PLACEHOLDER.captures_iter(value) {
            let Ok(captures) = captures else { break };
            let part = |index: usize| captures.get(index).map_or("", |found| found.as_str());
            let (Some(whole), Some(provider)) = (captures.get(0), self.0.get(part(1))) else {
                continue;
            };
            let placeholder = whole.as_str();
            let found = provider.get(part(3), part(4)).map_err(|error| {
                ConnectError::config(format!(
                    "{} (the placeholder {placeholder} of property '{name}')",
                    error.text()
                ))
            })?;
            revealed.add(&found, placeholder);
            out.push_str(value.get(end..whole.start()).unwrap_or_default());
            out.push_str(&found);
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

/// `allowed.paths`: where files may be read; everywhere if it is empty.
///
/// Links are not followed to decide it: what an allowed directory links to is allowed, such as `/var/run/secrets`.
///
/// Source: `org.apache.kafka.common.config.internals.AllowedPaths`.
struct AllowedPaths(Vec<PathBuf>);

impl AllowedPaths {
    fn new(paths: &str) -> Result<Self, ConnectError> {
        let paths = paths.split(',').map(str::trim);
        let paths = paths.filter(|path| !path.is_empty()).map(|path| {
            let wrong = |reason: &str| ConnectError::config(format!("Path {path} {reason}"));
            if !Path::new(path).is_absolute() {
                return Err(wrong("is not absolute"));
            }
            if !Path::new(path).exists() {
                return Err(wrong("does not exist"));
            }
            Ok(normalized(Path::new(path)))
        });
        Ok(Self(paths.collect::<Result<_, _>>()?))
    }

    fn check(&self, path: &Path) -> Result<(), ConnectError> {
        let normal = normalized(path);
        if self.0.is_empty() || self.0.iter().any(|allowed| normal.starts_with(allowed)) {
            return Ok(());
        }
        Err(ConnectError::config(format!(
            "The path {} is not permitted by allowed.paths",
            path.display()
        )))
    }
}

/// The path without `.` and `..`, whatever links there are.
fn normalized(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            other => normal.push(other),
        }
    }
    normal
}

struct FileProvider {
    allowed: AllowedPaths,
}

impl Provider for FileProvider {
    fn get(&self, path: &str, key: &str) -> Result<String, ConnectError> {
        if path.is_empty() {
            return Err(ConnectError::config("it names no file"));
        }
        self.allowed.check(Path::new(path))?;
        let failed = |reason: &dyn fmt::Display| {
            ConnectError::config(format!(
                "Could not read properties from file {path}: {reason}"
            ))
        };
        let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
        let props = properties::load(&text).map_err(|error| failed(&error))?;
        let value = props.raw(key).map(str::to_owned);
        value.ok_or_else(|| ConnectError::config(format!("the file {path} has no key '{key}'")))
    }
}

struct DirectoryProvider {
    allowed: AllowedPaths,
}

impl Provider for DirectoryProvider {
    fn get(&self, path: &str, key: &str) -> Result<String, ConnectError> {
        let file = Path::new(path).join(key);
        if path.is_empty() || key.is_empty() || key.contains('/') {
            return Err(ConnectError::config(
                "it must name a directory and one file in it",
            ));
        }
        self.allowed.check(&file)?;
        if !file.is_file() {
            return Err(ConnectError::config(format!(
                "there is no file {}",
                file.display()
            )));
        }
        std::fs::read_to_string(&file).map_err(|error| {
            ConnectError::config(format!("Could not read file {}: {error}", file.display()))
        })
    }
}

struct EnvironmentProvider {
    pattern: JavaRegex,
}

impl Provider for EnvironmentProvider {
    fn get(&self, path: &str, key: &str) -> Result<String, ConnectError> {
        if !path.is_empty() {
            return Err(ConnectError::config(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )));
        }
        if !self.pattern.matches(key)? {
            return Err(ConnectError::config(format!(
                "allowlist.pattern does not permit the variable {key}"
            )));
        }
        std::env::var(key)
            .map_err(|_| ConnectError::config(format!("there is no environment variable {key}")))
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
        let resolve =
            |value: &str| providers.resolve_value("password", value, &mut Revealed::default());
        let check = |value: String, expected: &str| {
            assert_eq!(resolve(&value).expect("resolved"), expected);
        };
        check(
            format!("a-${{file:{}:password}}-b", file.display()),
            "a-s3cret-b",
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
        let refuse = |value: String, start: &str| {
            let error = resolve(&value).expect_err("no value");
            let end = format!("(the placeholder {value} of property 'password')");
            let text = error.text();
            assert!(text.starts_with(start) && text.ends_with(&end), "{text}");
        };
        refuse(
            "${file:/does/not/exist:x}".to_owned(),
            "Could not read properties from file /does/not/exist: ",
        );
        refuse(
            format!("${{file:{}:other}}", file.display()),
            &format!("the file {} has no key 'other'", file.display()),
        );
        refuse(
            format!("${{dir:{}:other}}", directory.path().display()),
            "there is no file ",
        );
        refuse(
            "${env:NO_SUCH_VARIABLE}".to_owned(),
            "there is no environment variable NO_SUCH_VARIABLE",
        );
    }

    #[test]
    fn files_are_read_below_allowed_paths_and_their_links() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        for name in ["allowed", "elsewhere"] {
            std::fs::create_dir(path(name)).expect("made");
        }
        std::fs::write(path("elsewhere/secrets"), "k=v \n").expect("written");
        std::os::unix::fs::symlink(path("elsewhere"), path("allowed/link")).expect("linked");
        let allowed = path("allowed").display().to_string();
        let new = |allowed: &str| {
            ConfigProviders::new(&Props::from([
                ("config.providers", "file"),
                ("config.providers.file.class", "FileConfigProvider"),
                ("config.providers.file.param.allowed.paths", allowed),
            ]))
        };
        let providers = new(&allowed).expect("providers");
        let resolve = |name: &str| {
            let value = format!("${{file:{}:k}}", path(name).display());
            providers.resolve(&Props::from([("password", value.as_str())]))
        };
        // A password may end with a blank.
        let found = resolve("allowed/link/secrets").expect("allowed");
        assert_eq!(found.raw("password"), Some("v "));
        for outside in ["elsewhere/secrets", "allowed/../elsewhere/secrets"] {
            let error = resolve(outside).expect_err("not allowed").to_string();
            assert!(error.contains("not permitted by allowed.paths"), "{error}");
        }
        std::fs::remove_file(path("allowed/link")).expect("removed");
        let error = resolve("allowed/link/secrets")
            .expect_err("gone")
            .to_string();
        assert!(
            error.starts_with("Could not read properties from file "),
            "{error}"
        );
        assert!(new("relative").is_err() && new("/does/not/exist").is_err());
    }

    #[test]
    fn values_are_taken_back_out_of_texts() {
        let mut revealed = Revealed::default();
        for (value, placeholder) in [("1", "${a}"), ("s3cret", "${b}"), ("s3cret-er ", "${c}")] {
            revealed.add(value, placeholder);
        }
        let text = "10 of 1: xs3cretx, s3cret-er";
        assert_eq!(revealed.hide(text), "10 of ${a}: x${b}x, ${c}");
    }
}
