//! Lines of a file, or of the standard input, to a topic.
//!
//! Source: `org.apache.kafka.connect.file.{FileStreamSourceConnector,FileStreamSourceTask}`. Positions are bytes; the
//! original's count differs where the file is not ASCII and then repeats pieces of lines.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tidegate_api::config::{ConfigDef, ConfigKey, Importance};
use tidegate_api::{
    ConnectError, Connector, ConnectorContext, OffsetChange, OffsetFieldsMap, Props, Record,
    Schema, SchemaAndValue, SchemaBuilder, SourceOffset, SourcePartition, SourceRecord, SourceTask,
    SourceTaskContext, Str, Value,
};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _};
use tracing::{debug, info, warn};

static FILE: ConfigKey<Option<String>> = ConfigKey::nullable("file")
    .importance(Importance::High)
    .doc(
        "File whose lines become records. Lines that are appended later are read, too. Without \
         it, the standard input.",
    );
static TOPIC: ConfigKey<String> = ConfigKey::required("topic")
    .importance(Importance::High)
    .validator(not_empty)
    .doc("Topic of the records.");
static BATCH_SIZE: ConfigKey<i32> = ConfigKey::new("batch.size", "2000")
    .importance(Importance::Low)
    .doc("Most lines that the task hands over at a time.");

const FILENAME_FIELD: &str = "filename";
const POSITION_FIELD: &str = "position";
/// Wait for more lines; the original's.
const WAIT: Duration = Duration::from_secs(1);
const READ_BYTES: usize = 64 * 1024;
/// Bytes of a line. No log takes a record of that size; a file without lines would fill the memory.
const MAX_LINE: usize = 128 * 1024 * 1024;

fn not_empty(name: &str, value: &tidegate_api::ConfigValue) -> Result<(), String> {
    match value {
        tidegate_api::ConfigValue::String(text) if text.is_empty() => Err(
            tidegate_api::config::invalid(name, text, "String must be non-empty"),
        ),
        _ => Ok(()),
    }
}

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(&[&FILE, &TOPIC, &BATCH_SIZE])
}

#[derive(Debug, Default)]
pub(crate) struct FileStreamSourceConnector {
    props: Props,
}

#[async_trait]
impl Connector for FileStreamSourceConnector {
    async fn start(
        &mut self,
        _context: Arc<dyn ConnectorContext>,
        props: &Props,
    ) -> Result<(), ConnectError> {
        config_def().check(props)?;
        let source = props.get(&FILE)?;
        info!(
            "Starting file source connector reading from {}",
            source.as_deref().unwrap_or("standard input")
        );
        self.props = props.clone();
        Ok(())
    }
    async fn task_configs(&mut self, _max_tasks: usize) -> Result<Vec<Props>, ConnectError> {
        Ok(vec![self.props.clone()])
    }
    async fn stop(&mut self) {}

    async fn alter_offsets(
        &self,
        props: &Props,
        offsets: OffsetChange<'_>,
    ) -> Result<bool, ConnectError> {
        if props.get(&FILE)?.is_none_or(|file| file.is_empty()) {
            return Err(ConnectError::fatal(
                "Offsets cannot be modified if the 'file' configuration is unspecified. This is because stdin is used for input and offsets are not tracked.",
            ));
        }
        if let OffsetChange::Source(offsets) = offsets {
            for (partition, offset) in offsets {
                // What is removed may be anything.
                if let Some(offset) = offset {
                    check_offset(partition, offset)?;
                }
            }
        }
        Ok(true)
    }
}

fn check_offset(partition: &SourcePartition, offset: &OffsetFieldsMap) -> Result<(), ConnectError> {
    let field = |fields: &OffsetFieldsMap, name: &str| {
        let field = fields.iter().find(|(field, _)| &**field == name);
        field.map(|(_, value)| value.clone())
    };
    let text = match field(offset, POSITION_FIELD) {
        None => "Offset objects should either be null or contain the key 'position'",
        Some(Value::Int64(position)) if position < 0 => {
            "The value for the 'position' key in the offset should be a non-negative value"
        }
        Some(Value::Int64(_)) if field(&partition.0, FILENAME_FIELD).is_none() => {
            "Partition objects should contain the key 'filename'"
        }
        Some(Value::Int64(_)) => return Ok(()),
        Some(_) => "The value for the 'position' key in the offset is expected to be a Long value",
    };
    Err(ConnectError::fatal(text))
}

/// Where lines come from.
enum Input {
    /// Not there yet.
    Missing(PathBuf),
    File(File),
    Stdin(tokio::io::Stdin),
}

pub(crate) struct FileStreamSourceTask {
    input: Option<Input>,
    filename: Option<String>,
    topic: Arc<str>,
    batch_size: usize,
    schema: Arc<Schema>,
    partition: Arc<SourcePartition>,
    /// Bytes before the first of `buffer`.
    position: u64,
    /// Read, not yet a whole line.
    buffer: Vec<u8>,
    /// Bytes of `buffer` that hold no end of a line.
    searched: usize,
}

impl Default for FileStreamSourceTask {
    fn default() -> Self {
        Self {
            input: None,
            filename: None,
            topic: Arc::from(""),
            batch_size: 0,
            schema: SchemaBuilder::string().build(),
            partition: Arc::new(SourcePartition(Vec::new())),
            position: 0,
            buffer: Vec::new(),
            searched: 0,
        }
    }
}

impl FileStreamSourceTask {
    async fn open(&mut self) -> Result<bool, ConnectError> {
        let Some(Input::Missing(path)) = &self.input else {
            return Ok(true);
        };
        match File::open(path).await {
            Ok(mut file) => {
                let length = file.metadata().await.map_or(0, |metadata| metadata.len());
                if length < self.position {
                    warn!(
                        "'{}' has {length} bytes, less than the stored position {}; reading from its beginning",
                        path.display(),
                        self.position
                    );
                    self.position = 0;
                }
                file.seek(std::io::SeekFrom::Start(self.position))
                    .await
                    .map_err(|error| self.failed(&error))?;
                debug!("Opened {} for reading", path.display());
                self.input = Some(Input::File(file));
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                warn!(
                    "Couldn't find file '{}' for FileStreamSourceTask, sleeping to wait for it to be created",
                    path.display()
                );
                Ok(false)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &std::io::Error) -> ConnectError {
        let name = self.filename.as_deref().unwrap_or("standard input");
        ConnectError::fatal(format!(
            "'{name}' (property 'file') cannot be read: {error}"
        ))
    }

    /// Reads once; false at the present end.
    async fn fill(&mut self) -> Result<bool, ConnectError> {
        if self.searched > MAX_LINE {
            let name = self.filename.as_deref().unwrap_or("standard input");
            return Err(ConnectError::fatal(format!(
                "'{name}' (property 'file') has a line of more than {MAX_LINE} bytes at position {}; split it, or move the \
                 connector's offset behind it",
                self.position
            )));
        }
        let mut chunk = vec![0; READ_BYTES];
        let count = match &mut self.input {
            Some(Input::File(file)) => read(file, &mut chunk).await,
            Some(Input::Stdin(input)) => read(input, &mut chunk).await,
            _ => Ok(0),
        };
        let count = count.map_err(|error| self.failed(&error))?;
        self.buffer.extend_from_slice(&chunk[..count]);
        Ok(count > 0)
    }

    /// Whole lines of the buffer, at most a batch.
    fn lines(&mut self) -> Vec<SourceRecord> {
        let mut records = Vec::new();
        let mut start = 0;
        while records.len() < self.batch_size {
            let Some((length, ending)) = line(&self.buffer[start..], self.searched) else {
                // A `\r` at the end may be the first half of an ending.
                self.searched = (self.buffer.len() - start).saturating_sub(1);
                break;
            };
            self.searched = 0;
            let text = Str::from_utf8_lossy(&self.buffer[start..start + length]);
            start += length + ending;
            records.push(self.record(text, self.position + start as u64));
        }
        self.buffer.drain(..start);
        self.position += start as u64;
        records
    }

    fn record(&self, line: Str, position: u64) -> SourceRecord {
        let offset = vec![(
            Str::new(POSITION_FIELD),
            Value::Int64(i64::try_from(position).unwrap_or(i64::MAX)),
        )];
        SourceRecord {
            record: Record {
                topic: Arc::clone(&self.topic),
                kafka_partition: None,
                key: SchemaAndValue::default(),
                value: SchemaAndValue {
                    schema: Some(Arc::clone(&self.schema)),
                    value: Value::String(line),
                },
                timestamp: Some(now()),
                headers: tidegate_api::Headers::new(),
            },
            source_partition: Arc::clone(&self.partition),
            source_offset: SourceOffset::new(offset),
        }
    }
}

fn now() -> i64 {
    let elapsed = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

async fn read(input: &mut (impl AsyncRead + Unpin), chunk: &mut [u8]) -> std::io::Result<usize> {
    input.read(chunk).await
}

/// Length of the first line and of its ending (`\n`, `\r\n` or `\r`); `None` while it may go on. The first `searched` bytes
/// have no ending.
fn line(bytes: &[u8], searched: usize) -> Option<(usize, usize)> {
    let rest = bytes.get(searched..)?;
    let behind = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    let length = searched + behind;
    match (bytes[length], bytes.get(length + 1)) {
        (b'\r', Some(b'\n')) => Some((length, 2)),
        (b'\r', None) => None,
        _ => Some((length, 1)),
    }
}

#[async_trait]
impl SourceTask for FileStreamSourceTask {
    async fn start(
        &mut self,
        context: SourceTaskContext,
        props: Props,
    ) -> Result<(), ConnectError> {
        self.filename = props.get(&FILE)?.filter(|name| !name.is_empty());
        self.topic = Arc::from(props.get(&TOPIC)?);
        self.batch_size = usize::try_from(props.get(&BATCH_SIZE)?).unwrap_or(1).max(1);
        let Some(filename) = &self.filename else {
            self.input = Some(Input::Stdin(tokio::io::stdin()));
            return Ok(());
        };
        self.partition = Arc::new(SourcePartition::single(FILENAME_FIELD, filename));
        let stored = context
            .offset_reader
            .offsets(std::slice::from_ref(&*self.partition))
            .await?;
        if let Some(offset) = stored.into_iter().next().flatten() {
            let position = offset
                .iter()
                .find(|(name, _)| name == POSITION_FIELD)
                .and_then(|(_, value)| value.as_i64());
            self.position = position.and_then(|position| u64::try_from(position).ok()).ok_or_else(|| {
                ConnectError::fatal(format!("Offset position is the incorrect type: the stored offset of '{filename}' has no whole number 'position'"))
            })?;
            debug!(
                "Found previous offset, trying to skip to file offset {}",
                self.position
            );
        }
        self.input = Some(Input::Missing(PathBuf::from(filename)));
        Ok(())
    }

    async fn poll(&mut self) -> Result<Vec<SourceRecord>, ConnectError> {
        let records = self.lines();
        if !records.is_empty() {
            return Ok(records);
        }
        if self.open().await? && self.fill().await? {
            return Ok(self.lines());
        }
        // Files give no signal of growth that works everywhere.
        tokio::time::sleep(WAIT).await;
        Ok(Vec::new())
    }

    async fn stop(&mut self) {
        self.input = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_in_three_ways() {
        assert_eq!(line(b"ab\ncd", 0), Some((2, 1)));
        assert_eq!(line(b"ab\r\ncd", 0), Some((2, 2)));
        assert_eq!(line(b"ab\rcd", 1), Some((2, 1)));
        assert_eq!(line(b"\n", 0), Some((0, 1)));
        assert_eq!(line(b"ab\r", 0), None);
        assert_eq!(line(b"ab", 2), None);
    }

    /// Reads all of a file; the records' lines, or the failure.
    async fn read_all(content: &[u8]) -> Result<Vec<usize>, ConnectError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), content).expect("written");
        let mut task = FileStreamSourceTask {
            batch_size: 2,
            filename: Some("lines".to_owned()),
            input: Some(Input::Missing(file.path().to_owned())),
            ..FileStreamSourceTask::default()
        };
        let mut lengths = Vec::new();
        loop {
            let records = task.lines();
            let lines = records
                .iter()
                .filter_map(|it| it.record.value.value.as_str());
            lengths.extend(lines.map(str::len));
            if records.is_empty() && !(task.open().await? && task.fill().await?) {
                return Ok(lengths);
            }
        }
    }

    #[tokio::test]
    async fn long_lines_are_searched_once_and_have_an_end() {
        let mut content = b"a\r\nb\r".to_vec();
        content.extend(vec![b'x'; 24 << 20]);
        content.extend(b"\r\nc\n\nd");
        let lengths = read_all(&content).await.unwrap();
        assert_eq!(lengths, [1, 1, 24 << 20, 1, 0]);
        let error = read_all(&vec![b'x'; MAX_LINE + (1 << 20)])
            .await
            .unwrap_err();
        assert!(error.text().contains("a line of more than"), "{error}");
    }
}
