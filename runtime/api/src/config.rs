//! Configuration as data: keys are declared once and serve parsing, defaults, validation and the REST descriptions.
//!
//! Source: `org.apache.kafka.common.config.ConfigDef`.

mod catalogue;
mod validators;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use indexmap::IndexMap;

use crate::error::ConnectError;

pub use catalogue::Catalogue;
pub use validators::{enumerated, valid_string};

/// Properties of a connector, task or plugin, in the order given.
///
/// `Debug` shows names alone: values may be secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Props(IndexMap<String, String>);

impl fmt::Debug for Props {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Props {
    pub fn new() -> Self {
        Self::default()
    }
    /// The text of a property, whether declared or not.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.shift_remove(name)
    }
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The properties under a prefix, without it. Java's `originalsWithPrefix`.
    pub fn with_prefix(&self, prefix: &str) -> Self {
        self.iter()
            .filter_map(|(name, value)| {
                name.strip_prefix(prefix)
                    .map(|rest| (rest.to_owned(), value.to_owned()))
            })
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }

    /// The parsed value of a declared key, or its default.
    ///
    /// # Errors
    /// `Config` with Connect's text if it is missing or does not parse.
    pub fn get<T: FromConfigValue>(&self, key: &ConfigKey<T>) -> Result<T, ConnectError> {
        let value = key.spec().value_in(self).map_err(ConnectError::config)?;
        T::from_config(value).ok_or_else(|| {
            ConnectError::config(format!(
                "Missing required configuration \"{}\" which has no default value.",
                key.name()
            ))
        })
    }
}

impl FromIterator<(String, String)> for Props {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}
impl<'a> FromIterator<(&'a str, &'a str)> for Props {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(iter: I) -> Self {
        iter.into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}
impl<const N: usize> From<[(&str, &str); N]> for Props {
    fn from(entries: [(&str, &str); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// Type of a key, named in REST answers as Java does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    Boolean,
    String,
    Int,
    Short,
    Long,
    Double,
    List,
    Class,
    Password,
}

impl ConfigType {
    pub fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

impl Importance {
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        }
    }
}

/// Width of an input field in consoles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    None,
    Short,
    Medium,
    Long,
}

impl Width {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Short => "SHORT",
            Self::Medium => "MEDIUM",
            Self::Long => "LONG",
        }
    }
}

/// A parsed value.
#[derive(Clone, PartialEq)]
pub enum ConfigValue {
    Null,
    Boolean(bool),
    /// Also holds class names.
    String(String),
    Int(i32),
    Short(i16),
    Long(i64),
    Double(f64),
    List(Vec<String>),
    Password(Password),
}

/// `Debug` and `Display` hide passwords; the rest is shown as Java prints it.
impl fmt::Display for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Boolean(v) => write!(f, "{v}"),
            Self::String(v) => f.write_str(v),
            Self::Int(v) => write!(f, "{v}"),
            Self::Short(v) => write!(f, "{v}"),
            Self::Long(v) => write!(f, "{v}"),
            Self::Double(v) => write!(f, "{v:?}"),
            Self::List(v) => write!(f, "[{}]", v.join(", ")),
            Self::Password(v) => write!(f, "{v}"),
        }
    }
}
impl fmt::Debug for ConfigValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A secret. Printing it gives Java's `[hidden]`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Password(String);

/// What stands in place of a secret wherever one is printed.
pub const HIDDEN: &str = "[hidden]";

impl Password {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }
    /// The secret itself: for connecting, never for printing.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}
impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// Rust types that a key can have. `from_config` is `None` for a null where the type has no null.
pub trait FromConfigValue: Sized {
    const TYPE: ConfigType;
    fn from_config(value: ConfigValue) -> Option<Self>;
}

macro_rules! from_config_value {
    ($($rust:ty, $kind:ident, $variant:ident);* $(;)?) => {
        $(impl FromConfigValue for $rust {
            const TYPE: ConfigType = ConfigType::$kind;
            fn from_config(value: ConfigValue) -> Option<Self> {
                match value {
                    ConfigValue::$variant(value) => Some(value),
                    _ => None,
                }
            }
        })*
    };
}
from_config_value!(bool, Boolean, Boolean; String, String, String; i32, Int, Int; i16, Short, Short; i64, Long, Long;
    f64, Double, Double; Vec<String>, List, List; Password, Password, Password);

/// A nullable key.
impl<T: FromConfigValue> FromConfigValue for Option<T> {
    const TYPE: ConfigType = T::TYPE;
    fn from_config(value: ConfigValue) -> Option<Self> {
        match value {
            ConfigValue::Null => Some(None),
            other => T::from_config(other).map(Some),
        }
    }
}

/// The name of a class; a key of this type is shown as `CLASS`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassName(pub String);

impl FromConfigValue for ClassName {
    const TYPE: ConfigType = ConfigType::Class;
    fn from_config(value: ConfigValue) -> Option<Self> {
        String::from_config(value).map(Self)
    }
}

/// Checks one value; the error is the whole text that the user sees.
pub type Validator = fn(name: &str, value: &ConfigValue) -> Result<(), String>;

/// What consoles offer for a key, given the other properties.
#[derive(Debug, Clone, Copy)]
pub struct Recommender {
    pub valid_values: fn(name: &str, props: &Props) -> Vec<String>,
    pub visible: fn(name: &str, props: &Props) -> bool,
}

/// A key's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultValue {
    /// The property must be given.
    Required,
    /// Absent means null.
    Null,
    /// As text, the way REST shows it.
    Text(Cow<'static, str>),
}

/// Everything about a key but its Rust type.
#[derive(Debug, Clone)]
pub struct KeySpec {
    pub name: Cow<'static, str>,
    pub kind: ConfigType,
    pub default: DefaultValue,
    pub importance: Importance,
    pub group: Option<Cow<'static, str>>,
    /// Position within the group, from 1; -1 where Java has none.
    pub order_in_group: i32,
    pub width: Width,
    pub display_name: Cow<'static, str>,
    pub documentation: Cow<'static, str>,
    pub dependents: Vec<Cow<'static, str>>,
    pub validator: Option<Validator>,
    pub recommender: Option<Recommender>,
    /// Read, but not shown in validation answers (Java's internal keys).
    pub internal: bool,
}

impl KeySpec {
    /// A key whose name is known only at run time, such as `transforms.route.type`.
    pub fn dynamic(name: String, kind: ConfigType, default: DefaultValue) -> Self {
        Self {
            display_name: Cow::Owned(name.clone()),
            name: Cow::Owned(name),
            kind,
            default,
            importance: Importance::Medium,
            group: None,
            order_in_group: -1,
            width: Width::None,
            documentation: Cow::Borrowed(""),
            dependents: Vec::new(),
            validator: None,
            recommender: None,
            internal: false,
        }
    }

    /// The value that `props` has for this key, parsed and checked; the error is Java's text.
    pub fn value_in(&self, props: &Props) -> Result<ConfigValue, String> {
        let value = self.parsed_in(props)?;
        self.check(&value)?;
        Ok(value)
    }

    fn check(&self, value: &ConfigValue) -> Result<(), String> {
        self.validator
            .map_or(Ok(()), |validator| validator(&self.name, value))
    }

    fn parsed_in(&self, props: &Props) -> Result<ConfigValue, String> {
        Ok(match (props.raw(&self.name), &self.default) {
            (Some(text), _) => self.parse(text)?,
            (None, DefaultValue::Text(text)) => self.parse(text)?,
            (None, DefaultValue::Null) => ConfigValue::Null,
            (None, DefaultValue::Required) => {
                return Err(format!(
                    "Missing required configuration \"{}\" which has no default value.",
                    self.name
                ));
            }
        })
    }

    /// Parses a text as Java's `ConfigDef.parseType`.
    pub fn parse(&self, text: &str) -> Result<ConfigValue, String> {
        let trimmed = text.trim();
        let number =
            |kind: &str| invalid(&self.name, trimmed, &format!("Not a number of type {kind}"));
        Ok(match self.kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => {
                ConfigValue::Boolean(true)
            }
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => {
                ConfigValue::Boolean(false)
            }
            ConfigType::Boolean => {
                return Err(invalid(
                    &self.name,
                    text,
                    "Expected value to be either true or false",
                ));
            }
            ConfigType::Password => ConfigValue::Password(Password::new(trimmed)),
            ConfigType::String | ConfigType::Class => ConfigValue::String(trimmed.to_owned()),
            ConfigType::Int => {
                ConfigValue::Int(parse_number(trimmed).ok_or_else(|| number("INT"))?)
            }
            ConfigType::Short => {
                ConfigValue::Short(parse_number(trimmed).ok_or_else(|| number("SHORT"))?)
            }
            ConfigType::Long => {
                ConfigValue::Long(parse_number(trimmed).ok_or_else(|| number("LONG"))?)
            }
            ConfigType::Double => {
                ConfigValue::Double(parse_number(trimmed).ok_or_else(|| number("DOUBLE"))?)
            }
            ConfigType::List if trimmed.is_empty() => ConfigValue::List(Vec::new()),
            ConfigType::List => ConfigValue::List(
                trimmed
                    .split(',')
                    .map(|item| item.trim().to_owned())
                    .collect(),
            ),
        })
    }
}

fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// Java's text for a value that a key does not accept (`ConfigException`).
pub fn invalid(name: &str, value: impl fmt::Display, reason: &str) -> String {
    format!("Invalid value {value} for configuration {name}: {reason}")
}

/// A declared key of a known Rust type, built in `static`s.
///
/// ```
/// # use tidegate_api::config::{ConfigKey, Importance, Props, Width};
/// static POLL_INTERVAL_MS: ConfigKey<i64> =
///     ConfigKey::new("poll.interval.ms", "500").group("Connector").importance(Importance::Medium).width(Width::Short);
/// assert_eq!(Props::new().get(&POLL_INTERVAL_MS).unwrap(), 500);
/// ```
#[derive(Debug)]
pub struct ConfigKey<T> {
    declaration: Declaration,
    marker: PhantomData<fn() -> T>,
}

/// The constant form of a [`KeySpec`].
#[derive(Debug, Clone, Copy)]
struct Declaration {
    name: &'static str,
    kind: ConfigType,
    default: DeclaredDefault,
    importance: Importance,
    group: Option<&'static str>,
    order_in_group: i32,
    width: Width,
    display_name: &'static str,
    documentation: &'static str,
    dependents: &'static [&'static str],
    validator: Option<Validator>,
    recommender: Option<Recommender>,
    internal: bool,
}

#[derive(Debug, Clone, Copy)]
enum DeclaredDefault {
    Required,
    Null,
    Text(&'static str),
}

impl<T: FromConfigValue> ConfigKey<T> {
    /// A key that must be given. Width, group and the rest have Java's defaults until set.
    pub const fn required(name: &'static str) -> Self {
        Self::declare(name, DeclaredDefault::Required)
    }
    /// A key whose absence means `default`, given as text.
    pub const fn new(name: &'static str, default: &'static str) -> Self {
        Self::declare(name, DeclaredDefault::Text(default))
    }
    const fn declare(name: &'static str, default: DeclaredDefault) -> Self {
        let declaration = Declaration {
            name,
            kind: T::TYPE,
            default,
            importance: Importance::Medium,
            group: None,
            order_in_group: -1,
            width: Width::None,
            display_name: name,
            documentation: "",
            dependents: &[],
            validator: None,
            recommender: None,
            internal: false,
        };
        Self {
            declaration,
            marker: PhantomData,
        }
    }
}

impl<T: FromConfigValue> ConfigKey<Option<T>> {
    /// A key whose absence means null.
    pub const fn nullable(name: &'static str) -> Self {
        Self::declare(name, DeclaredDefault::Null)
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $field:ident: $type:ty as $value:expr;)*) => {
        impl<T> ConfigKey<T> {
            $($(#[$doc])*
            #[must_use]
            pub const fn $field(mut self, $field: $type) -> Self {
                self.declaration.$field = $value;
                self
            })*
        }
    };
}
setters! {
    importance: Importance as importance;
    group: &'static str as Some(group);
    /// Position within the group, from 1.
    order_in_group: i32 as order_in_group;
    width: Width as width;
    display_name: &'static str as display_name;
    dependents: &'static [&'static str] as dependents;
    validator: Validator as Some(validator);
    recommender: Recommender as Some(recommender);
}

impl<T> ConfigKey<T> {
    #[must_use]
    pub const fn doc(mut self, documentation: &'static str) -> Self {
        self.declaration.documentation = documentation;
        self
    }
    /// Keeps the key out of validation answers and descriptions.
    #[must_use]
    pub const fn internal(mut self) -> Self {
        self.declaration.internal = true;
        self
    }
    pub const fn name(&self) -> &'static str {
        self.declaration.name
    }
    pub fn spec(&self) -> KeySpec {
        let Declaration {
            name,
            kind,
            default,
            importance,
            group,
            order_in_group,
            width,
            display_name,
            documentation,
            dependents,
            validator,
            recommender,
            internal,
        } = self.declaration;
        KeySpec {
            name: Cow::Borrowed(name),
            kind,
            default: match default {
                DeclaredDefault::Required => DefaultValue::Required,
                DeclaredDefault::Null => DefaultValue::Null,
                DeclaredDefault::Text(text) => DefaultValue::Text(Cow::Borrowed(text)),
            },
            importance,
            group: group.map(Cow::Borrowed),
            order_in_group,
            width,
            display_name: Cow::Borrowed(display_name),
            documentation: Cow::Borrowed(documentation),
            dependents: dependents.iter().map(|name| Cow::Borrowed(*name)).collect(),
            validator,
            recommender,
            internal,
        }
    }
}

/// A key of any type: what lists of keys hold.
pub trait AnyKey: Sync {
    fn key_spec(&self) -> KeySpec;
}
impl<T> AnyKey for ConfigKey<T> {
    fn key_spec(&self) -> KeySpec {
        self.spec()
    }
}

/// The declared keys of a plugin, in order.
#[derive(Debug, Clone, Default)]
pub struct ConfigDef {
    keys: Vec<KeySpec>,
    catalogue: Option<&'static Catalogue>,
}

impl ConfigDef {
    pub fn new(keys: &[&dyn AnyKey]) -> Self {
        Self {
            keys: keys.iter().map(|key| key.key_spec()).collect(),
            catalogue: None,
        }
    }
    /// Shows keys as the original's catalogue lists them; declared keys that it does not list are not shown.
    #[must_use]
    pub fn listed_in(mut self, catalogue: &'static Catalogue) -> Self {
        self.catalogue = Some(catalogue);
        self
    }
    /// Adds a key; one of the same name is replaced in place.
    pub fn push(&mut self, key: KeySpec) {
        match self.keys.iter_mut().find(|known| known.name == key.name) {
            Some(known) => *known = key,
            None => self.keys.push(key),
        }
    }
    pub fn extend(&mut self, other: ConfigDef) {
        other.keys.into_iter().for_each(|key| self.push(key));
    }
    pub fn keys(&self) -> &[KeySpec] {
        &self.keys
    }
    pub fn get(&self, name: &str) -> Option<&KeySpec> {
        self.keys.iter().find(|key| key.name == name)
    }
    /// Groups in the order of their first key.
    pub fn groups(&self) -> Vec<&str> {
        let keys = self.catalogue.map_or(self.keys.as_slice(), Catalogue::keys);
        let mut groups: Vec<&str> = Vec::new();
        for group in keys.iter().filter_map(|key| key.group.as_deref()) {
            if !groups.contains(&group) {
                groups.push(group);
            }
        }
        groups
    }

    /// The keys as REST describes them, in order.
    pub fn described(&self) -> Vec<KeySpec> {
        let Some(catalogue) = self.catalogue else {
            let shown = self.keys.iter().filter(|key| !key.internal);
            return shown.cloned().collect();
        };
        catalogue.keys().iter().map(|key| self.shown(key)).collect()
    }

    /// A key of the catalogue with what is said of it here.
    fn shown(&self, listed: &KeySpec) -> KeySpec {
        let mut shown = listed.clone();
        if let Some(own) = self.get(&listed.name) {
            shown.documentation.clone_from(&own.documentation);
        }
        shown
    }

    /// Checks every key on its own; one entry for each, in order. Source: `ConfigDef.validateAll`.
    pub fn validate(&self, props: &Props) -> Vec<ConfigInfo> {
        let own = self.keys.iter().filter(|key| !key.internal);
        let own = own.map(|key| ConfigInfo::of(key, props));
        let Some(catalogue) = self.catalogue else {
            return own.collect();
        };
        let mut own: IndexMap<Cow<'static, str>, ConfigInfo> =
            own.map(|info| (info.key.name.clone(), info)).collect();
        let mut infos = Vec::with_capacity(catalogue.keys().len());
        for listed in catalogue.keys() {
            let declared = own.shift_remove(&listed.name);
            let mut info = match (declared, props.raw(&listed.name)) {
                (Some(declared), Some(_)) => declared,
                (Some(declared), None) => ConfigInfo {
                    errors: declared.errors,
                    recommended_values: declared.recommended_values,
                    ..ConfigInfo::of(listed, props)
                },
                (None, value) => {
                    let mut info = ConfigInfo::of(listed, props);
                    info.errors
                        .extend(value.and_then(|value| catalogue.refusal(listed, value)));
                    info
                }
            };
            info.key = self.shown(listed);
            infos.push(info);
        }
        infos.extend(own.into_values().filter(|info| !info.errors.is_empty()));
        infos
    }

    /// The first error among all keys, for code that starts something.
    ///
    /// # Errors
    /// `Config` with Connect's text.
    pub fn check(&self, props: &Props) -> Result<(), ConnectError> {
        self.keys
            .iter()
            .try_for_each(|key| key.value_in(props).map(drop))
            .map_err(ConnectError::config)
    }
}

/// A key together with its value and what is wrong with it: one entry of a validation answer.
#[derive(Debug, Clone)]
pub struct ConfigInfo {
    pub key: KeySpec,
    /// Text as given or the default's text; `None` is null. Passwords are [`HIDDEN`].
    pub value: Option<String>,
    pub recommended_values: Vec<String>,
    pub errors: Vec<String>,
    pub visible: bool,
}

impl ConfigInfo {
    pub fn of(key: &KeySpec, props: &Props) -> Self {
        let (parsed, errors) = match key.parsed_in(props) {
            Ok(value) => {
                let error = key.check(&value).err();
                (value, error.into_iter().collect())
            }
            Err(error) => (ConfigValue::Null, vec![error]),
        };
        let value = match &parsed {
            ConfigValue::Null => None,
            ConfigValue::List(items) => Some(items.join(",")),
            other => Some(other.to_string()),
        };
        let (recommended_values, visible) = match &key.recommender {
            Some(recommender) => (
                (recommender.valid_values)(&key.name, props),
                (recommender.visible)(&key.name, props),
            ),
            None => (Vec::new(), true),
        };
        Self {
            key: key.clone(),
            value,
            recommended_values,
            errors,
            visible,
        }
    }
}

/// Adds an error to the entry of a key; a key without an entry gets one.
pub fn add_error(infos: &mut Vec<ConfigInfo>, name: &str, error: impl Into<String>) {
    let error = error.into();
    if let Some(info) = infos.iter_mut().find(|info| info.key.name == name) {
        info.errors.push(error);
        return;
    }
    let key = KeySpec::dynamic(name.to_owned(), ConfigType::String, DefaultValue::Null);
    infos.push(ConfigInfo {
        key,
        value: None,
        recommended_values: Vec::new(),
        errors: vec![error],
        visible: true,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    static SIZE: ConfigKey<i32> = ConfigKey::new("size", "10").group("Main").order_in_group(1);
    static SECRET: ConfigKey<Password> = ConfigKey::required("secret").importance(Importance::High);
    static LIMIT: ConfigKey<Option<i64>> = ConfigKey::nullable("limit");

    fn definition() -> ConfigDef {
        ConfigDef::new(&[&SIZE, &SECRET, &LIMIT])
    }

    #[test]
    fn defaults_and_nulls() {
        let props = Props::from([("secret", "s3")]);
        assert_eq!(props.get(&SIZE).unwrap(), 10);
        assert_eq!(props.get(&LIMIT).unwrap(), None);
        assert_eq!(props.get(&SECRET).unwrap().reveal(), "s3");
    }

    #[test]
    fn errors_have_connects_texts() {
        let errors = |props: &Props| -> Vec<String> {
            definition()
                .validate(props)
                .into_iter()
                .flat_map(|info| info.errors)
                .collect()
        };
        assert_eq!(
            errors(&Props::from([("size", "many")])),
            [
                "Invalid value many for configuration size: Not a number of type INT",
                "Missing required configuration \"secret\" which has no default value.",
            ]
        );
    }

    #[test]
    fn secrets_are_hidden() {
        let props = Props::from([("secret", "s3cr3t")]);
        let infos = definition().validate(&props);
        assert_eq!(infos[1].value.as_deref(), Some(HIDDEN));
        assert!(!format!("{infos:?}{props:?}{:?}", props.get(&SECRET)).contains("s3cr3t"));
    }
}
