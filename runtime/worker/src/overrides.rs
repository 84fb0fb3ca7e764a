//! Which settings of Kafka clients a connector may override with `producer.override.`, `consumer.override.` and
//! `admin.override.`.
//!
//! Source: `org.apache.kafka.connect.connector.policy.*`, `AbstractHerder.validateClientOverrides`.

use tidegate_api::config::invalid;
use tidegate_api::{ConfigKey, ConnectError, ConnectorKind, Props};
use tidegate_tasks::ERRORS_DEAD_LETTER_TOPIC;

static POLICY: ConfigKey<String> = ConfigKey::new("connector.client.config.override.policy", "All");
static ALLOWLIST: ConfigKey<Vec<String>> =
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

/// One override: its name as given and what is wrong with it.
pub(crate) struct Override<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
    pub(crate) error: Option<String>,
}

/// The overrides of the clients that a connector of this kind uses.
pub(crate) fn overrides<'a>(
    kind: &ConnectorKind,
    props: &'a Props,
    policy: &OverridePolicy,
) -> Vec<Override<'a>> {
    let mut prefixes = Vec::new();
    match kind {
        ConnectorKind::Source(_) => {
            prefixes.push("producer.override.");
            if props
                .iter()
                .any(|(name, _)| name.starts_with("topic.creation."))
            {
                prefixes.push("admin.override.");
            }
        }
        ConnectorKind::Sink(_) => {
            prefixes.push("consumer.override.");
            let queue = props.get(&ERRORS_DEAD_LETTER_TOPIC).unwrap_or_default();
            if !queue.is_empty() {
                prefixes.extend(["producer.override.", "admin.override."]);
            }
        }
    }
    prefixes
        .into_iter()
        .flat_map(|prefix| {
            props.iter().filter_map(move |(name, value)| {
                let setting = name.strip_prefix(prefix)?;
                Some(Override {
                    name,
                    value,
                    error: policy.refusal(setting),
                })
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
