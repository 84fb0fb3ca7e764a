//! A server's process: started, watched until it answers, stopped, killed, started again on the same data and port.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use futures::future::BoxFuture;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};

use crate::wait::eventually;

/// Lines of the log that an error shows.
const TAIL_LINES: usize = 30;
const STOP_DEADLINE: Duration = Duration::from_mins(1);

/// What to run, and how it is stopped.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(String, String)>,
    /// User to run as if this process is root's.
    pub(crate) user: Option<&'static str>,
    /// Folder that becomes the root of the file system.
    pub(crate) root: Option<PathBuf>,
    /// `RLIMIT_FSIZE`: bytes that a file may have at most.
    pub(crate) file_bytes: Option<u64>,
    pub(crate) directory: PathBuf,
    pub(crate) log: PathBuf,
    /// Ends it in good order.
    pub(crate) stop: Signal,
    /// Ends it at once, also when the process that started it dies.
    pub(crate) quit: Signal,
    pub(crate) ready_within: Duration,
}

impl Launch {
    pub(crate) fn new(name: &'static str, program: PathBuf, directory: PathBuf) -> Self {
        Self {
            name,
            program,
            args: Vec::new(),
            env: Vec::new(),
            user: None,
            root: None,
            file_bytes: None,
            log: directory.join(format!("{name}.log")),
            directory,
            stop: Signal::TERM,
            quit: Signal::KILL,
            ready_within: Duration::from_mins(3),
        }
    }

    pub(crate) fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// `setpriv` changes the user without a process in between and ties the server's life to this process.
    fn command(&self) -> Result<Command> {
        let mut command = match self.file_bytes {
            None => Command::new("setpriv"),
            Some(bytes) => {
                let mut command = Command::new("prlimit");
                command.args([&format!("--fsize={bytes}:unlimited"), "setpriv"]);
                command
            }
        };
        let quit = if self.quit == Signal::QUIT {
            "QUIT"
        } else {
            "KILL"
        };
        command.arg(format!("--pdeathsig={quit}"));
        if let Some(user) = self.user
            && rustix::process::getuid().is_root()
        {
            command.args([&format!("--reuid={user}"), &format!("--regid={user}")]);
            command.arg("--clear-groups");
        }
        if let Some(root) = &self.root {
            // Capabilities, because a change of the user after this would untie the server again; the second one, because
            // the folder may lie in a home that other users cannot pass.
            for set in ["--inh-caps", "--ambient-caps"] {
                command.arg(format!("{set}=+sys_chroot,+dac_read_search"));
            }
            command.arg("chroot").arg(root);
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("could not open {}", self.log.display()))?;
        command
            .arg(&self.program)
            .args(&self.args)
            // Recordings hold times of one zone and messages of one language, whatever the machine's are.
            .env("TZ", "UTC")
            .env("LC_ALL", "C.UTF-8")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0);
        Ok(command)
    }
}

/// Asks the server whether it answers.
pub(crate) type Ready = Box<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A server's process. Dropping it ends the process at once.
pub struct ServerProcess {
    launch: Launch,
    ready: Ready,
    child: Mutex<Option<Child>>,
}

impl fmt::Debug for ServerProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{:?}]", self.launch.name, self.pid())
    }
}

impl ServerProcess {
    pub(crate) async fn launch(launch: Launch, ready: Ready) -> Result<Self> {
        let process = Self {
            launch,
            ready,
            child: Mutex::new(None),
        };
        process.start_again().await?;
        Ok(process)
    }

    /// Process id, while it runs or until its end is noticed.
    pub fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
    }

    /// The file with what the server printed, over all starts.
    pub fn log_file(&self) -> &std::path::Path {
        &self.launch.log
    }

    /// What the server printed, over all starts.
    pub fn log(&self) -> String {
        fs::read(&self.launch.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }

    /// Starts the server after it was stopped or killed, with the same arguments, and waits until it answers.
    ///
    /// # Errors
    /// With the end of its log, if it exits or does not answer in time.
    pub async fn start_again(&self) -> Result<()> {
        self.spawn()?;
        let what = format!("{} answers", self.launch.name);
        let answer = eventually(self.launch.ready_within, &what, || async {
            match self.exit_status() {
                Some(status) => Ok(Err(anyhow!("it ended with {status}"))),
                None => (self.ready)().await.map(Ok),
            }
        });
        answer.await.flatten().with_context(|| {
            format!(
                "{} did not start; the end of {}:\n{}",
                self.launch.name,
                self.launch.log.display(),
                self.log_tail()
            )
        })
    }

    /// Starts the server without waiting until it answers.
    pub fn spawn(&self) -> Result<()> {
        if self.is_running() {
            bail!("{self:?} is still running");
        }
        let child = spawn_from_lasting_thread(self.launch.command()?)
            .with_context(|| format!("could not run {}", self.launch.program.display()))?;
        *self.child() = Some(child);
        Ok(())
    }

    /// Stops it in good order and waits for its end.
    pub async fn stop(&self) -> Result<ExitStatus> {
        self.signal(self.launch.stop);
        let what = format!("{self:?} ends");
        let ended = eventually(STOP_DEADLINE, &what, || async {
            self.exit_status().context("it still runs")
        });
        let status = ended.await.with_context(|| self.log_tail());
        if status.is_err() {
            self.kill9();
        }
        status
    }

    /// `kill -9`, on the whole process group; returns when it is gone.
    pub fn kill9(&self) {
        self.end(Signal::KILL);
    }

    /// Stops it in good order if it runs, and starts it again.
    pub async fn restart(&self) -> Result<()> {
        if self.is_running() {
            self.stop().await?;
        }
        self.start_again().await
    }

    pub fn is_running(&self) -> bool {
        self.pid().is_some() && self.exit_status().is_none()
    }

    /// How it ended, if it did.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child().as_mut()?.try_wait().ok().flatten()
    }

    /// Stops all its threads where they are, as an overloaded or suspended machine would.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
        let since = Instant::now();
        while !self.is_frozen() {
            assert!(
                since.elapsed() < STOP_DEADLINE,
                "{} does not stop",
                self.launch.name
            );
            thread::yield_now();
        }
    }

    /// Whether each of its threads has stopped; a signal reaches them one after the other.
    fn is_frozen(&self) -> bool {
        let Some(pid) = self.pid() else {
            return true;
        };
        let threads = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten();
        threads.flatten().all(|thread| {
            // The state stands behind the name, which may contain anything.
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ")
                .is_none_or(|(_, rest)| rest.starts_with(['T', 't']))
        })
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    /// Lets its files grow again, see [`PipelineOptions::file_bytes`](crate::PipelineOptions).
    pub fn lift_file_limit(&self) -> Result<()> {
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        let free = Rlimit {
            current: None,
            maximum: None,
        };
        prlimit(pid, Resource::Fsize, free).context("could not change the limit")?;
        Ok(())
    }

    fn signal(&self, signal: Signal) {
        if !self.is_running() {
            return;
        }
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // It may have ended meanwhile.
            kill_process_group(pid, signal).ok();
        }
    }

    fn end(&self, signal: Signal) {
        self.signal(signal);
        if let Some(mut child) = self.child().take() {
            child.wait().ok();
        }
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end(self.launch.quit);
    }
}

/// The kernel ends a server when the *thread* that started it ends; a thread that lasts as long as the process makes that
/// the process.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    type Request = (Command, mpsc::SyncSender<io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::SyncSender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::sync_channel::<Request>(16);
        std::thread::spawn(move || {
            for (mut command, answer) in requests {
                // Whoever asked waits for the answer.
                answer.send(command.spawn()).ok();
            }
        });
        sender
    });
    let (answer, child) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the thread that starts servers is gone");
    spawner.send((command, answer)).map_err(|_| gone())?;
    child.recv().map_err(|_| gone())?
}

/// Runs a command to its end; its output is in the error if it fails.
pub(crate) async fn run_to_end(launch: &Launch) -> Result<()> {
    let mut child = spawn_from_lasting_thread(launch.command()?)
        .with_context(|| format!("could not run {}", launch.program.display()))?;
    let status = eventually(launch.ready_within, "the command ends", || {
        let status = child.try_wait();
        async { status?.context("it still runs") }
    })
    .await?;
    if !status.success() {
        let output = fs::read_to_string(&launch.log).unwrap_or_default();
        bail!(
            "{} ended with {status}:\n{output}",
            launch.program.display()
        );
    }
    Ok(())
}
