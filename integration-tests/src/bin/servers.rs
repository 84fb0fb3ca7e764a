//! Runs servers for shell scripts:
//!
//! ```text
//! servers start mariadb postgres [kafka] [jvm-connect] [mysql] [--dir D] [--durable]
//! ```
//!
//! prints where they listen as `NAME=value` lines, the last one `READY=1`, and stays until SIGTERM, SIGINT or the end of
//! its standard input if that is a pipe. Then it stops everything that it started; so does the kernel if it is killed. With
//! `--dir` the data stay in `D`. `--durable` makes databases wait for the disk. Brokers get the heap that measurements are
//! made with.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use tidegate_integration_tests::{
    ConnectOptions, JvmConnect, KafkaBroker, KafkaOptions, MariaDb, MySql, MySqlOptions,
    MySqlServer, Postgres, PostgresOptions, ServerProcess,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

const USAGE: &str = "servers start SERVER... [--dir D] [--durable], with SERVER one of mariadb, mysql, postgres, kafka, jvm-connect";

#[derive(Debug, Default)]
struct Arguments {
    servers: Vec<String>,
    directory: Option<PathBuf>,
    durable: bool,
}

impl Arguments {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Self> {
        if args.next().as_deref() != Some("start") {
            bail!(USAGE);
        }
        let mut parsed = Self::default();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--durable" => parsed.durable = true,
                "--dir" => parsed.directory = Some(args.next().context(USAGE)?.into()),
                "mariadb" | "mysql" | "postgres" | "kafka" | "jvm-connect" => {
                    parsed.servers.push(arg);
                }
                other => bail!("'{other}' is not known: {USAGE}"),
            }
        }
        if parsed.servers.is_empty() {
            bail!(USAGE);
        }
        if let Some(directory) = &parsed.directory {
            // Servers run in other folders than this program.
            parsed.directory = Some(std::path::absolute(directory)?);
        }
        Ok(parsed)
    }

    fn wants(&self, server: &str) -> bool {
        self.servers.iter().any(|wanted| wanted == server)
    }

    fn mysql(&self) -> MySqlOptions {
        MySqlOptions {
            durable: self.durable,
            directory: self.directory.clone(),
            ..MySqlOptions::default()
        }
    }
}

#[derive(Debug, Default)]
struct Running {
    connect: Option<JvmConnect>,
    kafka: Option<KafkaBroker>,
    databases: Vec<MySqlServer>,
    postgres: Option<Postgres>,
}

impl Running {
    /// Stops in good order those that keep data, so that a directory can be used again.
    async fn stop(self) {
        let mut processes: Vec<&ServerProcess> = Vec::new();
        processes.extend(self.connect.iter().map(|server| &**server));
        processes.extend(self.kafka.iter().map(|server| &**server));
        processes.extend(self.databases.iter().map(|server| &**server));
        processes.extend(self.postgres.iter().map(|server| &**server));
        for process in processes {
            if let Err(error) = process.stop().await {
                complain(&format!("{error:#}"));
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopped = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = end_of_input() => {}
        }
    };
    tokio::pin!(stopped);
    let running = tokio::select! {
        // Servers that have started so far end with their owner.
        () = &mut stopped => return Ok(()),
        running = start(&arguments) => running?,
    };
    print("READY", "1")?;
    stopped.await;
    running.stop().await;
    Ok(())
}

async fn start(arguments: &Arguments) -> Result<Running> {
    let mut running = Running::default();
    if arguments.wants("mariadb") {
        let server = MariaDb::start(arguments.mysql()).await?;
        describe_mysql("MARIADB", &server)?;
        running.databases.push(server);
    }
    if arguments.wants("mysql") {
        let server = MySql::start(arguments.mysql()).await?;
        describe_mysql("MYSQL", &server)?;
        running.databases.push(server);
    }
    if arguments.wants("postgres") {
        let options = PostgresOptions {
            durable: arguments.durable,
            directory: arguments.directory.clone(),
            ..PostgresOptions::default()
        };
        let server = Postgres::start(options).await?;
        print("POSTGRES_HOST", "127.0.0.1")?;
        print("POSTGRES_PORT", &server.port().to_string())?;
        print("POSTGRES_USER", server.user())?;
        describe_process("POSTGRES", &server)?;
        running.postgres = Some(server);
    }
    if arguments.wants("kafka") || arguments.wants("jvm-connect") {
        let options = KafkaOptions {
            directory: arguments.directory.clone(),
            ..KafkaOptions::for_measurements()
        };
        let server = KafkaBroker::start(options).await?;
        print("KAFKA_BOOTSTRAP_SERVERS", server.bootstrap())?;
        describe_process("KAFKA", &server)?;
        running.kafka = Some(server);
    }
    if let Some(kafka) = &running.kafka
        && arguments.wants("jvm-connect")
    {
        let options = ConnectOptions {
            directory: arguments.directory.clone(),
            ..ConnectOptions::default()
        };
        let server = JvmConnect::start_with(options, &kafka.distributed_props()).await?;
        print("JVM_CONNECT_URL", server.url())?;
        describe_process("JVM_CONNECT", &server)?;
        running.connect = Some(server);
    }
    Ok(running)
}

fn describe_mysql(prefix: &str, server: &MySqlServer) -> Result<()> {
    print(&format!("{prefix}_HOST"), "127.0.0.1")?;
    print(&format!("{prefix}_PORT"), &server.port().to_string())?;
    print(&format!("{prefix}_USER"), server.user())?;
    print(&format!("{prefix}_PASSWORD"), server.password())?;
    describe_process(prefix, server)
}

fn describe_process(prefix: &str, process: &ServerProcess) -> Result<()> {
    let pid = process.pid().context("it has just answered")?;
    print(&format!("{prefix}_PID"), &pid.to_string())?;
    let log = process.log_file().display().to_string();
    print(&format!("{prefix}_LOG"), &log)
}

fn print(name: &str, value: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{name}={value}")?;
    Ok(output.flush()?)
}

/// Nobody is left to tell if this fails.
fn complain(text: &str) {
    writeln!(std::io::stderr(), "servers: {text}").ok();
}

/// Returns when the standard input is a pipe and is closed: whoever started this is gone. Other inputs never end; a shell's
/// background jobs have `/dev/null`.
///
/// The read has a thread of its own: the runtime would wait for one of its threads at the end.
async fn end_of_input() {
    let piped = std::fs::metadata("/proc/self/fd/0").is_ok_and(|input| {
        let kind = input.file_type();
        kind.is_fifo() || kind.is_socket()
    });
    if !piped {
        std::future::pending::<()>().await;
    }
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 256];
        let mut input = std::io::stdin().lock();
        loop {
            match input.read(&mut buffer) {
                // The receiver is gone if another reason came first.
                Ok(0) => return ended.send(()).ok(),
                Ok(_) => {}
                Err(_) => std::thread::park(),
            }
        }
    });
    if end.await.is_err() {
        std::future::pending::<()>().await;
    }
}
