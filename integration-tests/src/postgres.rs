//! PostgreSQL servers.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::FutureExt as _;
use rustix::process::Signal;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{
    Column as _, ConnectOptions as _, Connection as _, Executor as _, Row as _, ValueRef as _,
};

use crate::TextRow;
use crate::directory::{ServerDirectory, give_to, unique};
use crate::installed;
use crate::ports::free_port;
use crate::process::{Launch, ServerProcess, run_to_end};

const SYSTEM_USER: &str = "postgres";
const USER: &str = "postgres";

/// How a server is started. The default does not wait for the disk.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    /// Settings as `name=value`.
    pub settings: Vec<String>,
    /// Whether commits wait for the disk.
    pub durable: bool,
    /// Where the server's directory is made and kept; by default one that goes away with the server.
    pub directory: Option<PathBuf>,
}

/// A running PostgreSQL server. User `postgres` is its superuser; any password is right.
#[derive(Debug)]
pub struct Postgres {
    process: ServerProcess,
    port: u16,
    _directory: ServerDirectory,
}

impl Deref for Postgres {
    type Target = ServerProcess;
    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl Postgres {
    pub async fn start(options: PostgresOptions) -> Result<Self> {
        let programs = programs()?;
        let directory = ServerDirectory::new("postgres", options.directory.as_deref())?;
        let data = directory.join("data");
        let data_text = data.display().to_string();
        if !data.exists() {
            fs::create_dir(&data)?;
            give_to(&data, SYSTEM_USER)?;
            let initdb = programs.join("initdb");
            let mut launch = Launch::new("initdb", initdb, directory.path().to_owned()).args([
                "-D",
                &data_text,
                "-A",
                "trust",
                "-U",
                USER,
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
            ]);
            launch.user = Some(SYSTEM_USER);
            run_to_end(&launch).await?;
        }
        let port = free_port();
        let server = programs.join("postgres");
        let mut launch = Launch::new("postgres", server, directory.path().to_owned())
            .args(["-D", &data_text, "-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="]);
        if !options.durable {
            for setting in [
                "fsync=off",
                "synchronous_commit=off",
                "full_page_writes=off",
            ] {
                launch = launch.args(["-c", setting]);
            }
        }
        for setting in &options.settings {
            launch = launch.args(["-c", setting]);
        }
        launch.user = Some(SYSTEM_USER);
        // TERM would wait for clients; KILL would leave shared memory behind.
        launch.stop = Signal::INT;
        launch.quit = Signal::QUIT;
        let ready = move || {
            let ping = async move {
                let mut connection = connect_options(port, "postgres").connect().await?;
                connection.ping().await?;
                Ok(connection.close().await?)
            };
            ping.boxed()
        };
        Ok(Self {
            process: ServerProcess::launch(launch, Box::new(ready)).await?,
            port,
            _directory: directory,
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }
    pub fn user(&self) -> &'static str {
        USER
    }
    /// A JDBC URL as sinks take it.
    pub fn jdbc_url(&self, database: &str) -> String {
        format!("jdbc:postgresql://127.0.0.1:{}/{database}", self.port)
    }

    /// A session of the superuser.
    pub async fn connect(&self, database: &str) -> Result<PgConnection> {
        connect_options(self.port, database)
            .connect()
            .await
            .with_context(|| format!("could not connect to {database} in {:?}", self.process))
    }

    /// Creates a database of a name that nobody else uses.
    pub async fn create_database(&self, prefix: &str) -> Result<String> {
        let name = unique(prefix);
        self.exec("postgres", &format!("CREATE DATABASE {name}"))
            .await?;
        Ok(name)
    }

    /// Runs statements, separated by semicolons, in one session.
    pub async fn exec(&self, database: &str, sql: &str) -> Result<()> {
        let mut connection = self.connect(database).await?;
        connection
            .execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())))
            .await
            .with_context(|| format!("could not execute {sql}"))?;
        Ok(connection.close().await?)
    }

    /// The rows of a query as the server's own text.
    pub async fn rows(&self, database: &str, sql: &str) -> Result<Vec<TextRow>> {
        let mut connection = self.connect(database).await?;
        let rows = connection
            .fetch_all(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())))
            .await
            .with_context(|| format!("could not execute {sql}"))?;
        connection.close().await?;
        let mut texts = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut text = TextRow::with_capacity(row.len());
            for column in row.columns() {
                let value = row.try_get_raw(column.ordinal())?;
                text.push(if value.is_null() {
                    None
                } else {
                    // Without parameters the server answers in text.
                    Some(
                        value
                            .as_str()
                            .map_err(anyhow::Error::from_boxed)?
                            .to_owned(),
                    )
                });
            }
            texts.push(text);
        }
        Ok(texts)
    }
}

/// One database of a server, which others may use at the same time.
#[derive(Debug, Clone)]
pub struct PostgresDatabase {
    server: Arc<Postgres>,
    name: String,
}

impl PostgresDatabase {
    /// A new database of a name that nobody else uses.
    pub async fn create(server: Arc<Postgres>, prefix: &str) -> Result<Self> {
        let name = server.create_database(prefix).await?;
        Ok(Self { server, name })
    }

    /// The database that each server has from the beginning.
    pub fn first_of(server: Arc<Postgres>) -> Self {
        Self {
            server,
            name: "postgres".to_owned(),
        }
    }

    pub fn server(&self) -> &Arc<Postgres> {
        &self.server
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    /// A JDBC URL as sinks take it.
    pub fn jdbc_url(&self) -> String {
        self.server.jdbc_url(&self.name)
    }
    /// As [`Postgres::connect`].
    pub async fn connect(&self) -> Result<PgConnection> {
        self.server.connect(&self.name).await
    }
    /// As [`Postgres::exec`].
    pub async fn exec(&self, sql: &str) -> Result<()> {
        self.server.exec(&self.name, sql).await
    }
    /// As [`Postgres::rows`].
    pub async fn rows(&self, sql: &str) -> Result<Vec<TextRow>> {
        self.server.rows(&self.name, sql).await
    }
}

pub(crate) fn connect_options(port: u16, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(USER)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

/// The folder of the newest release's programs.
fn programs() -> Result<PathBuf> {
    let releases = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = releases
        .flatten()
        .filter_map(|entry| {
            let release: u32 = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs
                .join("initdb")
                .exists()
                .then_some((release, programs))
        })
        .max();
    installed::require(newest.is_some(), "postgres")?;
    Ok(newest.expect("just looked at").1)
}
