//! What a plugin says of itself, and the list of all plugins.
//!
//! The list is filled by the binary alone; the worker sees plugins only through it.

use std::fmt;
use std::sync::Arc;

use crate::config::{ConfigDef, Props};
use crate::connector::{Connector, SinkTask, SourceTask};
use crate::converter::{Converter, HeaderConverter};
use crate::error::ConnectError;
use crate::transform::{Predicate, Transform};

/// Makes the tasks of a connector class.
#[derive(Clone)]
pub enum ConnectorKind {
    Source(Arc<dyn Fn() -> Box<dyn SourceTask> + Send + Sync>),
    Sink(Arc<dyn Fn() -> Box<dyn SinkTask> + Send + Sync>),
}

impl ConnectorKind {
    /// `source` or `sink`, as REST shows it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Sink(_) => "sink",
        }
    }
}

/// A connector class.
#[derive(Clone)]
pub struct ConnectorPlugin {
    /// Full Java class name, e.g. `io.debezium.connector.mysql.MySqlConnector`.
    pub class: &'static str,
    /// Java class of the tasks; stored in task configurations as `task.class`.
    pub task_class: &'static str,
    /// The release of the original that this one is compared with.
    pub version: &'static str,
    pub kind: ConnectorKind,
    pub config_def: fn() -> ConfigDef,
    pub create: Arc<dyn Fn() -> Box<dyn Connector> + Send + Sync>,
}

/// Makes a converter from its options, whose prefix is stripped, and whether it serves keys.
pub type CreateConverter =
    Arc<dyn Fn(&Props, bool) -> Result<Box<dyn Converter>, ConnectError> + Send + Sync>;

/// Makes another plugin from its options, whose prefix is stripped.
pub type Create<P> = Arc<dyn Fn(&Props) -> Result<Box<P>, ConnectError> + Send + Sync>;

/// A converter class for keys and values.
#[derive(Clone)]
pub struct ConverterPlugin {
    pub class: &'static str,
    pub version: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub create: CreateConverter,
}

/// A converter class for headers.
#[derive(Clone)]
pub struct HeaderConverterPlugin {
    pub class: &'static str,
    pub version: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub create: Create<dyn HeaderConverter>,
}

/// A transformation class.
#[derive(Clone)]
pub struct TransformPlugin {
    /// Full Java class name, with `$Key` or `$Value` where the original has the two.
    pub class: &'static str,
    pub version: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub create: Create<dyn Transform>,
}

/// A predicate class.
#[derive(Clone)]
pub struct PredicatePlugin {
    pub class: &'static str,
    pub version: &'static str,
    pub config_def: fn() -> ConfigDef,
    pub create: Create<dyn Predicate>,
}

/// Everything that a configuration can name.
#[derive(Clone, Default)]
pub struct Plugins {
    pub connectors: Vec<ConnectorPlugin>,
    pub converters: Vec<ConverterPlugin>,
    pub header_converters: Vec<HeaderConverterPlugin>,
    pub transforms: Vec<TransformPlugin>,
    pub predicates: Vec<PredicatePlugin>,
}

macro_rules! lookups {
    ($($(#[$doc:meta])* $method:ident in $list:ident: $plugin:ty, $suffix:literal;)*) => {
        impl Plugins {
            $($(#[$doc])*
            pub fn $method(&self, name: &str) -> Option<&$plugin> {
                one_named(&self.$list, name, $suffix, |plugin| plugin.class)
            }
            )*
        }
    };
}
lookups! {
    /// The connector class that `name` stands for, in full or by an alias that no other class has.
    connector in connectors: ConnectorPlugin, "Connector";
    converter in converters: ConverterPlugin, "Converter";
    header_converter in header_converters: HeaderConverterPlugin, "Converter";
    transform in transforms: TransformPlugin, "Transformation";
    predicate in predicates: PredicatePlugin, "Predicate";
}

impl Plugins {
    /// All connector classes that `name` may stand for, in full or by an alias.
    pub fn connectors_named(&self, name: &str) -> Vec<&'static str> {
        let classes = self.connectors.iter().map(|plugin| plugin.class);
        classes
            .filter(|class| class_matches(class, name.trim(), "Connector"))
            .collect()
    }
}

/// By its class, or by an alias that is of no other class. Blanks around a name are none of it.
///
/// Source: `org.apache.kafka.connect.runtime.isolation.PluginUtils.computeAliases`.
fn one_named<'a, T>(
    plugins: &'a [T],
    name: &str,
    suffix: &str,
    class: impl Fn(&T) -> &'static str,
) -> Option<&'a T> {
    let name = name.trim();
    if let Some(plugin) = plugins.iter().find(|plugin| class(plugin) == name) {
        return Some(plugin);
    }
    let mut by_alias = plugins
        .iter()
        .filter(|plugin| class_matches(class(plugin), name, suffix));
    match (by_alias.next(), by_alias.next()) {
        (Some(plugin), None) => Some(plugin),
        _ => None,
    }
}

impl fmt::Debug for Plugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugins")
            .field(
                "connectors",
                &self
                    .connectors
                    .iter()
                    .map(|plugin| plugin.class)
                    .collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

macro_rules! debug_as_class {
    ($($plugin:ty),*) => {
        $(impl fmt::Debug for $plugin {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.class)
            }
        })*
    };
}
debug_as_class!(
    ConnectorPlugin,
    ConverterPlugin,
    HeaderConverterPlugin,
    TransformPlugin,
    PredicatePlugin
);

impl fmt::Debug for ConnectorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether `name` names the class `class`: in full, by its simple name, or by the simple name without the suffix of
/// its sort (`Connector`, `Converter`, `Transformation`, `Predicate`). Inner classes are written `Outer$Inner`.
///
/// Source: `org.apache.kafka.connect.runtime.isolation.PluginUtils.{simpleName,prunedName}`.
pub fn class_matches(class: &str, name: &str, suffix: &str) -> bool {
    if class == name {
        return true;
    }
    let simple = class.rsplit('.').next().unwrap_or(class);
    simple == name
        || simple
            .strip_suffix(suffix)
            .is_some_and(|pruned| !pruned.is_empty() && pruned == name)
}

#[cfg(test)]
mod tests {
    use super::{class_matches, one_named};

    #[test]
    fn aliases_of_several_classes_name_none() {
        let classes = ["a.SinkConnector", "b.SinkConnector", "c.SourceConnector"];
        let named = |name| one_named(&classes, name, "Connector", |class| *class);
        for name in ["SinkConnector", "Sink", "Source_", ""] {
            assert_eq!(named(name), None, "{name}");
        }
        assert_eq!(named("b.SinkConnector"), Some(&"b.SinkConnector"));
        for name in ["SourceConnector", "Source"] {
            assert_eq!(named(name), Some(&"c.SourceConnector"), "{name}");
        }
    }

    #[test]
    fn classes_answer_to_their_aliases() {
        let class = "io.debezium.connector.mysql.MySqlConnector";
        for name in [class, "MySqlConnector", "MySql"] {
            assert!(class_matches(class, name, "Connector"), "{name}");
        }
        for name in ["", "mysql", "Connector", "connector.mysql.MySqlConnector"] {
            assert!(!class_matches(class, name, "Connector"), "{name}");
        }
        assert!(class_matches(
            "org.apache.kafka.connect.transforms.Cast$Value",
            "Cast$Value",
            "Transformation"
        ));
    }
}
