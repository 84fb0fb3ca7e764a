//! Directories of servers, and names that no other test has.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

/// A name with a suffix of its own: letters, digits and underscores only.
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{}_{seconds}_{count}", std::process::id())
}

/// A server's directory: removed with the server unless the test panics, or kept if its place was given.
///
/// What processes leave behind that are killed, the next one removes: the name begins with the process's id.
#[derive(Debug)]
pub struct ServerDirectory {
    path: PathBuf,
    temporary: bool,
}

impl ServerDirectory {
    /// A fresh directory for a server of this name; below `parent` if given, and then kept.
    pub fn new(name: &str, parent: Option<&Path>) -> Result<Self> {
        match parent {
            Some(parent) => Self::create(parent.join(name), false),
            None => Self::temporary_below(&std::env::temp_dir().join("tidegate-tests"), name),
        }
    }

    /// A fresh directory that goes away with the server, below `parent`.
    pub fn temporary_below(parent: &Path, name: &str) -> Result<Self> {
        static SWEEP: Once = Once::new();
        SWEEP.call_once(|| remove_remains(parent));
        let suffix = unique(name);
        Self::create(
            parent.join(format!("{}-{suffix}", std::process::id())),
            true,
        )
    }

    fn create(path: PathBuf, temporary: bool) -> Result<Self> {
        fs::create_dir_all(&path)
            .with_context(|| format!("could not create {}", path.display()))?;
        // Servers that run as another user must be able to pass.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self { path, temporary })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path inside.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for ServerDirectory {
    fn drop(&mut self) {
        if self.temporary && !std::thread::panicking() {
            // Whatever stays is removed by the next process.
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

/// Removes directories of processes that are gone.
fn remove_remains(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.split('-').next());
        let Some(owner) = owner.and_then(|id| id.parse::<u32>().ok()) else {
            continue;
        };
        if !Path::new("/proc").join(owner.to_string()).exists() {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// Makes a system user the owner of a folder, if this process may do so: servers refuse to run as root.
pub(crate) fn give_to(folder: &Path, user: &str) -> Result<()> {
    if !rustix::process::getuid().is_root() {
        return Ok(());
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then_some(())?;
        let ids = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(ids)
    });
    let (uid, gid): (u32, u32) = ids.with_context(|| format!("there is no user '{user}'"))?;
    Ok(std::os::unix::fs::chown(folder, Some(uid), Some(gid))?)
}
