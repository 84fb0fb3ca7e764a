//! Values of topics as lines of a file, or of the standard output.
//!
//! Source: `org.apache.kafka.connect.file.{FileStreamSinkConnector,FileStreamSinkTask}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tidegate_api::config::{ConfigDef, ConfigKey, Importance};
use tidegate_api::{
    ConnectError, Connector, ConnectorContext, OffsetChange, Props, SinkRecord, SinkTask,
    SinkTaskContext, TopicPartition, java_text,
};
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

static FILE: ConfigKey<Option<String>> = ConfigKey::nullable("file")
    .importance(Importance::High)
    .doc(
        "File that each record's value is appended to as a line. Without it, the standard \
         output.",
    );

pub(crate) fn config_def() -> ConfigDef {
    ConfigDef::new(&[&FILE])
}

#[derive(Debug, Default)]
pub(crate) struct FileStreamSinkConnector {
    props: Props,
}

#[async_trait]
impl Connector for FileStreamSinkConnector {
    async fn start(
        &mut self,
        _context: Arc<dyn ConnectorContext>,
        props: &Props,
    ) -> Result<(), ConnectError> {
        config_def().check(props)?;
        self.props = props.clone();
        Ok(())
    }
    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>, ConnectError> {
        Ok(vec![self.props.clone(); max_tasks])
    }
    async fn stop(&mut self) {}
    /// Nothing is kept beside the group's offsets.
    async fn alter_offsets(
        &self,
        _props: &Props,
        _offsets: OffsetChange<'_>,
    ) -> Result<bool, ConnectError> {
        Ok(true)
    }
}

#[derive(Default)]
pub(crate) struct FileStreamSinkTask {
    name: String,
    output: Option<Box<dyn AsyncWrite + Send + Unpin>>,
}

impl FileStreamSinkTask {
    fn failed(&self, error: &std::io::Error) -> ConnectError {
        ConnectError::fatal(format!(
            "'{}' (property 'file') cannot be written: {error}",
            self.name
        ))
    }
}

#[async_trait]
impl SinkTask for FileStreamSinkTask {
    async fn start(&mut self, _context: SinkTaskContext, props: Props) -> Result<(), ConnectError> {
        match props.get(&FILE)?.filter(|name| !name.is_empty()) {
            Some(name) => {
                self.name = name;
                let file = File::options()
                    .create(true)
                    .append(true)
                    .open(&self.name)
                    .await;
                self.output = Some(Box::new(file.map_err(|error| self.failed(&error))?));
            }
            None => {
                "standard output".clone_into(&mut self.name);
                self.output = Some(Box::new(tokio::io::stdout()));
            }
        }
        Ok(())
    }

    async fn put(&mut self, records: &[SinkRecord]) -> Result<(), ConnectError> {
        let mut lines = String::new();
        for record in records {
            lines.push_str(&java_text::value_of(
                record.record.value.schema.as_deref(),
                &record.record.value.value,
            ));
            lines.push('\n');
        }
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let written = async {
            output.write_all(lines.as_bytes()).await?;
            output.flush().await
        };
        written.await.map_err(|error| self.failed(&error))
    }

    async fn pre_commit(
        &mut self,
        current: BTreeMap<TopicPartition, i64>,
    ) -> Result<BTreeMap<TopicPartition, i64>, ConnectError> {
        Ok(current)
    }

    async fn stop(&mut self) {
        self.output = None;
    }
}
