//! The binlog sources against the originals: the same SQL, the same server, and topics that are equal byte for byte.
//!
//! `…_as_recorded` compares with what the original wrote when it was recorded (`cases/*/expected`); it needs the database
//! alone. `…_as_the_original` runs the original beside it, on the very same binary log, so that even positions are equal.
//! `TIDEGATE_RECORD=1` makes the latter write the recordings, `TIDEGATE_CASES=a,b` chooses cases. See `cases/README.md`.

mod case;
mod columns;
mod ddl_texts;
mod masks;
mod records;
mod run;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tidegate_embedded::EmbeddedLog;
use tidegate_integration_tests::{
    JvmConnect, KafkaBroker, KafkaOptions, MariaDb, Mode, MySql, MySqlOptions, MySqlServer,
    Properties, TidegateWorker, no_differences,
};
use tokio::sync::{Mutex, OnceCell};

use case::{Case, Kind};
use masks::{Base, Masks};
use records::{Added, TextRecord};
use run::Side;

/// The machine is small: one run at a time.
static TURN: Mutex<()> = Mutex::const_new(());

/// The original's broker and worker, for all tests of this binary.
struct Original {
    kafka: KafkaBroker,
    connect: JvmConnect,
}

static ORIGINAL: OnceCell<Original> = OnceCell::const_new();

async fn original() -> Result<&'static Original> {
    ORIGINAL
        .get_or_try_init(|| async {
            let kafka = KafkaBroker::start(KafkaOptions::default()).await?;
            let mut props = kafka.distributed_props();
            props.insert("offset.flush.interval.ms".to_owned(), "200".to_owned());
            // Starts quicker; all plugins have manifests.
            props.insert("plugin.discovery".to_owned(), "service_load".to_owned());
            let connect = JvmConnect::start(&props).await?;
            Ok(Original { kafka, connect })
        })
        .await
}

async fn server_with(kind: Kind, options: MySqlOptions) -> Result<MySqlServer> {
    match kind {
        Kind::MariaDb => MariaDb::start(options).await,
        Kind::MySql => MySql::start(options).await,
    }
}

struct Ours {
    worker: TidegateWorker,
    data: PathBuf,
}

impl Ours {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?.keep();
        let props = Properties::from([
            ("offset.flush.interval.ms".to_owned(), "200".to_owned()),
            ("embedded.data.dir".to_owned(), folder.display().to_string()),
        ]);
        let worker = TidegateWorker::start(Mode::Distributed, &props).await?;
        Ok(Self {
            worker,
            data: folder,
        })
    }

    fn side(&self) -> Side {
        Side {
            rest: self.worker.rest(),
            letter: 't',
            history_servers: "unused:1".to_owned(),
            first_server_id: 2000,
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.worker.kill9();
        if !std::thread::panicking() {
            // What stays is in the folder of temporary files.
            std::fs::remove_dir_all(&self.data).ok();
        }
    }
}

/// Dumps for a look at what differs.
fn dump(
    case: &Case,
    kind: Kind,
    connector: &str,
    side: &str,
    records: &[TextRecord],
) -> Result<()> {
    let name = format!("{}-{}-{connector}.{side}.jsonl", kind.name(), case.name);
    records::write(
        &Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("fidelity")
            .join(name),
        records,
    )
}

/// How the server's log differs from the one that was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Differs {
    Nowhere,
    /// It has events of this type; what follows is elsewhere.
    InPlaces(&'static str),
    /// It has no transaction ids.
    InGtids,
}

impl Differs {
    fn mask(self, case: &Case, masks: &Masks, text: String) -> String {
        // A log without transaction ids begins with shorter events.
        let text = match self {
            Self::Nowhere if !case.varies => text,
            _ => masks.places(&text),
        };
        match self {
            Self::InGtids => masks.gtids(&text),
            Self::Nowhere | Self::InPlaces(_) => text,
        }
    }
}

async fn as_recorded(kind: Kind, options: MySqlOptions, differs: Differs) -> Result<()> {
    let cases = Case::all(kind, false)?;
    all_as_recorded(kind, options, differs, &cases).await
}

async fn all_as_recorded(
    kind: Kind,
    options: MySqlOptions,
    differs: Differs,
    cases: &[Case],
) -> Result<()> {
    let _turn = TURN.lock().await;
    let server = server_with(kind, options).await?;
    let (ours, masks) = (Ours::start().await?, Masks::new()?);
    let sides = [ours.side()];
    let mut found = Vec::new();
    let mut finished: Vec<(&Case, Base)> = Vec::new();
    for case in cases {
        match run::run(kind, &server, case, &sides).await {
            Ok(base) => finished.push((case, base)),
            Err(error) => found.push(format!("case {}: {error:#}", case.name)),
        }
        run::clear(&server, case, &sides).await?;
    }
    if let Differs::InPlaces(event) = differs {
        has_written(&server, event).await?;
    }
    ours.worker.stop().await?;
    let log = EmbeddedLog::open(&ours.data)?;
    let mut added = Added::default();
    for (case, base) in &finished {
        let mut uses = Vec::new();
        for connector in case.connectors.keys() {
            let prefix = sides[0].prefix(case, connector);
            let read = records::of_embedded(&log, &prefix, &masks).await?;
            let mut own = settled(kind, case, read, &masks, base);
            let expected = records::read(&case.expected(kind, connector))?;
            let mut expected = case.as_meant(expected, &mut uses);
            for records in [&mut own, &mut expected] {
                *records = std::mem::take(records)
                    .into_iter()
                    .map(|record| record.map_text(|text| differs.mask(case, &masks, text)))
                    .collect();
            }
            dump(case, kind, connector, "ours", &own)?;
            let differences = records::differences(&own, &expected, &mut added);
            found.extend(
                differences
                    .into_iter()
                    .map(|text| format!("{}/{connector}: {text}", case.name)),
            );
        }
        found.extend(case.unused(&uses));
    }
    found.extend(without_use(&added, cases));
    no_differences(&found)
}

/// Rules that cover nothing, where all cases that share a server have run.
fn without_use(added: &Added, cases: &[Case]) -> Vec<String> {
    let are_all =
        !cases.iter().any(|case| case.alone) && std::env::var_os("TIDEGATE_CASES").is_none();
    if are_all {
        added.without_use()
    } else {
        Vec::new()
    }
}

/// The server has written events of a type.
async fn has_written(server: &MySqlServer, event: &str) -> Result<()> {
    for log in server.rows("", "SHOW BINARY LOGS").await? {
        let log = log[0].as_deref().context("a name")?;
        let events = server
            .rows("", &format!("SHOW BINLOG EVENTS IN '{log}'"))
            .await?;
        let is_it = |name: &str| name.eq_ignore_ascii_case(event);
        if events
            .iter()
            .any(|row| row[2].as_deref().is_some_and(is_it))
        {
            return Ok(());
        }
    }
    bail!("no {event} in the binary log")
}

fn settled(
    kind: Kind,
    case: &Case,
    records: Vec<TextRecord>,
    masks: &Masks,
    base: &Base,
) -> Vec<TextRecord> {
    let settled = |text: String| masks.between_runs(kind, &text, base, case.alone);
    let records = records.into_iter();
    records.map(|record| record.map_text(settled)).collect()
}

async fn as_the_original(kind: Kind, letter: char, options: MySqlOptions) -> Result<()> {
    let cases = Case::all(kind, false)?;
    all_as_the_original(kind, letter, options, &cases).await
}

async fn all_as_the_original(
    kind: Kind,
    letter: char,
    options: MySqlOptions,
    cases: &[Case],
) -> Result<()> {
    let _turn = TURN.lock().await;
    let original = original().await?;
    let server = server_with(kind, options).await?;
    let (ours, masks) = (Ours::start().await?, Masks::new()?);
    let bootstrap = original.kafka.bootstrap();
    let theirs = Side {
        rest: original.connect.rest(),
        // All run on one worker, which keeps offsets by name.
        letter,
        history_servers: bootstrap.to_owned(),
        first_server_id: 1000,
    };
    let recording = std::env::var_os("TIDEGATE_RECORD").is_some();
    let sides = if recording {
        vec![theirs]
    } else {
        vec![theirs, ours.side()]
    };
    let mut found = Vec::new();
    let mut originals = Vec::new();
    let mut finished = Vec::new();
    for case in cases {
        let base = match run::run(kind, &server, case, &sides).await {
            Ok(base) => base,
            // The other cases go on.
            Err(error) => {
                found.push(format!("case {}: {error:#}", case.name));
                // What is there of it goes.
                run::clear(&server, case, &sides).await.ok();
                continue;
            }
        };
        finished.push(case);
        for connector in case.connectors.keys() {
            if let [theirs, ours] = &sides[..] {
                let name = |side: &Side| side.prefix(case, connector);
                let (their, own) = (
                    theirs.rest.offsets(&name(theirs)).await?,
                    ours.rest.offsets(&name(ours)).await?,
                );
                // After a snapshot alone the time is the clock's.
                let is_timeless = case.connectors[connector]["snapshot.mode"] == "initial_only";
                let plain = |offsets: &serde_json::Value| {
                    let mut offset = offsets["offsets"][0]["offset"].clone();
                    if let Some(fields) = offset.as_object_mut() {
                        // The original does not say which transaction it counts in, see DIFFERENCES.md.
                        fields.remove("transaction_gtid");
                        if is_timeless {
                            fields.remove("ts_sec");
                        }
                    }
                    offset
                };
                if plain(&their) != plain(&own) {
                    found.push(format!(
                        "{}/{connector}: offset {own} instead of {their}",
                        case.name
                    ));
                }
            }
            let read =
                records::of_kafka(bootstrap, &sides[0].prefix(case, connector), &masks).await?;
            if recording {
                records::write(
                    &case.expected(kind, connector),
                    &settled(kind, case, read.clone(), &masks, &base),
                )?;
            }
            originals.push(read);
        }
        run::clear(&server, case, &sides).await?;
    }
    ours.worker.stop().await?;
    let Some(side) = sides.get(1) else {
        return no_differences(&found);
    };
    let log = EmbeddedLog::open(&ours.data)?;
    let mut originals = originals.into_iter();
    let mut added = Added::default();
    for case in finished {
        let mut uses = Vec::new();
        for connector in case.connectors.keys() {
            let own = records::of_embedded(&log, &side.prefix(case, connector), &masks).await?;
            let theirs = originals.next().context("as many")?;
            let theirs = case.as_meant(theirs, &mut uses);
            dump(case, kind, connector, "ours", &own)?;
            dump(case, kind, connector, "theirs", &theirs)?;
            let differences = records::differences(&own, &theirs, &mut added);
            found.extend(
                differences
                    .into_iter()
                    .map(|text| format!("{}/{connector}: {text}", case.name)),
            );
        }
        found.extend(case.unused(&uses));
    }
    found.extend(without_use(&added, cases));
    no_differences(&found)
}

#[tokio::test]
async fn mariadb_as_recorded() -> Result<()> {
    as_recorded(Kind::MariaDb, MySqlOptions::default(), Differs::Nowhere).await
}

#[tokio::test]
async fn mysql_as_recorded() -> Result<()> {
    as_recorded(Kind::MySql, MySqlOptions::default(), Differs::Nowhere).await
}

/// The original does not read these events; what it wrote without compression is to come out.
#[tokio::test]
async fn compressed_mariadb_as_recorded() -> Result<()> {
    let options = MySqlOptions::default()
        .arg("--log-bin-compress=ON")
        .arg("--log-bin-compress-min-len=10");
    as_recorded(
        Kind::MariaDb,
        options,
        Differs::InPlaces("Update_rows_compressed_v1"),
    )
    .await
}

#[tokio::test]
async fn compressed_mysql_as_recorded() -> Result<()> {
    let options = MySqlOptions::default().arg("--binlog-transaction-compression=ON");
    as_recorded(
        Kind::MySql,
        options,
        Differs::InPlaces("Transaction_payload"),
    )
    .await
}

#[tokio::test]
async fn mariadb_as_the_original() -> Result<()> {
    as_the_original(Kind::MariaDb, 'j', MySqlOptions::default()).await
}

#[tokio::test]
async fn mysql_as_the_original() -> Result<()> {
    as_the_original(Kind::MySql, 'k', MySqlOptions::default()).await
}

/// Each case that needs it has a server of its own.
#[tokio::test]
async fn mysql_alone_as_recorded() -> Result<()> {
    alone_as_recorded(Kind::MySql).await
}

async fn alone_as_recorded(kind: Kind) -> Result<()> {
    for case in Case::all(kind, true)? {
        let options = MySqlOptions::default();
        all_as_recorded(kind, options, Differs::Nowhere, &[case]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn mysql_alone_as_the_original() -> Result<()> {
    alone_as_the_original(Kind::MySql, 'm').await
}

async fn alone_as_the_original(kind: Kind, letter: char) -> Result<()> {
    for case in Case::all(kind, true)? {
        all_as_the_original(kind, letter, MySqlOptions::default(), &[case]).await?;
    }
    Ok(())
}

/// By file and position.
fn without_gtids() -> MySqlOptions {
    MySqlOptions::default()
        .arg("--gtid-mode=OFF")
        .arg("--enforce-gtid-consistency=OFF")
}

#[tokio::test]
async fn mysql_without_gtids_as_the_original() -> Result<()> {
    if std::env::var_os("TIDEGATE_RECORD").is_some() {
        // What is recorded has transaction ids.
        return Ok(());
    }
    as_the_original(Kind::MySql, 'g', without_gtids()).await
}

#[tokio::test]
async fn mysql_without_gtids_as_recorded() -> Result<()> {
    as_recorded(Kind::MySql, without_gtids(), Differs::InGtids).await
}
