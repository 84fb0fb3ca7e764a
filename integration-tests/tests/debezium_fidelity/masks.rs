//! What must differ from run to run or from worker to worker, taken out of records.

use std::borrow::Cow;

use anyhow::{Context as _, Result};
use fancy_regex::{Captures, Regex};
use tidegate_integration_tests::MySqlServer;

use super::case::Kind;

/// Where the server's log stands.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    pub(crate) file: String,
    pub(crate) pos: u64,
    /// Number of the last transaction.
    pub(crate) sequence: u64,
    /// Transactions that there were; empty without ids.
    pub(crate) gtids: String,
}

impl Base {
    pub(crate) async fn read(kind: Kind, server: &MySqlServer) -> Result<Self> {
        let (status, gtids) = match kind {
            Kind::MariaDb => ("SHOW MASTER STATUS", "SELECT @@global.gtid_binlog_pos"),
            Kind::MySql => ("SHOW BINARY LOG STATUS", "SELECT @@global.gtid_executed"),
        };
        let rows = server.rows("", status).await?;
        let cell = |index: usize| rows.first().and_then(|row| row.get(index)?.clone());
        let gtids = server.rows("", gtids).await?;
        let gtids = gtids
            .first()
            .and_then(|row| row.first()?.clone())
            .unwrap_or_default();
        let number = gtids.rsplit(['-', ':']).next().unwrap_or_default();
        Ok(Self {
            file: cell(0).context("a file")?,
            pos: cell(1).context("a position")?.parse()?,
            sequence: number.parse().unwrap_or(0),
            gtids: gtids.replace('\n', ""),
        })
    }
}

/// Milliseconds since 1970 of all statements of a script.
const SCRIPT_TIME: &str = "1700000000000";

/// Takes out what differs between two workers that read the same server.
#[derive(Debug)]
pub(crate) struct Masks {
    envelope: Regex,
    snapshot_time: Regex,
    change_time: Regex,
    heartbeat: Regex,
    history_time: Regex,
    source_time: Regex,
    place: Regex,
    gtid: Regex,
    thread: Regex,
    history_place: Regex,
    history_gtids: Regex,
    history_sec: Regex,
    history_commit: Regex,
    any_place: Regex,
    any_gtid: Regex,
    any_gtids: Regex,
    transaction: Regex,
    any_transaction: Regex,
    boundary_time: Regex,
}

impl Masks {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            envelope: Regex::new(r#""op":"(.)","ts_ms":\d+,"ts_us":\d+,"ts_ns":\d+"#)?,
            snapshot_time: Regex::new(
                r#""ts_ms":\d+,"snapshot":"((?:true|first|last)[a-z_]*)","db":("[^"]*"),"sequence":null,"ts_us":\d+,"ts_ns":\d+"#,
            )?,
            change_time: Regex::new(r#"\},"ts_ms":\d+,"databaseName""#)?,
            heartbeat: Regex::new(r#"^(\{"schema":.*"payload":)?\{"ts_ms":\d+\}(\}?)$"#)?,
            history_time: Regex::new(r#""ts_ms" : \d+"#)?,
            source_time: Regex::new(
                r#""ts_ms":\d+,"snapshot":("false"|null),"db":("[^"]*"),"sequence":null,"ts_us":\d+,"ts_ns":\d+"#,
            )?,
            place: Regex::new(r#""file":"([^"]*)","pos":(\d+)"#)?,
            gtid: Regex::new(r#""gtid":"([^"]*?)(\d+)""#)?,
            thread: Regex::new(r#""thread":\d+"#)?,
            history_place: Regex::new(r#""file" : "([^"]*)",\s+"pos" : (\d+)"#)?,
            history_gtids: Regex::new(r#""gtids" : "[^"]*?(\d+)""#)?,
            history_sec: Regex::new(r#""ts_sec" : \d+,\s+("file"[^}]*"snapshot")"#)?,
            history_commit: Regex::new(r#""ts_sec" : \d+"#)?,
            any_gtid: Regex::new(r#""gtid":(?:null|"[^"]*")"#)?,
            any_gtids: Regex::new(r#",\s+"gtids" : "[^"]*""#)?,
            any_place: Regex::new(r#""pos"( ?: ?)-?\d+"#)?,
            transaction: Regex::new(
                r#""(id|transaction_id)"( ?: ?)"(\d+-\d+-|[0-9a-f-]{36}:)(\d+)""#,
            )?,
            any_transaction: Regex::new(
                r#""(id|transaction_id)"( ?: ?)"(?:\d+-\d+-\d+|[0-9a-f-]{36}:\d+|file=[^"]*,pos=\d+)""#,
            )?,
            boundary_time: Regex::new(r#"("status":"(?:BEGIN|END)".*"ts_ms":)(\d+)"#)?,
        })
    }

    /// What differs between workers at the same time.
    pub(crate) fn between_workers(&self, text: &str, prefix: &str, common: &str) -> String {
        let text = text
            .replace(prefix, common)
            // As schema names for Avro have it.
            .replace(&prefix.replace('-', "_"), common)
            .replace(&prefix.replace('-', "_u002d"), common);
        let text = self
            .envelope
            .replace_all(&text, r#""op":"$1","ts_ms":0,"ts_us":0,"ts_ns":0"#);
        let text = self.snapshot_time.replace_all(
            &text,
            r#""ts_ms":0,"snapshot":"$1","db":$2,"sequence":null,"ts_us":0,"ts_ns":0"#,
        );
        let text = self
            .change_time
            .replace_all(&text, r#"},"ts_ms":0,"databaseName""#);
        let text = self.heartbeat.replace_all(&text, r#"$1{"ts_ms":0}$2"#);
        // The first boundary has the time of an event before the script: that with which the connector's stream began.
        let text = self
            .boundary_time
            .replace_all(&text, |captures: &Captures<'_, str>| {
                let is_of_script = &captures[2] == SCRIPT_TIME;
                let time = if is_of_script { SCRIPT_TIME } else { "0" };
                format!("{}{time}", &captures[1])
            });
        let text = self.history_sec.replace_all(&text, r#""ts_sec" : 0, $1"#);
        self.history_time
            .replace_all(&text, r#""ts_ms" : 0"#)
            .into_owned()
    }

    /// Transaction ids, which a server may not have.
    pub(crate) fn gtids(&self, text: &str) -> String {
        let text = self.any_gtid.replace_all(text, r#""gtid":null"#);
        let text = self.any_transaction.replace_all(&text, r#""$1"$2"""#);
        self.any_gtids.replace_all(&text, "").into_owned()
    }

    /// Places in the log, which differ between logs of different settings.
    pub(crate) fn places(&self, text: &str) -> String {
        self.any_place
            .replace_all(text, r#""pos"${1}0"#)
            .into_owned()
    }

    /// What differs from run to run, too: positions become distances from `base`, and so do numbers of transactions unless
    /// the server has seen nothing else.
    pub(crate) fn between_runs(&self, kind: Kind, text: &str, base: &Base, alone: bool) -> String {
        let place = |captures: &Captures<'_, str>, colon: &str| {
            let at: u64 = captures[2].parse().unwrap_or(0);
            let at = i128::from(at)
                - if captures[1] == *base.file {
                    i128::from(base.pos)
                } else {
                    0
                };
            format!(r#""file"{colon}"F","pos"{colon}{at}"#)
        };
        let sequence = |text: &str| {
            text.parse::<u64>()
                .map_or(0, |number| i128::from(number) - i128::from(base.sequence))
        };
        let text = self
            .place
            .replace_all(text, |captures: &Captures<'_, str>| place(captures, ":"));
        let text = self
            .history_place
            .replace_all(&text, |captures: &Captures<'_, str>| place(captures, " : "));
        let text = if alone {
            text
        } else {
            let text = self
                .gtid
                .replace_all(&text, |captures: &Captures<'_, str>| {
                    format!(r#""gtid":"{}{}""#, &captures[1], sequence(&captures[2]))
                });
            let text = self
                .transaction
                .replace_all(&text, |captures: &Captures<'_, str>| {
                    format!(
                        r#""{}"{}"{}{}""#,
                        &captures[1],
                        &captures[2],
                        &captures[3],
                        sequence(&captures[4])
                    )
                });
            let gtids =
                |captures: &Captures<'_, str>| format!(r#""gtids" : "{}""#, sequence(&captures[1]));
            Cow::Owned(self.history_gtids.replace_all(&text, gtids).into_owned())
        };
        let text = self.thread.replace_all(&text, r#""thread":0"#);
        match kind {
            Kind::MariaDb => text.into_owned(),
            // With GTIDs the time is the commit's, which no session sets.
            Kind::MySql => {
                let text = self.boundary_time.replace_all(&text, "${1}0");
                let text = self.source_time.replace_all(
                    &text,
                    r#""ts_ms":0,"snapshot":$1,"db":$2,"sequence":null,"ts_us":0,"ts_ns":0"#,
                );
                self.history_commit
                    .replace_all(&text, r#""ts_sec" : 0"#)
                    .into_owned()
            }
        }
    }
}
