//! Finds plugins by what configurations call them.
//!
//! Source: `org.apache.kafka.connect.runtime.isolation.Plugins`.

use tidegate_api::config::HIDDEN;
use tidegate_api::{ConnectError, ConnectorPlugin, Plugins, Props};

use super::entities::CONNECTOR_CLASS;

/// The plugin that a connector's configuration names.
///
/// # Errors
/// `Config` with the original's texts; where the original shows the configuration's values, ours hides them.
pub(crate) fn find_connector<'a>(
    plugins: &'a Plugins,
    props: &Props,
) -> Result<&'a ConnectorPlugin, ConnectError> {
    let Some(class) = props.raw(CONNECTOR_CLASS) else {
        let entries: Vec<_> = props.iter().map(|(name, _)| format!("{name}={HIDDEN}")).collect();
        let text = format!("Connector config {{{}}} contains no connector type", entries.join(", "));
        return Err(ConnectError::config(text));
    };
    plugins.connector(class).ok_or_else(|| {
        let known: Vec<_> = sorted_connectors(plugins).into_iter().map(description).collect();
        ConnectError::config(format!(
            "Failed to find any class that implements Connector and which name matches {class}, available connectors \
             are: {}",
            known.join(", ")
        ))
    })
}

/// Sinks, then sources, each by class name.
pub(crate) fn sorted_connectors(plugins: &Plugins) -> Vec<&ConnectorPlugin> {
    let mut connectors: Vec<_> = plugins.connectors.iter().collect();
    connectors.sort_by_key(|plugin| (plugin.kind.name(), plugin.class));
    connectors
}

fn description(plugin: &ConnectorPlugin) -> String {
    let ConnectorPlugin { class, version, kind, .. } = plugin;
    let kind = kind.name();
    format!(
        "PluginDesc{{klass=class {class}, name='{class}', version='{version}', encodedVersion={version}, type={kind}, \
         typeName='{kind}', location='classpath'}}"
    )
}
