//! Which settings of Kafka clients a connector may override with `producer.override.`, `consumer.override.` and
//! `admin.override.`.
//!
//! Source: `org.apache.kafka.connect.connector.policy.*`, `AbstractHerder.validateClientOverrides`.

mod definitions;

use std::borrow::Cow;

use tidegate_api::config::{ConfigInfo, ConfigType, DefaultValue, KeySpec, invalid};
use tidegate_api::{ConfigKey, ConnectError, ConnectorKind, Props};
use tidegate_tasks::ERRORS_DEAD_LETTER_TOPIC;

pub(crate) static POLICY: ConfigKey<String> =
    ConfigKey::new("connector.client.config.override.policy", "All");
pub(crate) static ALLOWLIST: ConfigKey<Vec<String>> =
    ConfigKey::new("connector.client.config.override.allowlist", "");

/// `connector.client.config.override.policy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OverridePolicy {
    All,
    None,
    Principal,
    Allowlist(Vec<String>),
}

const PRINCIPAL: [&str; 3] = ["security.protocol", "sasl.jaas.config", "sasl.mechanism"];

impl OverridePolicy {
    pub(crate) fn new(props: &Props) -> Result<Self, ConnectError> {
        let name = props.get(&POLICY)?;
        let simple = name.rsplit('.').next().unwrap_or_default();
        match simple
            .strip_suffix("ConnectorClientConfigOverridePolicy")
            .unwrap_or(simple)
        {
            "All" => Ok(Self::All),
            "None" => Ok(Self::None),
            "Principal" => Ok(Self::Principal),
            "Allowlist" => Ok(Self::Allowlist(props.get(&ALLOWLIST)?)),
            _ => Err(ConnectError::config(invalid(
                POLICY.name(),
                &name,
                "this version has All, None, Principal and Allowlist",
            ))),
        }
    }

    /// Why a client's setting may not be overridden.
    fn refusal(&self, setting: &str) -> Option<String> {
        let (name, allowed) = match self {
            Self::All => return None,
            Self::None => ("None", false),
            Self::Principal => ("Principal", PRINCIPAL.contains(&setting)),
            Self::Allowlist(list) => ("Allowlist", list.iter().any(|known| known == setting)),
        };
        (!allowed).then(|| {
            format!(
                "The '{name}' policy does not allow '{setting}' to be overridden in the connector configuration."
            )
        })
    }
}

/// Parts of the names of secrets.
const SECRET_PARTS: [&str; 6] = [
    "password",
    "passphrase",
    "secret",
    "jaas.config",
    "pem",
    "private.key",
];
/// Names of type `PASSWORD` in the original's client definitions that have none of [`SECRET_PARTS`].
const SECRETS: [&str; 3] = [
    "ssl.keystore.key",
    "ssl.keystore.certificate.chain",
    "ssl.truststore.certificates",
];

/// Whether an override's value is never shown.
///
/// Source: `SslConfigs.addClientSslSupport`, `SaslConfigs.addClientSaslSupport`; librdkafka's names beside them.
fn is_secret(name: &str) -> bool {
    SECRET_PARTS.iter().any(|part| name.contains(part))
        || SECRETS.iter().any(|secret| name.ends_with(secret))
}

/// One override: its name as given, the client that it is for, and why the policy does not allow it.
pub(crate) struct Override<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    client: &'static str,
    refusal: Option<String>,
}

/// What a validation answers of an override.
#[derive(Debug)]
pub(crate) struct OverrideInfo {
    pub(crate) info: ConfigInfo,
    /// Whether the client has the setting. Of others no definition is answered, as in the original.
    pub(crate) is_defined: bool,
}

impl Override<'_> {
    /// What a validation answers of it. Settings that the client does not have are texts.
    pub(crate) fn info(&self) -> OverrideInfo {
        let setting = self
            .name
            .split_once(PART)
            .map_or(self.name, |(_, setting)| setting);
        let known = definitions::info(self.client, setting, self.name, self.value);
        let is_defined = known.is_some();
        let mut info = known.unwrap_or_else(|| {
            let kind = if is_secret(self.name) {
                ConfigType::Password
            } else {
                ConfigType::String
            };
            let key = KeySpec::dynamic(self.name.to_owned(), kind, DefaultValue::Null);
            ConfigInfo::of(&key, &Props::from([(self.name, self.value)]))
        });
        let client = self.client;
        info.key.documentation = documentation(client, setting);
        info.errors.extend(self.refusal.clone());
        OverrideInfo { info, is_defined }
    }
}

fn documentation(client: &str, setting: &str) -> Cow<'static, str> {
    Cow::Owned(format!(
        "Setting '{setting}' of the Kafka {client} of the connector's tasks, in place of the worker's '{client}.{setting}'."
    ))
}

/// Between a client's name and the setting.
const PART: &str = ".override.";

/// The clients that a connector of this kind uses.
fn clients(kind: &ConnectorKind, props: &Props) -> Vec<&'static str> {
    let mut clients = Vec::new();
    match kind {
        ConnectorKind::Source(_) => {
            clients.push("producer");
            if props
                .iter()
                .any(|(name, _)| name.starts_with("topic.creation."))
            {
                clients.push("admin");
            }
        }
        ConnectorKind::Sink(_) => {
            clients.push("consumer");
            let queue = props.get(&ERRORS_DEAD_LETTER_TOPIC).unwrap_or_default();
            if !queue.is_empty() {
                clients.extend(["producer", "admin"]);
            }
        }
    }
    clients
}

/// What a validation answers of an override that was given as null; `None` if no client of the connector has the setting.
pub(crate) fn null(kind: &ConnectorKind, props: &Props, name: &str) -> Option<ConfigInfo> {
    let (client, setting) = name.split_once(PART)?;
    let client = clients(kind, props)
        .into_iter()
        .find(|used| *used == client)?;
    let mut info = definitions::null(client, setting, name)?;
    info.key.documentation = documentation(client, setting);
    Some(info)
}

/// The overrides of the clients that a connector of this kind uses.
pub(crate) fn overrides<'a>(
    kind: &ConnectorKind,
    props: &'a Props,
    policy: &OverridePolicy,
) -> Vec<Override<'a>> {
    clients(kind, props)
        .into_iter()
        .flat_map(|client| {
            props.iter().filter_map(move |(name, value)| {
                let setting = name.strip_prefix(client)?.strip_prefix(PART)?;
                if setting.is_empty() {
                    return None;
                }
                Some(Override {
                    name,
                    value,
                    client,
                    refusal: policy.refusal(setting),
                })
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_clients_are_known() {
        for secret in [
            "producer.override.sasl.jaas.config",
            "consumer.override.ssl.keystore.key",
            "admin.override.ssl.truststore.certificates",
            "producer.override.ssl.keystore.certificate.chain",
            "producer.override.ssl.key.password",
            "producer.override.sasl.oauthbearer.client.credentials.client.secret",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        assert!(!is_secret("producer.override.ssl.keystore.location"));
    }

    #[test]
    fn policies_go_by_their_names_and_classes() {
        fn check(policy: &str, setting: &str, refused: bool) {
            let props = Props::from([
                (POLICY.name(), policy),
                (ALLOWLIST.name(), "batch.size, linger.ms"),
            ]);
            let policy = OverridePolicy::new(&props).unwrap();
            assert_eq!(
                policy.refusal(setting).is_some(),
                refused,
                "{policy:?} {setting}"
            );
        }
        check("All", "acks", false);
        check("None", "acks", true);
        check("Principal", "acks", true);
        check("Principal", "sasl.jaas.config", false);
        let class = "org.apache.kafka.connect.connector.policy.AllowlistConnectorClientConfigOverridePolicy";
        check(class, "linger.ms", false);
        check(class, "acks", true);
        let unknown = Props::from([(POLICY.name(), "com.example.Mine")]);
        let error = OverridePolicy::new(&unknown).unwrap_err();
        assert!(
            error.text().contains("com.example.Mine"),
            "{}",
            error.text()
        );
    }
}
