//! Differences that are meant. `DIFFERENCES.md` gives the reasons.

use serde_json::Value;

use crate::compare::{Answer, Difference};
use crate::generate::Request;

/// A difference, and what it is seen in.
pub(crate) struct Case<'a> {
    pub(crate) request: &'a Request,
    pub(crate) java: &'a Answer,
    pub(crate) ours: &'a Answer,
    pub(crate) difference: &'a Difference,
}

/// What is different on purpose, by its reason.
pub(crate) struct Rule {
    /// A row of `DIFFERENCES.md`.
    pub(crate) because: &'static str,
    pub(crate) covers: fn(&Case<'_>) -> bool,
}

const fn rule(because: &'static str, covers: fn(&Case<'_>) -> bool) -> Rule {
    Rule { because, covers }
}

pub(crate) static RULES: [Rule; 23] = [
    rule("A source's values are shown", |case| {
        case.is_source()
            && case.member() == "value/value"
            && case.difference.java == Some(Value::Null)
    }),
    rule("Only words that are taken are recommended", |case| {
        case.is_source()
            && case.member() == "value/recommended_values"
            && case.key().contains("mode")
    }),
    rule("A mistake is reported once", |case| {
        let (java, ours) = case.difference.errors();
        ours.is_empty() && !java.is_empty() && !case.errors(case.ours).is_empty()
    }),
    rule("Null is an error for every property", |case| {
        case.request.set.values().any(Value::is_null)
    }),
    rule("Errors name the whole property", |case| {
        let (java, ours) = case.difference.errors();
        let plain = case.key().rsplit_once(".a.").map(|(_, plain)| plain);
        let plain = plain.or_else(|| case.key().split_once("converter.").map(|(_, plain)| plain));
        let whole = |text: &str| {
            plain.map(|plain| {
                text.replace(
                    &format!("configuration {plain}:"),
                    &format!("configuration {}:", case.key()),
                )
            })
        };
        !ours.is_empty()
            && ours.iter().all(|text| {
                java.iter()
                    .any(|java| whole(java).as_deref() == Some(*text))
            })
    }),
    rule("Patterns have their own error texts", |case| {
        let (java, ours) = case.difference.errors();
        let all = |texts: &[&str]| {
            texts
                .iter()
                .all(|text| text.contains("egular expression") || text.contains("Invalid regex"))
        };
        !java.is_empty() && !ours.is_empty() && all(&java) && all(&ours)
    }),
    rule("Patterns are checked when they are given", |case| {
        case.fails_with("PatternSyntaxException")
    }),
    rule("An override has one entry", |case| {
        case.key() == "consumer.override.group.id" && case.request.sets(case.key())
    }),
    rule("Overrides are checked as the client checks them", |case| {
        let is_error = case.is_override() && case.member() == "value/errors";
        is_error && case.errors(case.java).is_empty()
            || case.has_override() && case.fails_with("ConfigException")
    }),
    rule(
        "Versions that are not here are described like any mistake",
        |case| {
            case.request
                .set
                .keys()
                .any(|key| key.ends_with("plugin.version"))
        },
    ),
    rule("Configurations are not repeated in errors", |case| {
        let class = case.request.value("connector.class");
        ["/status", "/message"].contains(&case.difference.at.as_str())
            && class.is_none_or(|class| class.trim().is_empty())
    }),
    rule("Unknown classes are bad requests", |case| {
        ["/status", "/message"].contains(&case.difference.at.as_str())
            && case.request.sets("connector.class")
    }),
    rule("Blanks around a value are no mistake", |case| {
        let is_padded = |value: &Value| value.as_str().is_some_and(|text| text != text.trim());
        case.request.set.values().any(is_padded) && case.errors(case.ours).is_empty()
    }),
    rule("Empty settings are none", |case| {
        let is_empty = |value: &Value| {
            value
                .as_str()
                .is_some_and(|text| text.trim_matches([',', ' ', ';']).is_empty())
        };
        case.request.set.values().any(is_empty) && case.errors(case.ours).is_empty()
    }),
    rule(
        "Settings that this version does not have are refused",
        |case| {
            case.errors(case.ours)
                .iter()
                .any(|text| text.contains("this version"))
        },
    ),
    rule("What cannot run is refused by the validation", |case| {
        let java = case.errors(case.java);
        case.member() == "value/errors" && java.is_empty() && !case.errors(case.ours).is_empty()
    }),
    rule("Classes that are not here", |case| {
        let (java, ours) = case.difference.errors();
        let of_class = |text: &&str| text.contains("lass ") || text.contains("class.");
        !ours.is_empty() && java.iter().chain(&ours).all(of_class)
    }),
    rule("Failures of a connection have their own texts", |case| {
        let (java, ours) = case.difference.errors();
        let failed = |text: &&str| {
            [
                "Unable to connect: ",
                "Error during connection validation: ",
            ]
            .iter()
            .any(|start| text.starts_with(start))
        };
        case.key() == "database.hostname" && java.iter().chain(&ours).all(failed)
    }),
    rule("Words of earlier releases are taken", |case| {
        case.member() == "value/errors"
            && case.errors(case.ours).is_empty()
            && case.request.value("snapshot.mode").is_some_and(|mode| {
                mode.to_lowercase().contains("schema_only") || mode.eq_ignore_ascii_case("never")
            })
    }),
    rule("Bad bodies are bad requests", |case| {
        case.fails_with("IllegalArgumentException")
    }),
    rule("Plugins are those of this worker", |case| {
        let ours = &case.ours.0["configs"]["transforms.a.type"]["value"]["errors"];
        let is_elsewhere = ours.to_string().contains("could not be found");
        let is_version = case.key().ends_with("plugin.version");
        is_elsewhere || is_version && case.member() == "value/recommended_values"
    }),
    rule("Settings of earlier releases are shown", |case| {
        let earlier = [
            "delete.handling.mode",
            "delete.tombstone.handling.mode",
            "drop.tombstones",
            "key.field.name",
            "key.field.regex",
            "key.field.replacement",
            "replace.null.with.default",
            "schema.name.adjustment.mode",
        ];
        let of_debezium = ["ExtractNewRecordState", "ByLogicalTableRouter"]
            .iter()
            .any(|class| case.request.base.ends_with(class));
        let is_place = case.member() == "definition/order_in_group";
        of_debezium && (is_place || earlier.iter().any(|name| case.key().ends_with(name)))
    }),
    rule("What cannot run is refused by the validation", |case| {
        case.member() == "definition/required" && case.difference.java == Some(false.into())
    }),
];

impl Case<'_> {
    fn is_source(&self) -> bool {
        ["mariadb", "mysql"].contains(&self.request.base.as_str())
    }
    fn key(&self) -> &str {
        self.difference.key().map_or("", |(key, _)| key)
    }
    fn member(&self) -> &str {
        self.difference.key().map_or("", |(_, member)| member)
    }
    fn is_override(&self) -> bool {
        self.key().contains(".override.")
    }
    fn has_override(&self) -> bool {
        self.request
            .config
            .keys()
            .any(|key| key.contains(".override."))
    }
    /// Whether the original fails altogether with that.
    fn fails_with(&self, exception: &str) -> bool {
        let is_failure = self.java.0["status"] == 500;
        is_failure
            && self.java.0["message"]
                .as_str()
                .is_some_and(|text| text.contains(exception))
    }
    /// The errors of the key in one of the answers.
    fn errors<'a>(&self, answer: &'a Answer) -> Vec<&'a str> {
        let errors = answer.0["configs"][self.key()]["value"]["errors"].as_array();
        errors
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    }
}
