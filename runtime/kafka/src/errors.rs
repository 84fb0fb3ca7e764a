//! From librdkafka's errors to those of the log port: the one place that decides what follows from them.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use tidegate_log::LogError;

use crate::client_log::Trouble;
use crate::settings::is_secret;

/// `doing` says what failed and to which topic or group; `servers` are the bootstrap servers.
pub(crate) fn translate(
    doing: &str,
    servers: &str,
    error: &KafkaError,
    trouble: Option<&Trouble>,
) -> LogError {
    match error {
        KafkaError::ClientConfig(_, reason, name, _) => {
            // The text repeats the value.
            let reason = if is_secret(name) {
                "its value is not valid"
            } else {
                reason
            };
            LogError::Invalid(format!(
                "could not {doing}: client setting {name}: {reason}"
            ))
        }
        KafkaError::ClientCreation(reason) => {
            LogError::Invalid(format!("could not {doing}: {reason}"))
        }
        other => match other.rdkafka_error_code() {
            Some(code) => from_code(doing, servers, code, trouble),
            None => LogError::Fatal(format!("could not {doing} on Kafka at {servers}: {other}")),
        },
    }
}

pub(crate) fn from_code(
    doing: &str,
    servers: &str,
    code: Code,
    trouble: Option<&Trouble>,
) -> LogError {
    let mut text = format!("could not {doing} on Kafka at {servers}: {code}");
    let mut code = code;
    if waits_for_connection(code)
        && let Some((cause, reason)) = trouble.and_then(Trouble::last)
    {
        text = format!("{text}; {reason}");
        // A refused login looks like a broker that does not answer.
        if is_unauthorized(cause) {
            code = cause;
        }
    }
    match code {
        code if is_unknown(code) => LogError::NotFound(text),
        Code::GroupIdNotFound | Code::UnknownGroup => LogError::NotFound(text),
        Code::TopicAlreadyExists => LogError::AlreadyExists(text),
        code if is_unauthorized(code) => LogError::Unauthorized(text),
        Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::InvalidReplicationFactor
        | Code::InvalidReplicaAssignment
        | Code::InvalidConfig
        | Code::InvalidRequest
        | Code::InvalidRequiredAcks
        | Code::InvalidSessionTimeout
        | Code::InvalidGroupId
        | Code::InvalidTimestamp
        | Code::InvalidArgument
        | Code::InvalidRecord
        | Code::InconsistentGroupProtocol
        | Code::MessageSizeTooLarge
        | Code::PolicyViolation
        | Code::UnsupportedVersion
        | Code::UnsupportedCompressionType => LogError::Invalid(text),
        Code::FencedInstanceId
        | Code::IllegalGeneration
        | Code::InvalidProducerEpoch
        | Code::ProducerFenced
        | Code::UnknownMemberId
        | Code::AssignmentLost
        | Code::Fenced => LogError::Fenced(text),
        Code::KafkaStorageError => LogError::Full(text),
        Code::Fatal | Code::CriticalSystemResource | Code::BadMessage => LogError::Fatal(text),
        _ => LogError::Unavailable(text),
    }
}

/// The error of a record: its own only where it concerns the record or its topic. A setting or a login that is refused is
/// refused for every record.
pub(crate) fn of_record(code: Option<Code>, error: LogError) -> LogError {
    if error.is_of_record() && !code.is_some_and(concerns_record) {
        return LogError::Fatal(error.to_string());
    }
    error
}

fn concerns_record(code: Code) -> bool {
    is_unknown(code)
        || matches!(
            code,
            Code::InvalidRecord
                | Code::InvalidTimestamp
                | Code::InvalidTopic
                | Code::MessageBatchTooLarge
                | Code::MessageSizeTooLarge
                | Code::PolicyViolation
                | Code::TopicAuthorizationFailed
        )
}

/// Whether a broker does not know a topic or one of its partitions: no longer, or not yet.
pub(crate) fn is_unknown(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicOrPartition
    )
}

/// Whether a partition's leader is being found, or has moved.
pub(crate) fn is_without_leader(code: Code) -> bool {
    matches!(code, Code::LeaderNotAvailable | Code::NotLeaderForPartition)
}

pub(crate) fn is_unauthorized(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::SSL
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}

/// Whether the broker does not want this client, or the client this broker. A connection that is cut in the middle of a
/// TLS handshake says nothing.
pub(crate) fn is_refusal(code: Code, reason: &str) -> bool {
    match code {
        Code::Authentication | Code::SaslAuthenticationFailed | Code::UnsupportedSASLMechanism => {
            true
        }
        Code::SSL => !reason.contains("Disconnected"),
        _ => false,
    }
}

fn waits_for_connection(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::OperationTimedOut
            | Code::TimedOutQueue
            | Code::WaitingForCoordinator
            | Code::MessageTimedOut
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(code: Code, expected: fn(String) -> LogError) {
        let error = from_code("describe topic 't'", "kafka:9092", code, None);
        let text = error.to_string();
        assert_eq!(error, expected(text.clone()));
        assert!(text.starts_with("could not describe topic 't' on Kafka at kafka:9092: "));
    }

    #[test]
    fn codes_decide_what_the_caller_does() {
        check(Code::UnknownTopicOrPartition, LogError::NotFound);
        check(Code::TopicAuthorizationFailed, LogError::Unauthorized);
        check(Code::MessageSizeTooLarge, LogError::Invalid);
        check(Code::IllegalGeneration, LogError::Fenced);
        check(Code::AllBrokersDown, LogError::Unavailable);
        check(Code::NotEnoughReplicas, LogError::Unavailable);
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_trouble_explains_why_nobody_answers() {
        let trouble = Trouble::default();
        trouble.note(
            Code::BrokerTransportFailure,
            "kafka:9092: Connection refused",
        );
        trouble.note(Code::AllBrokersDown, "1/1 brokers are down");
        let code = Code::OperationTimedOut;
        let error = from_code("read", "kafka:9092", code, Some(&trouble));
        assert!(
            error
                .to_string()
                .ends_with("kafka:9092: Connection refused"),
            "{error}"
        );
        assert!(error.is_retriable());
        trouble.note(Code::Authentication, "SASL authentication failed");
        let error = from_code("read", "kafka:9092", code, Some(&trouble));
        assert!(matches!(error, LogError::Unauthorized(_)), "{error}");
        // A refusal that did not come again since is none of this.
        tokio::time::advance(Duration::from_mins(2)).await;
        let error = from_code("read", "kafka:9092", code, Some(&trouble));
        assert!(error.is_retriable(), "{error}");
        assert!(!error.to_string().contains("SASL"), "{error}");
    }

    #[test]
    fn only_what_concerns_a_record_or_its_topic_is_its_own() {
        let check = |code, expected: bool| {
            let error = from_code("append to topic 't'", "kafka:9092", code, None);
            assert_eq!(of_record(Some(code), error).is_of_record(), expected);
        };
        for own in [
            Code::InvalidRecord,
            Code::InvalidTimestamp,
            Code::InvalidTopic,
            Code::MessageSizeTooLarge,
            Code::PolicyViolation,
            Code::TopicAuthorizationFailed,
            Code::UnknownTopicOrPartition,
        ] {
            check(own, true);
        }
        for setting in [
            Code::InvalidRequiredAcks,
            Code::UnsupportedCompressionType,
            Code::UnsupportedVersion,
            Code::InvalidConfig,
            Code::InvalidRequest,
            Code::InvalidArgument,
        ] {
            check(setting, false);
        }
        check(Code::ClusterAuthorizationFailed, false);
        check(Code::SaslAuthenticationFailed, false);
        check(Code::MessageTimedOut, false);
    }

    #[test]
    fn secrets_stay_out_of_texts() {
        let error = KafkaError::ClientConfig(
            rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID,
            "invalid value 'hunter2'".to_owned(),
            "sasl.password".to_owned(),
            "hunter2".to_owned(),
        );
        let text = translate("connect", "kafka:9092", &error, None).to_string();
        assert!(
            text.contains("sasl.password") && !text.contains("hunter2"),
            "{text}"
        );
    }
}
