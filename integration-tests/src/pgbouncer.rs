//! PgBouncer, a pooler between clients and a PostgreSQL server.

use std::fs;
use std::ops::Deref;

use anyhow::Result;
use futures::FutureExt as _;
use rustix::process::Signal;
use sqlx::Connection as _;

use crate::directory::{ServerDirectory, give_to};
use crate::installed;
use crate::ports::free_port;
use crate::postgres::{Postgres, connect_options};
use crate::process::{Launch, ServerProcess};

/// A pooler that lets each transaction have any of its sessions on the server.
#[derive(Debug)]
pub struct PgBouncer {
    process: ServerProcess,
    port: u16,
    _directory: ServerDirectory,
}

impl Deref for PgBouncer {
    type Target = ServerProcess;
    fn deref(&self) -> &ServerProcess {
        &self.process
    }
}

impl PgBouncer {
    /// Starts one that has so many sessions for each database of a server.
    pub async fn start(server: &Postgres, sessions: usize) -> Result<Self> {
        let program = installed::program(&["/usr/sbin/pgbouncer"], "pgbouncer")?;
        let directory = ServerDirectory::new("pgbouncer", None)?;
        let port = free_port();
        let (user, server_port) = (server.user(), server.port());
        let config = directory.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={server_port} user={user}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = {sessions}\n\
             ignore_startup_parameters = extra_float_digits\n"
        );
        fs::write(&config, text)?;
        give_to(&config, server.user())?;
        let mut launch = Launch::new("pgbouncer", program, directory.path().to_owned())
            .args([config.as_os_str()]);
        launch.user = Some(server.user());
        launch.stop = Signal::INT;
        let ready = move || {
            let ping = async move {
                let options = connect_options(port, "postgres");
                let mut connection = sqlx::ConnectOptions::connect(&options).await?;
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

    /// A JDBC URL as sinks take it.
    pub fn jdbc_url(&self, database: &str) -> String {
        format!("jdbc:postgresql://127.0.0.1:{}/{database}", self.port)
    }
}
