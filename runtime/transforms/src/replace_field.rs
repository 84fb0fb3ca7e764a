//! `ReplaceField`: leaves fields out and renames them.

use std::sync::Arc;

use tidegate_api::config::{ConfigDef, ConfigKey, ConfigValue, invalid, valid_list};
use tidegate_api::{
    ConnectError, Plugins, Props, Record, Schema, SchemaBuilder, SchemaCache, Struct, Transform,
    Value,
};

use crate::part::{Part, register_parts, unsupported};
use crate::shape;

static EXCLUDE: ConfigKey<Vec<String>> = ConfigKey::new("exclude", "")
    .validator(valid_list)
    .doc("Fields to leave out, separated by commas. They are left out even if include has them.");
static INCLUDE: ConfigKey<Vec<String>> = ConfigKey::new("include", "")
    .validator(valid_list)
    .doc("The only fields to keep, separated by commas. Empty for all.");
static RENAMES: ConfigKey<Vec<String>> = ConfigKey::new("renames", "").validator(renamable).doc(
    "Fields that get another name, as 'old:new' separated by commas. exclude and include \
         have the old names.",
);
/// Names before Connect 4.0.
static BLACKLIST: ConfigKey<Vec<String>> = ConfigKey::new("blacklist", "")
    .internal()
    .doc("Former name of exclude.");
static WHITELIST: ConfigKey<Vec<String>> = ConfigKey::new("whitelist", "")
    .internal()
    .doc("Former name of include.");

fn config_def() -> ConfigDef {
    ConfigDef::new(&[&EXCLUDE, &INCLUDE, &RENAMES, &shape::REPLACE_NULL])
}

pub(crate) fn register(plugins: &mut Plugins) {
    register_parts!(plugins, "ReplaceField", config_def, ReplaceField::new);
}

/// The old name and the new one.
fn pair(rename: &str) -> Option<(String, String)> {
    // Java's `split` passes over what is empty at the end.
    let (old, new) = rename.trim_end_matches(':').split_once(':')?;
    (!new.contains(':')).then(|| (old.to_owned(), new.to_owned()))
}

fn renamable(name: &str, value: &ConfigValue) -> Result<(), String> {
    let ConfigValue::List(renames) = value else {
        return Ok(());
    };
    let Some(wrong) = renames.iter().find(|rename| pair(rename).is_none()) else {
        return Ok(());
    };
    let reason = format!("Invalid rename mapping: {wrong}");
    Err(invalid(name, value, &reason))
}

struct ReplaceField {
    part: Part,
    names: Names,
    replace_null: bool,
    schemas: SchemaCache<(Arc<Schema>, Vec<usize>)>,
}

/// Which fields stay, and under which names.
struct Names {
    exclude: Vec<String>,
    include: Vec<String>,
    renames: Vec<(String, String)>,
}

impl ReplaceField {
    fn new(props: &Props, part: Part) -> Result<Self, ConnectError> {
        let list = |today: &ConfigKey<Vec<String>>, before: &ConfigKey<Vec<String>>| {
            let names = props.get(today)?;
            if names.is_empty() {
                props.get(before)
            } else {
                Ok(names)
            }
        };
        let renames = props.get(&RENAMES)?;
        let pairs = renames.iter().filter_map(|rename| pair(rename));
        Ok(Self {
            part,
            names: Names {
                exclude: list(&EXCLUDE, &BLACKLIST)?,
                include: list(&INCLUDE, &WHITELIST)?,
                renames: pairs.collect(),
            },
            replace_null: props.get(&shape::REPLACE_NULL)?,
            schemas: shape::cache(),
        })
    }
}

impl Names {
    fn keeps(&self, name: &str) -> bool {
        let listed = |list: &[String]| list.iter().any(|known| known == name);
        !listed(&self.exclude) && (self.include.is_empty() || listed(&self.include))
    }
    fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames
            .iter()
            .find(|(old, _)| old == name)
            .map_or(name, |(_, new)| new)
    }
}

impl Transform for ReplaceField {
    fn apply(&mut self, mut record: Record) -> Result<Option<Record>, ConnectError> {
        let names = &self.names;
        let data = self.part.get(&mut record);
        match (&data.schema, &data.value) {
            (_, Value::Null) => {}
            (Some(schema), Value::Struct(structure)) => {
                let plan = self.schemas.get(schema, || {
                    let kept: Vec<usize> = schema
                        .fields()
                        .iter()
                        .filter(|field| names.keeps(&field.name))
                        .map(|field| field.index)
                        .collect();
                    let builder = kept.iter().fold(
                        shape::basics(schema, SchemaBuilder::structure()),
                        |builder, index| {
                            let field = &schema.fields()[*index];
                            builder.field(names.renamed(&field.name), Arc::clone(&field.schema))
                        },
                    );
                    Ok::<_, ConnectError>((builder.try_build()?, kept))
                })?;
                let values: Vec<Value> = plan
                    .1
                    .iter()
                    .map(|index| shape::value_of(structure, *index, self.replace_null))
                    .collect();
                data.value = Value::Struct(Struct::new(Arc::clone(&plan.0), values));
                data.schema = Some(Arc::clone(&plan.0));
            }
            (None, Value::Map(entries)) => {
                let kept = entries
                    .iter()
                    .filter(|(name, _)| name.as_str().is_none_or(|name| names.keeps(name)));
                let renamed = kept.map(|(name, value)| match name.as_str() {
                    Some(text) => (Value::string(names.renamed(text)), value.clone()),
                    None => (name.clone(), value.clone()),
                });
                data.value = Value::Map(renamed.collect());
            }
            _ => return Err(unsupported("field replacement", data)),
        }
        Ok(Some(record))
    }
}
