//! The list of everything that a configuration can name. A new connector is one line here.

use std::sync::Arc;

use tidegate_api::Plugins;
use tidegate_log::LogProvider;

/// `provider` opens the logs of schema histories.
pub(crate) fn all(provider: &Arc<dyn LogProvider>) -> Plugins {
    let mut plugins = Plugins::default();
    tidegate_json::register(&mut plugins);
    tidegate_primitive::register(&mut plugins);
    tidegate_transforms::register(&mut plugins);
    tidegate_file::register(&mut plugins);
    tidegate_binlog::register(&mut plugins, provider);
    tidegate_jdbc_sink::register(&mut plugins);
    plugins
}

#[cfg(test)]
mod tests;
