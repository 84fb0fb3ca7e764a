//! Asking the server for its binary log.

use mysql_async::{BinlogStreamRequest, Sid};
use tidegate_mysql::gtid::GtidSet;
use tidegate_mysql::sessions::{BinlogSession, Session};
use tidegate_mysql::{Flavor, queries};
use tracing::info;

use super::Streaming;
use super::texts::Collations;
use crate::errors::BinlogError;
use crate::requirements;

impl Streaming<'_> {
    pub(super) async fn open(&mut self) -> Result<BinlogSession, BinlogError> {
        let user = self.settings.connection.user.clone();
        self.register().await.map_err(|error| match error {
            // A wrong password has been told apart when the session was opened.
            BinlogError::Refused(refusal) if refusal.is_missing_privilege() => {
                BinlogError::Server(format!(
                    "User '{user}' may not read the binary log; it needs the privilege REPLICATION SLAVE (GRANT REPLICATION SLAVE ON *.* TO '{user}'): {refusal}"
                ))
            }
            other => other,
        })
    }

    async fn register(&mut self) -> Result<BinlogSession, BinlogError> {
        let mut conn = self.server.open().await?;
        requirements::check_binlog(&mut conn, self.flavor).await?;
        self.collations = Collations::new(queries::collations(&mut conn, self.flavor).await?);
        let heartbeat = self.settings.keep_alive.as_nanos() * 8 / 10;
        conn.query_drop(format!("SET @master_heartbeat_period={heartbeat}"))
            .await?;
        let request = BinlogStreamRequest::new(self.settings.server_id);
        let stream = match (self.flavor, self.context.restart.gtids.clone()) {
            (Flavor::MariaDb, gtids) => {
                conn.query_drop("SET @mariadb_slave_capability=4").await?;
                match gtids {
                    Some(gtids) => {
                        self.start_set(&mut conn, &gtids).await?;
                        info!("Registering binlog reader with GTID set: '{gtids}'");
                        conn.query_drop(format!(
                            "SET @slave_connect_state='{}'",
                            gtids.replace('\'', "")
                        ))
                        .await?;
                        conn.query_drop("SET @slave_gtid_strict_mode=0").await?;
                        conn.query_drop("SET @slave_gtid_ignore_duplicates=0")
                            .await?;
                        conn.binlog(request.with_pos(4)).await?
                    }
                    None => self.by_position(conn, request).await?,
                }
            }
            (Flavor::MySql, Some(gtids)) => {
                let set = self.start_set(&mut conn, &gtids).await?;
                info!("Registering binlog reader with GTID set: '{set}'");
                conn.binlog(request.with_gtid().with_gtid_set(sids(&set)?).with_pos(4))
                    .await?
            }
            (Flavor::MySql, None) => self.by_position(conn, request).await?,
        };
        Ok(stream)
    }

    async fn by_position(
        &self,
        conn: Session,
        request: BinlogStreamRequest<'_>,
    ) -> Result<BinlogSession, BinlogError> {
        let restart = &self.context.restart;
        info!(
            "Reading from binlog file '{}' at position {}",
            restart.file, restart.pos
        );
        let file = restart.file.as_bytes().to_vec();
        Ok(conn
            .binlog(request.with_filename(&file).with_pos(restart.pos.max(4)))
            .await?)
    }

    /// The stored set, and what the server has purged of sources that the set does not know. The offset has it from now on,
    /// in the order of the original.
    async fn start_set(
        &mut self,
        conn: &mut Session,
        stored: &str,
    ) -> Result<GtidSet, BinlogError> {
        let mut set = GtidSet::parse(self.flavor, stored).ok_or_else(|| {
            BinlogError::Schema(format!("the stored GTID set '{stored}' cannot be read"))
        })?;
        let is_all_that_was_read = set == self.context.current_gtids;
        if self.flavor == Flavor::MySql
            && let Some(purged) = queries::gtid_purged(conn).await?
            && let Some(purged) = GtidSet::parse(Flavor::MySql, &purged)
        {
            set.add_unknown(purged);
        }
        let text = set.sort();
        if is_all_that_was_read {
            self.context.restart.gtids = Some(text.into());
            self.context.current_gtids = set.clone();
        }
        Ok(set)
    }
}

fn sids(set: &GtidSet) -> Result<Vec<Sid<'static>>, BinlogError> {
    let GtidSet::MySql(sets) = set else {
        return Ok(Vec::new());
    };
    let mut sids = Vec::with_capacity(sets.len());
    for (source, intervals) in sets {
        let one = GtidSet::MySql(std::iter::once((source.clone(), intervals.clone())).collect());
        let text = one.to_string();
        sids.push(text.parse::<Sid<'_>>().map_err(|error| {
            BinlogError::Schema(format!(
                "the stored GTID set '{text}' cannot be read: {error}"
            ))
        })?);
    }
    Ok(sids)
}
