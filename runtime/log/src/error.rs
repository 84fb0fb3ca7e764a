//! What can go wrong in a log, divided by what the caller does about it.

use tidegate_api::{ConnectError, ErrorKind};

/// An error of the log. Texts name the topic, group or address that they concern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogError {
    /// The log does not answer at the moment: worth another try.
    #[error("{0}")]
    Unavailable(String),
    /// The topic, partition or group does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The topic exists already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The principal may not do this. The error of a record only if it concerns the record's topic.
    #[error("{0}")]
    Unauthorized(String),
    /// The request can never succeed as it is: a setting, a name, a record that is too large.
    #[error("{0}")]
    Invalid(String),
    /// Another member has taken this one's place.
    #[error("{0}")]
    Fenced(String),
    /// Another worker holds the group.
    #[error("{0}")]
    Occupied(String),
    /// The disk is full; appends succeed again once there is room.
    #[error("{0}")]
    Full(String),
    /// Stored data cannot be read, or the adapter is broken.
    #[error("{0}")]
    Fatal(String),
}

impl LogError {
    /// Whether the same call may succeed later.
    pub fn is_retriable(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }

    /// Whether a record was refused for what it is or where it goes, so that others may be taken. Of what befalls all
    /// records alike, such as a setting or a login that is refused, adapters make [`Self::Fatal`].
    pub fn is_of_record(&self) -> bool {
        matches!(
            self,
            Self::Invalid(_) | Self::Unauthorized(_) | Self::NotFound(_)
        )
    }
}

impl From<LogError> for ConnectError {
    fn from(error: LogError) -> Self {
        let kind = match &error {
            LogError::Unavailable(_) | LogError::Full(_) => ErrorKind::Retriable,
            LogError::NotFound(_) => ErrorKind::NotFound,
            LogError::AlreadyExists(_) => ErrorKind::AlreadyExists,
            LogError::Unauthorized(_)
            | LogError::Invalid(_)
            | LogError::Fenced(_)
            | LogError::Occupied(_)
            | LogError::Fatal(_) => ErrorKind::Fatal,
        };
        ConnectError::new(kind, error)
    }
}
