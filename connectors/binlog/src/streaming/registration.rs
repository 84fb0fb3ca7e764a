//! Asking the server for its binary log.

use mysql_async::prelude::Queryable as _;
use mysql_async::{BinlogStream, BinlogStreamRequest, Conn, Sid};
use tracing::info;

use super::{Payload, Streaming};
use crate::connection;
use crate::errors::BinlogError;
use crate::flavor::Flavor;
use crate::gtid::GtidSet;

impl Streaming<'_> {
    pub(super) async fn open(&mut self) -> Result<BinlogStream, BinlogError> {
        let user = self.settings.user.clone();
        self.register().await.map_err(|error| match error {
            // The server tells a missing privilege and a wrong password with the same number.
            BinlogError::Server(text)
                if !text.starts_with("Failed to authenticate")
                    && ["Error code: 1045", "Error code: 1227"].iter().any(|code| text.contains(code)) =>
            {
                BinlogError::Server(format!(
                    "User '{user}' may not read the binary log; it needs the privilege REPLICATION SLAVE (GRANT REPLICATION SLAVE ON *.* TO '{user}'): {text}"
                ))
            }
            other => other,
        })
    }

    async fn register(&mut self) -> Result<BinlogStream, BinlogError> {
        let mut conn = connection::open(self.settings).await?;
        connection::check_binlog(&mut conn, self.flavor).await?;
        let heartbeat = self.settings.keep_alive.as_nanos() * 8 / 10;
        conn.query_drop(format!("SET @master_heartbeat_period={heartbeat}"))
            .await?;
        self.is_format_known = false;
        self.payload = Payload::default();
        let restart = &self.context.restart;
        let request = BinlogStreamRequest::new(self.settings.server_id);
        let stream = match (self.flavor, restart.gtids.as_deref()) {
            (Flavor::MariaDb, gtids) => {
                conn.query_drop("SET @mariadb_slave_capability=4").await?;
                match gtids {
                    Some(gtids) => {
                        info!("Registering binlog reader with GTID set: '{gtids}'");
                        conn.query_drop(format!(
                            "SET @slave_connect_state='{}'",
                            gtids.replace('\'', "")
                        ))
                        .await?;
                        conn.query_drop("SET @slave_gtid_strict_mode=0").await?;
                        conn.query_drop("SET @slave_gtid_ignore_duplicates=0")
                            .await?;
                        conn.get_binlog_stream(request.with_pos(4)).await?
                    }
                    None => self.by_position(conn, request).await?,
                }
            }
            (Flavor::MySql, Some(gtids)) => {
                let sids = self.start_set(&mut conn, gtids).await?;
                info!("Registering binlog reader with GTID set: '{gtids}'");
                conn.get_binlog_stream(request.with_gtid().with_gtid_set(sids).with_pos(4))
                    .await?
            }
            (Flavor::MySql, None) => self.by_position(conn, request).await?,
        };
        Ok(stream)
    }

    async fn by_position(
        &self,
        conn: Conn,
        request: BinlogStreamRequest<'_>,
    ) -> Result<BinlogStream, BinlogError> {
        let restart = &self.context.restart;
        info!(
            "Reading from binlog file '{}' at position {}",
            restart.file, restart.pos
        );
        let file = restart.file.as_bytes().to_vec();
        Ok(conn
            .get_binlog_stream(request.with_filename(&file).with_pos(restart.pos.max(4)))
            .await?)
    }

    /// The stored set, and what the server has purged of sources that the set does not know.
    async fn start_set(
        &self,
        conn: &mut Conn,
        gtids: &str,
    ) -> Result<Vec<Sid<'static>>, BinlogError> {
        let purged: Option<String> = conn.query_first("SELECT @@global.gtid_purged").await?;
        let stored =
            GtidSet::parse(Flavor::MySql, gtids).unwrap_or_else(|| GtidSet::empty(Flavor::MySql));
        let purged = purged
            .and_then(|text| GtidSet::parse(Flavor::MySql, &text))
            .unwrap_or_else(|| GtidSet::empty(Flavor::MySql));
        let mut texts = Vec::new();
        if let (GtidSet::MySql(stored), GtidSet::MySql(purged)) = (stored, purged) {
            let unknown: std::collections::BTreeMap<_, _> = purged
                .into_iter()
                .filter(|(source, _)| !stored.contains_key(source))
                .collect();
            for (source, intervals) in stored.into_iter().chain(unknown) {
                let one = GtidSet::MySql(std::iter::once((source, intervals)).collect());
                texts.push(one.to_string());
            }
        }
        texts
            .iter()
            .map(|text| {
                text.parse::<Sid<'_>>().map_err(|error| {
                    BinlogError::Schema(format!(
                        "the stored GTID set '{text}' cannot be read: {error}"
                    ))
                })
            })
            .collect()
    }
}
