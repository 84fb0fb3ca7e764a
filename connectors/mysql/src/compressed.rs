//! MariaDB's compressed events (`log_bin_compress=ON`) and columns (`COMPRESSED`) become the plain ones that they stand for.
//!
//! Source: MariaDB `log_event.cc`, `query_event_uncompress`, `row_log_event_uncompress`; `field_comp.cc`. The original does
//! not read them.

use std::borrow::Cow;
use std::io::Read as _;
use std::ops::Range;

use flate2::read::{DeflateDecoder, ZlibDecoder};
use mysql_async::binlog::EventType;
use mysql_async::binlog::events::{BinlogEventHeader, Event};
use mysql_async::consts::ColumnType;

const QUERY_COMPRESSED: u8 = 165;
const WRITE_ROWS_COMPRESSED_V1: u8 = 166;
const UPDATE_ROWS_COMPRESSED_V1: u8 = 167;
const DELETE_ROWS_COMPRESSED_V1: u8 = 168;
const WRITE_ROWS_COMPRESSED: u8 = 169;
const UPDATE_ROWS_COMPRESSED: u8 = 170;
const DELETE_ROWS_COMPRESSED: u8 = 171;

/// Thread, duration, length of the database's name, error code, length of the status variables.
const QUERY_POST_HEADER: usize = 13;
const ROWS_POST_HEADER_V1: usize = 8;
const ROWS_POST_HEADER: usize = 10;

const TYPE_OFFSET: usize = 4;
const SIZE_OFFSET: usize = 9;
const CHECKSUM_BYTES: usize = 4;

/// The servers' own limit of what one packet has (`max_allowed_packet`), and so of one event or value.
const MOST_BYTES: usize = 1 << 30;
/// What a buffer starts with before the bytes prove that more is needed.
const FIRST_RESERVE: usize = 1 << 20;

/// The plain event of a compressed one, with the time and place of the compressed one; `None` for other events.
///
/// # Errors
/// If it cannot be decompressed, with the reason.
pub fn uncompressed(event: &Event) -> Result<Option<Event>, String> {
    let data = event.data();
    let (kind, head) = match event.header().event_type_raw() {
        QUERY_COMPRESSED => (EventType::QUERY_EVENT, query_head(data)),
        WRITE_ROWS_COMPRESSED_V1 => (EventType::WRITE_ROWS_EVENT_V1, rows_head(data, false, 1)),
        UPDATE_ROWS_COMPRESSED_V1 => (EventType::UPDATE_ROWS_EVENT_V1, rows_head(data, false, 2)),
        DELETE_ROWS_COMPRESSED_V1 => (EventType::DELETE_ROWS_EVENT_V1, rows_head(data, false, 1)),
        WRITE_ROWS_COMPRESSED => (EventType::WRITE_ROWS_EVENT, rows_head(data, true, 1)),
        UPDATE_ROWS_COMPRESSED => (EventType::UPDATE_ROWS_EVENT, rows_head(data, true, 2)),
        DELETE_ROWS_COMPRESSED => (EventType::DELETE_ROWS_EVENT, rows_head(data, true, 1)),
        _ => return Ok(None),
    };
    let (plain, packed) = head
        .and_then(|length| data.split_at_checked(length))
        .ok_or("the compressed event is cut off")?;
    rebuild(event, kind, plain, packed).map(Some)
}

/// Column types of the log that mean the other ones, compressed.
const COMPRESSED_TYPES: [(u8, ColumnType); 2] = [
    (140, ColumnType::MYSQL_TYPE_BLOB),
    (141, ColumnType::MYSQL_TYPE_VARCHAR),
];

/// The table map with plain types in place of compressed ones, and which columns have them, from 0; `None` if none has.
///
/// # Errors
/// If it cannot be read, with the reason.
pub fn plain_table_map(event: &Event) -> Result<Option<(Event, Vec<usize>)>, String> {
    let data = event.data();
    let Some(types) = column_types(data) else {
        return Ok(None);
    };
    let plain = |kind: u8| COMPRESSED_TYPES.iter().find(|(packed, _)| *packed == kind);
    let columns: Vec<usize> = (types.clone())
        .zip(0..)
        .filter(|(at, _)| plain(data[*at]).is_some())
        .map(|(_, column)| column)
        .collect();
    if columns.is_empty() {
        return Ok(None);
    }
    let mut copy = data.to_vec();
    for kind in &mut copy[types] {
        if let Some((_, plain)) = plain(*kind) {
            *kind = *plain as u8;
        }
    }
    let mut bytes = Vec::with_capacity(BinlogEventHeader::LEN + copy.len() + CHECKSUM_BYTES);
    mysql_common::proto::MySerialize::serialize(&event.header(), &mut bytes);
    bytes.extend_from_slice(&copy);
    if event.checksum().is_some() {
        bytes.extend_from_slice(&[0; CHECKSUM_BYTES]);
    }
    let event = Event::read(event.fde(), &bytes[..]).map_err(|error| error.to_string())?;
    Ok(Some((event, columns)))
}

/// Where a table map has its types: behind number and flags of the table, names of database and table with their lengths
/// and a zero each, and the number of columns.
fn column_types(data: &[u8]) -> Option<Range<usize>> {
    let mut at = 8;
    for _ in 0..2 {
        at += 2 + usize::from(*data.get(at)?);
    }
    let (count, width) = column_count(data.get(at..)?)?;
    let types = at + width..at + width + count;
    (types.end <= data.len()).then_some(types)
}

/// The value of a compressed column; `None` if it is broken.
pub(crate) fn column(stored: &[u8]) -> Option<Cow<'_, [u8]>> {
    const IS_COMPRESSED: u8 = 0x80;
    const HAS_NO_ZLIB_HEADER: u8 = 0x08;
    let Some((head, rest)) = stored.split_first() else {
        return Some(Cow::Borrowed(stored));
    };
    if *head == 0 {
        return Some(Cow::Borrowed(rest));
    }
    if head & IS_COMPRESSED == 0 {
        return None;
    }
    let (length, packed) = rest.split_at_checked(usize::from(head & 0x07))?;
    let length = length
        .iter()
        .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    if length > MOST_BYTES {
        return None;
    }
    let mut plain = Vec::with_capacity(length.min(FIRST_RESERVE));
    // One byte more than announced shows that there is more.
    let limit = u64::try_from(length).ok()?.saturating_add(1);
    let read = if head & HAS_NO_ZLIB_HEADER == 0 {
        ZlibDecoder::new(packed).take(limit).read_to_end(&mut plain)
    } else {
        DeflateDecoder::new(packed)
            .take(limit)
            .read_to_end(&mut plain)
    };
    (read.ok()? == length).then_some(Cow::Owned(plain))
}

/// Bytes before the statement.
fn query_head(data: &[u8]) -> Option<usize> {
    let database = usize::from(*data.get(8)?);
    let variables = u16::from_le_bytes(*data.get(11..13)?.first_chunk()?);
    // The database's name ends with a zero.
    Some(QUERY_POST_HEADER + usize::from(variables) + database + 1)
}

/// Bytes before the rows: the post header, the number of columns, and a bitmap of columns for each image.
fn rows_head(data: &[u8], has_extra: bool, images: usize) -> Option<usize> {
    let post_header = if has_extra {
        // The extra's length counts its own two bytes.
        let extra = u16::from_le_bytes(*data.get(8..10)?.first_chunk()?);
        ROWS_POST_HEADER + usize::from(extra).checked_sub(2)?
    } else {
        ROWS_POST_HEADER_V1
    };
    let (columns, width) = column_count(data.get(post_header..)?)?;
    Some(post_header + width + images * columns.div_ceil(8))
}

/// A number of columns, and how many bytes it has.
fn column_count(data: &[u8]) -> Option<(usize, usize)> {
    match *data.first()? {
        0xfc => Some((u16::from_le_bytes(*data.get(1..)?.first_chunk()?).into(), 3)),
        small @ 0..=0xfa => Some((usize::from(small), 1)),
        // A table has at most 4096 columns.
        _ => None,
    }
}

fn rebuild(event: &Event, kind: EventType, plain: &[u8], packed: &[u8]) -> Result<Event, String> {
    let (length, packed) = unpacked_length(packed)?;
    if length > MOST_BYTES {
        return Err(format!(
            "the compressed event announces {length} bytes, which is more than a server sends"
        ));
    }
    let mut bytes = Vec::with_capacity(
        BinlogEventHeader::LEN + plain.len() + length.min(FIRST_RESERVE) + CHECKSUM_BYTES,
    );
    mysql_common::proto::MySerialize::serialize(&event.header(), &mut bytes);
    bytes.extend_from_slice(plain);
    let before = bytes.len();
    // One byte more than announced shows that there is more.
    let limit = u64::try_from(length).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("the compressed event cannot be decompressed: {error}"))?;
    let actual = bytes.len() - before;
    if actual != length {
        return Err(format!(
            "the compressed event has {actual} bytes instead of the {length} that it announces"
        ));
    }
    if event.checksum().is_some() {
        bytes.extend_from_slice(&[0; CHECKSUM_BYTES]);
    }
    let size = u32::try_from(bytes.len())
        .map_err(|_| format!("the compressed event has {length} bytes, which is too much"))?;
    bytes[TYPE_OFFSET] = kind as u8;
    bytes[SIZE_OFFSET..SIZE_OFFSET + 4].copy_from_slice(&size.to_le_bytes());
    Event::read(event.fde(), &bytes[..]).map_err(|error| error.to_string())
}

/// Length of the original, and what follows: a byte with the mark, the algorithm and the number of bytes of the length,
/// which come next, the highest first.
fn unpacked_length(packed: &[u8]) -> Result<(usize, &[u8]), String> {
    let (mark, rest) = packed
        .split_first()
        .ok_or("the compressed event is empty")?;
    if mark & 0x80 == 0 {
        return Err("the compressed event has no mark of compression".to_owned());
    }
    let algorithm = mark >> 4 & 0x7;
    if algorithm != 0 {
        return Err(format!(
            "the compressed event uses algorithm {algorithm}; 0 (zlib) is the only one known"
        ));
    }
    let (length, rest) = rest
        .split_at_checked(usize::from(mark & 0x7))
        .filter(|(length, _)| length.len() <= 4)
        .ok_or("the compressed event is cut off")?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | usize::from(*byte));
    Ok((length, rest))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;
    use mysql_async::binlog::BinlogVersion;
    use mysql_async::binlog::events::{EventData, FormatDescriptionEvent};

    use super::*;

    #[test]
    fn values_of_compressed_columns_are_whole() {
        fn packed(head: u8, encoder: impl std::io::Read) -> Vec<u8> {
            let mut stored = vec![head, 1, 44];
            let mut encoder = encoder;
            encoder.read_to_end(&mut stored).expect("compressed");
            stored
        }
        let text = "abc".repeat(100);
        let level = flate2::Compression::fast();
        let zlib = packed(0x82, flate2::read::ZlibEncoder::new(text.as_bytes(), level));
        let raw = packed(
            0x8a,
            flate2::read::DeflateEncoder::new(text.as_bytes(), level),
        );
        for stored in [&zlib, &raw] {
            assert_eq!(column(stored).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(column(b"").as_deref(), Some(&b""[..]));
        assert_eq!(column(b"\0short").as_deref(), Some(&b"short"[..]));
        // Another way of compression, another length than announced, an end too early.
        assert_eq!(column(b"\x01short"), None);
        let mut longer = zlib.clone();
        longer[2] -= 1;
        assert_eq!(column(&longer), None);
        assert_eq!(column(&zlib[..zlib.len() / 2]), None);
        assert_eq!(column(b"\x82"), None);
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).expect("memory");
        let length = u16::try_from(text.len()).expect("short").to_be_bytes();
        let mut bytes = vec![0x82, length[0], length[1]];
        bytes.extend(encoder.finish().expect("memory"));
        bytes
    }

    fn event(kind: u8, data: &[u8]) -> Event {
        let mut bytes = vec![1, 0, 0, 0, kind, 7, 0, 0, 0];
        let size = u32::try_from(BinlogEventHeader::LEN + data.len()).expect("short");
        bytes.extend_from_slice(&size.to_le_bytes());
        bytes.extend_from_slice(&500_u32.to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(data);
        let format = FormatDescriptionEvent::new(BinlogVersion::Version4);
        Event::read(&format, &bytes[..]).expect("an event")
    }

    fn query(statement: &[u8]) -> Vec<u8> {
        let mut data = vec![9, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
        data.extend_from_slice(b"shop\0");
        data.extend_from_slice(statement);
        data
    }

    #[test]
    fn a_statement_comes_out_with_its_place() {
        let statement = "ALTER TABLE t ADD COLUMN c INT ".repeat(40);
        let event = event(QUERY_COMPRESSED, &query(&packed(statement.as_bytes())));
        let plain = uncompressed(&event).expect("it can").expect("a query");
        assert_eq!(plain.header().log_pos(), 500);
        assert_eq!(plain.header().server_id(), 7);
        match plain.read_data().expect("readable") {
            Some(EventData::QueryEvent(query)) => {
                assert_eq!((&*query.schema(), &*query.query()), ("shop", &*statement));
                assert_eq!(query.thread_id(), 9);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_come_out_behind_their_bitmaps() {
        let rows = [0xaa; 300];
        let mut data = vec![5, 0, 0, 0, 0, 0, 1, 0, 9, 0xff, 1, 0xff, 1];
        data.extend(packed(&rows));
        let event = event(UPDATE_ROWS_COMPRESSED_V1, &data);
        let plain = uncompressed(&event).expect("it can").expect("rows");
        match plain.read_data().expect("readable") {
            Some(EventData::RowsEvent(event)) => {
                assert_eq!(event.rows_data(), rows);
                assert_eq!(event.num_columns(), 9);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn broken_events_say_what_is_wrong() {
        #[track_caller]
        fn check(statement: &[u8], expected: &str) {
            let error =
                uncompressed(&event(QUERY_COMPRESSED, &query(statement))).expect_err(expected);
            assert!(error.contains(expected), "{error}");
        }
        let good = packed(b"SELECT 1");
        check(&[], "empty");
        check(&[0x02, 0, 1], "no mark");
        check(&[0x84, 0x7f, 0, 0, 0], "more than a server sends");
        check(&[0x92, 0, 1], "algorithm 1");
        check(&[0x84, 0, 1], "cut off");
        check(&good[..good.len() - 6], "decompressed");
        check(&[&[0x82, 0, 7], &good[3..]].concat(), "instead of the 7");
        check(&[&[0x82, 0, 9], &good[3..]].concat(), "instead of the 9");
        let other = uncompressed(&event(EventType::XID_EVENT as u8, &[0; 8]));
        assert!(other.expect("fine").is_none());
    }
}
