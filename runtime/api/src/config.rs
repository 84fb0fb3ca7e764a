//! Configuration as data: keys are declared once and serve parsing, defaults, validation and the REST descriptions.
//!
//! Source: `org.apache.kafka.common.config.ConfigDef`.

mod catalogue;
mod documentation;
mod unsupported;
mod validators;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use indexmap::IndexMap;

use crate::error::ConnectError;

pub use catalogue::Catalogue;
pub use documentation::Documentation;
pub use unsupported::{Outcome, Unsupported};
pub use validators::{enumerated, filled_list, valid_list, valid_string};

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
        T::from_config(value).ok_or_else(|| ConnectError::config(missing(key.name())))
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
    /// The type of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::Boolean,
            Self::String,
            Self::Int,
            Self::Short,
            Self::Long,
            Self::Double,
            Self::List,
            Self::Class,
            Self::Password,
        ];
        all.into_iter().find(|kind| kind.name() == name)
    }
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
    /// The importance of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::High, Self::Medium, Self::Low];
        all.into_iter().find(|importance| importance.name() == name)
    }
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

/// Whose words errors of a key have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wording {
    /// `ConfigDef`'s.
    #[default]
    Kafka,
    /// Those of Debezium's `Field`.
    Debezium,
}

/// Keys with the words that consoles offer for them.
pub type Words = [(&'static str, &'static [&'static str])];

/// Keys with what their values must be like.
pub type Checks = [(&'static str, Validator)];

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

/// What the text of a refused key ends with.
const NOT_HERE: &str =
    "This version does not have it and takes no value that would change anything.";

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
    pub wording: Wording,
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
            wording: Wording::Kafka,
            internal: false,
        }
    }

    /// Whether the text is one that consoles can show: whole sentences.
    pub fn is_documented(&self) -> bool {
        let text = self.documentation.as_ref();
        text.ends_with('.') && text.trim() == text && text.len() > 1
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
                return Err(match self.wording {
                    Wording::Kafka => missing(&self.name),
                    Wording::Debezium => invalid_field(&self.name, VALUE_REQUIRED),
                });
            }
        })
    }

    /// Parses a text as Java's `ConfigDef.parseType`.
    pub fn parse(&self, text: &str) -> Result<ConfigValue, String> {
        let trimmed = text.trim();
        let number = |kind: &str| match (self.wording, self.kind) {
            (Wording::Kafka, _) => {
                invalid(&self.name, trimmed, &format!("Not a number of type {kind}"))
            }
            (Wording::Debezium, ConfigType::Long) => {
                invalid_field(&self.name, "A long value is expected")
            }
            (Wording::Debezium, _) => invalid_field(&self.name, "An integer is expected"),
        };
        let is_missing = trimmed.is_empty() && self.default == DefaultValue::Required;
        let is_text = matches!(self.kind, ConfigType::String | ConfigType::List);
        if self.wording == Wording::Debezium && is_missing && is_text {
            return Err(invalid_field(&self.name, VALUE_REQUIRED));
        }
        Ok(match self.kind {
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("true") => {
                ConfigValue::Boolean(true)
            }
            ConfigType::Boolean if trimmed.eq_ignore_ascii_case("false") => {
                ConfigValue::Boolean(false)
            }
            ConfigType::Boolean => {
                return Err(match self.wording {
                    Wording::Kafka => {
                        let reason = "Expected value to be either true or false";
                        invalid(&self.name, text, reason)
                    }
                    Wording::Debezium => {
                        invalid_field(&self.name, "Either 'true' or 'false' is expected")
                    }
                });
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

fn missing(name: &str) -> String {
    format!("Missing required configuration \"{name}\" which has no default value.")
}

const VALUE_REQUIRED: &str = "A value is required";

/// Debezium's text for a value that a field does not accept (`Field.validate`).
pub fn invalid_field(name: &str, problem: &str) -> String {
    format!("The '{name}' value is invalid: {problem}")
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
            wording: Wording::Kafka,
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
    documentation: Option<&'static Documentation>,
    families: &'static [&'static str],
    unsupported: &'static [Unsupported],
    words: &'static Words,
    hidden: &'static [&'static str],
    checks: &'static Checks,
    wording: Wording,
}

impl ConfigDef {
    pub fn new(keys: &[&dyn AnyKey]) -> Self {
        Self {
            keys: keys.iter().map(|key| key.key_spec()).collect(),
            ..Self::default()
        }
    }
    /// Beginnings of further names that mean something, such as `driver.`.
    #[must_use]
    pub fn with_families(mut self, families: &'static [&'static str]) -> Self {
        self.families = families;
        self
    }
    /// Settings of the original that have no counterpart here.
    #[must_use]
    pub fn without(mut self, unsupported: &'static [Unsupported]) -> Self {
        self.unsupported = unsupported;
        self
    }
    /// See [`Self::without`].
    pub fn unsupported(&self) -> &'static [Unsupported] {
        self.unsupported
    }
    /// Words that are recommended in answers of validations.
    #[must_use]
    pub fn recommending(mut self, words: &'static Words) -> Self {
        self.words = words;
        self
    }
    /// Keys that consoles are told not to show.
    #[must_use]
    pub fn hiding(mut self, hidden: &'static [&'static str]) -> Self {
        self.hidden = hidden;
        self
    }
    /// Checks of keys that the original's catalogue alone has: their values mean nothing here, and are what the original
    /// takes all the same.
    #[must_use]
    pub fn checking(mut self, checks: &'static Checks) -> Self {
        self.checks = checks;
        self
    }
    /// Errors have Debezium's words.
    #[must_use]
    pub fn worded_as_debezium(mut self) -> Self {
        self.wording = Wording::Debezium;
        for key in &mut self.keys {
            key.wording = Wording::Debezium;
        }
        self
    }
    /// What to tell of settings that are given and have no effect.
    pub fn warnings(&self, props: &Props) -> Vec<String> {
        let given = self.given(props, Outcome::WithoutEffect);
        given.map(|(setting, _)| setting.warning()).collect()
    }

    /// The unsupported settings of that outcome with values that would change something.
    fn given<'a>(
        &self,
        props: &'a Props,
        outcome: Outcome,
    ) -> impl Iterator<Item = (&'static Unsupported, &'a str)> {
        let settings = self.unsupported.iter();
        settings.filter_map(move |setting| {
            let value = props.raw(setting.name)?;
            (setting.outcome == outcome && !setting.takes(value)).then_some((setting, value))
        })
    }

    /// Name and text of each setting that is refused.
    fn refusals(&self, props: &Props) -> Vec<(&'static str, String)> {
        let refused = self.given(props, Outcome::Refused);
        refused
            .map(|(setting, value)| {
                let problem = setting.problem();
                let text = match self.wording {
                    Wording::Kafka => invalid(setting.name, value, &problem),
                    Wording::Debezium => invalid_field(setting.name, &problem),
                };
                (setting.name, text)
            })
            .collect()
    }

    /// Whether the name is a setting of the plugin: declared, listed in the original's catalogue, refused, or of a family.
    pub fn knows(&self, name: &str) -> bool {
        self.get(name).is_some()
            || self.unsupported.iter().any(|setting| setting.name == name)
            || self.families.iter().any(|family| name.starts_with(family))
            || self
                .catalogue
                .is_some_and(|catalogue| catalogue.keys().iter().any(|key| key.name == name))
    }
    /// Shows keys as the original's catalogue lists them; declared keys that it does not list are not shown.
    #[must_use]
    pub fn listed_in(mut self, catalogue: &'static Catalogue) -> Self {
        self.catalogue = Some(catalogue);
        self
    }
    /// Takes the texts of keys that have none from a file: of declared ones and of those that the catalogue lists.
    #[must_use]
    pub fn documented_by(mut self, documentation: &'static Documentation) -> Self {
        self.documentation = Some(documentation);
        let mut keys = std::mem::take(&mut self.keys);
        for key in &mut keys {
            self.describe(key);
        }
        self.keys = keys;
        self
    }
    pub fn documentation(&self) -> Option<&'static Documentation> {
        self.documentation
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
        self.describe(&mut shown);
        shown
    }

    /// Gives a key without a text the one of its name, which tells if the key is refused or has no effect.
    pub fn describe(&self, key: &mut KeySpec) {
        let text = self.documentation.and_then(|texts| texts.of(&key.name));
        if let (true, Some(text)) = (key.documentation.is_empty(), text) {
            let mut unsupported = self.unsupported.iter();
            key.documentation = match unsupported.find(|setting| setting.name == key.name) {
                Some(setting) if setting.outcome == Outcome::Refused => {
                    Cow::Owned(format!("{text} {NOT_HERE}"))
                }
                Some(setting) => Cow::Owned(format!("{text} {}.", setting.warning())),
                None => Cow::Borrowed(text),
            };
        }
    }

    /// Checks every key on its own; one entry for each, in order. Source: `ConfigDef.validateAll`.
    pub fn validate(&self, props: &Props) -> Vec<ConfigInfo> {
        let mut infos = self.validate_keys(props);
        for (name, words) in self.words {
            if let Some(info) = infos.iter_mut().find(|info| info.key.name == *name) {
                info.recommended_values = words.iter().map(|word| (*word).to_owned()).collect();
            }
        }
        for info in &mut infos {
            info.visible = !self.hidden.contains(&info.key.name.as_ref());
        }
        for (name, text) in self.refusals(props) {
            // What is no value of its type is not refused as well.
            let mut named = infos.iter().filter(|info| info.key.name == name);
            if named.all(|info| info.errors.is_empty()) {
                add_error(&mut infos, name, text);
            }
        }
        for (setting, _) in self.given(props, Outcome::WithoutEffect) {
            if let Some(info) = infos.iter_mut().find(|info| info.key.name == setting.name) {
                let warning = format!("{}.", setting.warning());
                let text = info.key.documentation.replace(&warning, "");
                info.key.documentation = Cow::Owned(format!("{warning} {}", text.trim_end()));
            }
        }
        infos
    }

    fn validate_keys(&self, props: &Props) -> Vec<ConfigInfo> {
        let own = self.keys.iter().filter(|key| !key.internal);
        let own = own.map(|key| ConfigInfo::of(key, props));
        let Some(catalogue) = self.catalogue else {
            return own.collect();
        };
        let mut own: IndexMap<Cow<'static, str>, ConfigInfo> =
            own.map(|info| (info.key.name.clone(), info)).collect();
        let mut infos = Vec::with_capacity(catalogue.keys().len());
        for listed in catalogue.keys() {
            let mut listed = listed.clone();
            listed.wording = self.wording;
            let mut checks = self.checks.iter();
            let check = checks.find(|(name, _)| *name == listed.name);
            listed.validator = check.map(|(_, validator)| *validator);
            let declared = own.shift_remove(&listed.name);
            let mut info = match (declared, props.raw(&listed.name)) {
                (Some(declared), Some(_)) => declared,
                (Some(declared), None) => ConfigInfo {
                    errors: declared.errors,
                    ..ConfigInfo::of(&listed, props)
                },
                (None, _) => ConfigInfo::of(&listed, props),
            };
            info.key = self.shown(&listed);
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
            .map_err(ConnectError::config)?;
        match self.refusals(props).into_iter().next() {
            Some((_, text)) => Err(ConnectError::config(text)),
            None => Ok(()),
        }
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
        Self {
            key: key.clone(),
            value,
            recommended_values: Vec::new(),
            errors,
            visible: true,
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
