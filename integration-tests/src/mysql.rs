//! MariaDB and MySQL servers.

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use futures::FutureExt as _;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Conn, Opts, OptsBuilder, Row, Value};

use crate::directory::{ServerDirectory, unique};
use crate::installed;
use crate::ports::free_port;
use crate::process::{Launch, ServerProcess, run_to_end};
use crate::{Properties, TextRow};

/// The account that connectors use; it may do everything.
const USER: &str = "debezium";
const PASSWORD: &str = "dbz";

const SYSTEM_USER: &str = "mysql";

/// The identity of every MySQL server: it is in transaction ids, hence in recordings, and must be the same on every
/// machine. The folder that is copied has one of its own, by chance.
const SERVER_UUID: &str = "71de6a7e-0000-4000-8000-000000000001";

const MARIADB_CONNECTOR: &str = "io.debezium.connector.mariadb.MariaDbConnector";
const MYSQL_CONNECTOR: &str = "io.debezium.connector.mysql.MySqlConnector";

/// How a server is started. The default writes a row-based binlog and does not wait for the disk.
#[derive(Debug, Clone, Default)]
pub struct MySqlOptions {
    /// Added to the server's arguments; a later one wins.
    pub args: Vec<String>,
    /// Whether commits wait for the disk.
    pub durable: bool,
    /// Where the server's directory is made and kept; by default one that goes away with the server.
    pub directory: Option<PathBuf>,
}

impl MySqlOptions {
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }
    #[must_use]
    pub fn without_binlog(self) -> Self {
        self.arg("--skip-log-bin")
    }
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    fn server_args(&self) -> Vec<String> {
        let mut args: Vec<String> = [
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--server-id=1",
            "--log-bin=mysql-bin",
            "--binlog-row-image=FULL",
        ]
        .map(str::to_owned)
        .to_vec();
        if !self.durable {
            args.extend(
                ["--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0"].map(str::to_owned),
            );
        }
        args
    }
}

/// Debian's MariaDB server.
#[derive(Debug)]
pub enum MariaDb {}

/// The MySQL server that `install.sh mysql` unpacks.
#[derive(Debug)]
pub enum MySql {}

/// A running MariaDB or MySQL server. User `root` has no password, [`MySqlServer::user`] has one; both may do everything.
#[derive(Debug)]
pub struct MySqlServer {
    process: ServerProcess,
    port: u16,
    connector_class: &'static str,
    _directory: ServerDirectory,
}

impl Deref for MySqlServer {
    type Target = ServerProcess;
    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl MariaDb {
    pub async fn start(options: MySqlOptions) -> Result<MySqlServer> {
        let server =
            installed::program(&["/usr/sbin/mariadbd", "/usr/libexec/mariadbd"], "mariadb")?;
        let install = installed::program(&["/usr/bin/mariadb-install-db"], "mariadb")?;
        let directory = ServerDirectory::new("mariadb", options.directory.as_deref())?;
        let data = directory.join("data");
        let data_arg = format!("--datadir={}", data.display());
        // Temporary tables of servers that start side by side would meet in /tmp.
        let scratch = directory.join("tmp");
        make_for_system_user(&scratch)?;
        let scratch_arg = format!("--tmpdir={}", scratch.display());
        if !data.exists() {
            make_for_system_user(&data)?;
            let mut launch =
                Launch::new("mariadb-install-db", install, directory.path().to_owned()).args([
                    "--no-defaults",
                    &data_arg,
                    &scratch_arg,
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--innodb-flush-log-at-trx-commit=0",
                ]);
            launch.user = Some(SYSTEM_USER);
            run_to_end(&launch).await?;
            let account = format!(
                "SET sql_log_bin=0;\nCREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{PASSWORD}';\n\
                 GRANT ALL ON *.* TO {USER}@'%' WITH GRANT OPTION;\n"
            );
            fs::write(directory.join("init.sql"), account)?;
        }
        let port = free_port();
        let mut launch = Launch::new("mariadb", server, directory.path().to_owned())
            .args(["--no-defaults", &data_arg, &scratch_arg])
            .args([
                format!("--port={port}"),
                format!("--socket={}", data.join("server.sock").display()),
                format!("--init-file={}", directory.join("init.sql").display()),
                "--binlog-format=ROW".to_owned(),
            ])
            .args(options.server_args())
            .args(options.args);
        launch.user = Some(SYSTEM_USER);
        MySqlServer::launch(launch, port, MARIADB_CONNECTOR, directory).await
    }
}

impl MySql {
    /// Row-based binlog is MySQL's default; GTIDs are on.
    pub async fn start(options: MySqlOptions) -> Result<MySqlServer> {
        let root = installed::mysql_root()?;
        ensure!(
            rustix::process::getuid().is_root(),
            "MySQL runs in a chroot: run as root"
        );
        // The data must lie inside of the folder that is its root.
        let data = ServerDirectory::temporary_below(&root.join("run"), "mysql")?;
        let from = root.join("data/.");
        let copied = std::process::Command::new("cp")
            .args(["-a", "--reflink=auto"])
            .args([&from, data.path()])
            .status()?;
        ensure!(copied.success(), "could not copy {}", from.display());
        let identity = format!("[auto]\nserver-uuid={SERVER_UUID}\n");
        fs::write(data.join("auto.cnf"), identity)?;
        let inside = data.path().strip_prefix(&root)?;
        let inside = format!("/{}", inside.display());
        let port = free_port();
        let mut launch = Launch::new(
            "mysql",
            PathBuf::from("/usr/sbin/mysqld"),
            data.path().to_owned(),
        )
        .args(["--no-defaults", "--secure-file-priv=", "--mysqlx=OFF"])
        .args([
            format!("--datadir={inside}"),
            format!("--port={port}"),
            format!("--socket={inside}/server.sock"),
            format!("--pid-file={inside}/server.pid"),
        ])
        .args(["--gtid-mode=ON", "--enforce-gtid-consistency=ON"])
        .args(options.server_args())
        .args(options.args);
        launch.user = Some(SYSTEM_USER);
        launch.root = Some(root);
        if let Some(directory) = &options.directory {
            fs::create_dir_all(directory)?;
            launch.log = directory.join("mysql.log");
        }
        MySqlServer::launch(launch, port, MYSQL_CONNECTOR, data).await
    }
}

impl MySqlServer {
    async fn launch(
        launch: Launch,
        port: u16,
        connector_class: &'static str,
        directory: ServerDirectory,
    ) -> Result<Self> {
        let ready = move || {
            let ping = async move {
                let mut connection = Conn::new(options(port, None)).await?;
                connection.ping().await?;
                Ok(connection.disconnect().await?)
            };
            ping.boxed()
        };
        Ok(Self {
            process: ServerProcess::launch(launch, Box::new(ready)).await?,
            port,
            connector_class,
            _directory: directory,
        })
    }

    pub fn port(&self) -> u16 {
        self.port
    }
    /// Account for connectors.
    pub fn user(&self) -> &'static str {
        USER
    }
    pub fn password(&self) -> &'static str {
        PASSWORD
    }
    /// Debezium's connector for this kind of server.
    pub fn connector_class(&self) -> &'static str {
        self.connector_class
    }
    /// A JDBC URL as sinks take it; `jdbc:mariadb://…` or `jdbc:mysql://…`.
    pub fn jdbc_url(&self, protocol: &str, database: &str) -> String {
        format!("jdbc:{protocol}://127.0.0.1:{}/{database}", self.port)
    }

    /// Host, port and account as Debezium's source connectors take them.
    pub fn connector_props(&self) -> Properties {
        [
            ("database.hostname", "127.0.0.1".to_owned()),
            ("database.port", self.port.to_string()),
            ("database.user", USER.to_owned()),
            ("database.password", PASSWORD.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A session of `root`, in `database` if not empty.
    pub async fn connect(&self, database: &str) -> Result<Conn> {
        let database = (!database.is_empty()).then_some(database);
        Conn::new(options(self.port, database))
            .await
            .with_context(|| format!("could not connect to {:?}", self.process))
    }

    /// Creates a database of a name that nobody else uses.
    pub async fn create_database(&self, prefix: &str) -> Result<String> {
        let name = unique(prefix);
        self.exec("", &format!("CREATE DATABASE {name}")).await?;
        Ok(name)
    }

    /// Runs statements, separated by semicolons, in one session.
    pub async fn exec(&self, database: &str, sql: &str) -> Result<()> {
        let mut connection = self.connect(database).await?;
        let result = connection.query_drop(sql).await;
        result.with_context(|| format!("could not execute {sql}"))?;
        Ok(connection.disconnect().await?)
    }

    /// The rows of a query as the server's own text.
    pub async fn rows(&self, database: &str, sql: &str) -> Result<Vec<TextRow>> {
        let mut connection = self.connect(database).await?;
        let rows: Vec<Row> = connection
            .query(sql)
            .await
            .with_context(|| format!("could not execute {sql}"))?;
        connection.disconnect().await?;
        let text = |value: Value| match value {
            Value::NULL => None,
            Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            other => Some(other.as_sql(true)),
        };
        Ok(rows
            .into_iter()
            .map(|row| row.unwrap().into_iter().map(text).collect())
            .collect())
    }
}

fn options(port: u16, database: Option<&str>) -> Opts {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .db_name(database)
        .prefer_socket(false)
        .into()
}

/// An empty folder of the user that the server runs as.
fn make_for_system_user(data: &std::path::Path) -> Result<()> {
    fs::create_dir_all(data)?;
    crate::directory::give_to(data, SYSTEM_USER)
}
