//! The connectors: check their settings, and the connection where the original does.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_api::config::{ConfigInfo, add_error};
use tidegate_api::{ConfigDef, ConnectError, Connector, ConnectorContext, ConnectorTaskId, Props};

use crate::config::{self, Settings, Style};
use crate::writer::Writer;

#[derive(Debug)]
pub(crate) struct JdbcSinkConnector {
    style: Style,
    props: Props,
}

impl JdbcSinkConnector {
    pub(crate) fn new(style: Style) -> Self {
        Self {
            style,
            props: Props::new(),
        }
    }
}

#[async_trait]
impl Connector for JdbcSinkConnector {
    async fn start(
        &mut self,
        _context: Arc<dyn ConnectorContext>,
        props: &Props,
    ) -> Result<(), ConnectError> {
        Settings::new(self.style, props)?;
        self.props = props.clone();
        Ok(())
    }

    async fn task_configs(&mut self, max_tasks: usize) -> Result<Vec<Props>, ConnectError> {
        let with_id = |task: usize| {
            let mut props = self.props.clone();
            props.set("task.id", task.to_string());
            props
        };
        Ok((0..max_tasks).map(with_id).collect())
    }

    async fn stop(&mut self) {}

    async fn validate(
        &self,
        definition: &ConfigDef,
        props: &Props,
    ) -> Result<Vec<ConfigInfo>, ConnectError> {
        let given = props;
        let props = config::with_todays_names(self.style, given);
        let mut infos = definition.validate(&props);
        config::show_as_given(self.style, &mut infos, definition, given);
        for (name, error) in config::cross_checks(self.style, &props) {
            add_error(&mut infos, &name, error);
        }
        if infos.iter().any(|info| !info.errors.is_empty()) {
            return Ok(infos);
        }
        let settings = match Settings::new(self.style, &props) {
            Ok(settings) => settings,
            Err(error) => {
                add_error(&mut infos, "connection.url", error.text());
                return Ok(infos);
            }
        };
        // Only Confluent's connector tries the connection here.
        if self.style == Style::Confluent {
            let task = ConnectorTaskId {
                connector: Arc::from("validation"),
                task: 0,
            };
            let mut writer = Writer::new(settings, task, None)?;
            if let Err(error) = writer.connect().await {
                add_error(
                    &mut infos,
                    "connection.url",
                    format!("Could not connect to database. {error}"),
                );
            }
            writer.close().await;
        }
        Ok(infos)
    }
}
