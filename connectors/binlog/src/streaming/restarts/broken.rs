//! Events that are cut off or altered become errors or other events: never a panic, and never work without end.

use mysql_async::binlog::BinlogVersion;
use mysql_async::binlog::events::Event;
use mysql_common::binlog::events::BinlogEventHeader;
use tidegate_cdc::queue;

use super::super::CHECKSUM_BYTES;
use super::*;

const SIZE: usize = 9;

/// The event with other data.
fn with_data(event: &Event, data: &[u8]) -> Event {
    let mut bytes = Vec::new();
    event
        .write(BinlogVersion::Version4, &mut bytes)
        .expect("memory");
    bytes.truncate(BinlogEventHeader::LEN);
    bytes.extend(data);
    bytes.extend([0; CHECKSUM_BYTES]);
    let size = u32::try_from(bytes.len()).expect("short").to_le_bytes();
    bytes[SIZE..SIZE + 4].copy_from_slice(&size);
    Event::read(event.fde(), &bytes[..]).expect("an event")
}

/// The event cut off at each byte, then with each byte altered.
fn broken(event: &Event) -> impl Iterator<Item = Event> + use<> {
    let event = event.clone();
    let data = event.data().to_vec();
    let altered = [0x00, 0xff, 0x80].into_iter().flat_map({
        let length = data.len();
        move |value| (0..length).map(move |at| (at, value))
    });
    let cut = (0..data.len()).map(|length| (length, None));
    let altered = altered.map(|(at, value)| (at, Some(value)));
    cut.chain(altered).map(move |(at, value)| match value {
        None => with_data(&event, &data[..at]),
        Some(value) => {
            let mut data = data.clone();
            data[at] = value;
            with_data(&event, &data)
        }
    })
}

/// In front of each event of the log all broken forms of it.
async fn check(folder: &str) {
    let more = [
        ("event.processing.failure.handling.mode", "skip"),
        ("inconsistent.schema.handling.mode", "skip"),
        ("schema.history.internal.skip.unparseable.ddl", "true"),
    ];
    let connector = Connector::new(RecordedServer::open(folder), &more);
    let from = Position::at("mysql-bin.000001", 4);
    let events = connector.server.send(&from).into_iter();
    let events = events.flat_map(|event| broken(&event).chain([event]).collect::<Vec<_>>());
    // Nobody takes the records: they are made before they are handed over.
    let (queue, _) = queue::channel(QueueLimits {
        batch_records: 1,
        queue_records: 2,
        queue_bytes: DEFAULT_QUEUE_BYTES,
        poll_wait: Duration::from_secs(1),
    });
    let (flavor, settings) = (connector.server.flavor, connector.settings);
    let work = Work::Endure(Box::new(events));
    let ended = read(
        flavor,
        settings,
        MemoryLog::default(),
        (&from).into(),
        work,
        queue,
    )
    .await;
    assert!(ended.is_ok(), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn broken_events_of_mariadb_are_endured() {
    check("mariadb").await;
}

#[tokio::test(start_paused = true)]
async fn broken_compressed_events_of_mariadb_are_endured() {
    check("mariadb-compressed").await;
}

#[tokio::test(start_paused = true)]
async fn broken_events_of_mysql_are_endured() {
    check("mysql").await;
}
