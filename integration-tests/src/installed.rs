//! Where the script `install.sh` puts what the servers consist of.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// Version of broker and Connect runtime; the script has the same.
const KAFKA: &str = "kafka-4.3.0";

fn cache() -> PathBuf {
    match std::env::var_os("TIDEGATE_TEST_CACHE") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/tidegate"),
    }
}

/// The folder of Kafka's and Connect's jars.
pub fn kafka_libs() -> Result<PathBuf> {
    complete(cache().join(KAFKA), "kafka")
}

/// The folder that becomes `plugin.path`: Debezium's connectors.
pub fn plugins() -> Result<PathBuf> {
    let plugins = cache().join("plugins");
    require(
        plugins.join("debezium-connector-jdbc").is_dir(),
        "jvm-connect",
    )?;
    Ok(plugins)
}

/// The folder in which MySQL runs.
pub fn mysql_root() -> Result<PathBuf> {
    complete(cache().join("mysql-root"), "mysql")
}

/// The first of these programs that exists.
pub(crate) fn program(candidates: &[&str], part: &str) -> Result<PathBuf> {
    let found = candidates.iter().map(Path::new).find(|path| path.exists());
    require(found.is_some(), part)?;
    Ok(found.expect("just looked at").to_owned())
}

fn complete(folder: PathBuf, part: &str) -> Result<PathBuf> {
    require(folder.join(".complete").exists(), part)?;
    Ok(folder)
}

pub(crate) fn require(found: bool, part: &str) -> Result<()> {
    if !found {
        bail!("{part} is not installed: run integration-tests/scripts/install.sh {part}");
    }
    Ok(())
}
