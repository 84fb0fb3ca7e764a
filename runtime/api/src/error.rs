//! The one error that crosses plugin boundaries.

use std::error::Error;
use std::fmt;

/// What follows from an error: retry, tolerance and HTTP status are decided from it, each in one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// May succeed when tried again: Java's `RetriableException`.
    Retriable,
    /// The record cannot be processed: Java's `DataException`.
    Data,
    /// A setting is wrong or missing: Java's `ConfigException`.
    Config,
    NotFound,
    AlreadyExists,
    /// Nothing but a person helps.
    Fatal,
}

/// An error of a connector, task, converter or transformation.
///
/// It has a message of its own, the name of the Java exception that it corresponds to (operators' scripts match on
/// it), and the chain of its causes.
pub struct ConnectError {
    kind: ErrorKind,
    java_class: &'static str,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// Java class of errors that have no closer one.
pub const CONNECT_EXCEPTION: &str = "org.apache.kafka.connect.errors.ConnectException";
/// Java class of errors in records.
pub const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";
/// Java class of transient errors.
pub const RETRIABLE_EXCEPTION: &str = "org.apache.kafka.connect.errors.RetriableException";
/// Java class of errors in settings.
pub const CONFIG_EXCEPTION: &str = "org.apache.kafka.common.config.ConfigException";
const NOT_FOUND_EXCEPTION: &str = "org.apache.kafka.connect.errors.NotFoundException";
const ALREADY_EXISTS_EXCEPTION: &str = "org.apache.kafka.connect.errors.AlreadyExistsException";

impl ConnectError {
    /// Wraps a plugin's own error: its message becomes this one's, its sources stay the causes.
    pub fn new(kind: ErrorKind, error: impl Error + Send + Sync + 'static) -> Self {
        let message = error.to_string();
        let source = error
            .source()
            .map(|cause| Box::new(Cause::of(cause)) as Box<dyn Error + Send + Sync>);
        Self {
            kind,
            java_class: class_of(kind),
            message,
            source,
        }
    }

    pub fn message(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            java_class: class_of(kind),
            message: message.into(),
            source: None,
        }
    }
    pub fn retriable(message: impl Into<String>) -> Self {
        Self::message(ErrorKind::Retriable, message)
    }
    pub fn data(message: impl Into<String>) -> Self {
        Self::message(ErrorKind::Data, message)
    }
    pub fn config(message: impl Into<String>) -> Self {
        Self::message(ErrorKind::Config, message)
    }
    pub fn fatal(message: impl Into<String>) -> Self {
        Self::message(ErrorKind::Fatal, message)
    }

    /// Puts a message of a Java `ConnectException` around this error; the kind stays.
    #[must_use]
    pub fn context(self, message: impl Into<String>) -> Self {
        Self {
            kind: self.kind,
            java_class: CONNECT_EXCEPTION,
            message: message.into(),
            source: Some(Box::new(self)),
        }
    }

    /// The same error under another kind.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = kind;
        self
    }

    /// The same error with the name of another Java exception.
    #[must_use]
    pub fn with_java_class(mut self, java_class: &'static str) -> Self {
        self.java_class = java_class;
        self
    }

    /// Adds the cause of an error that was built from a message.
    #[must_use]
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
    pub fn is_retriable(&self) -> bool {
        self.kind == ErrorKind::Retriable
    }
    pub fn java_class(&self) -> &'static str {
        self.java_class
    }
    pub fn text(&self) -> &str {
        &self.message
    }

    /// What a status's `trace` shows: first line the Java class and the message, then one line for each cause.
    pub fn trace(&self) -> String {
        let mut trace = format!("{}: {}", self.java_class, self.message);
        let mut cause = self.source();
        while let Some(error) = cause {
            trace.push_str("\nCaused by: ");
            if let Some(connect) = error.downcast_ref::<ConnectError>() {
                trace.push_str(connect.java_class);
                trace.push_str(": ");
            }
            trace.push_str(&error.to_string());
            cause = error.source();
        }
        trace
    }

    /// Message and causes on one line, for logs.
    pub fn chain(&self) -> String {
        let mut chain = self.message.clone();
        let mut cause = self.source();
        while let Some(error) = cause {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            cause = error.source();
        }
        chain
    }
}

fn class_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Retriable => RETRIABLE_EXCEPTION,
        ErrorKind::Data => DATA_EXCEPTION,
        ErrorKind::Config => CONFIG_EXCEPTION,
        ErrorKind::NotFound => NOT_FOUND_EXCEPTION,
        ErrorKind::AlreadyExists => ALREADY_EXISTS_EXCEPTION,
        ErrorKind::Fatal => CONNECT_EXCEPTION,
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.kind, self.trace())
    }
}
impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

/// The texts of a chain of causes whose owner is gone.
#[derive(Debug)]
struct Cause {
    message: String,
    source: Option<Box<Cause>>,
}

impl Cause {
    fn of(error: &dyn Error) -> Self {
        Self {
            message: error.to_string(),
            source: error.source().map(|cause| Box::new(Self::of(cause))),
        }
    }
}
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
impl Error for Cause {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_has_a_line_for_each_cause() {
        let error = ConnectError::data("bad row")
            .caused_by(std::io::Error::other("broken"))
            .context("Tolerance exceeded in error handler");
        assert_eq!(error.kind(), ErrorKind::Data);
        assert_eq!(
            error.trace(),
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
             Caused by: org.apache.kafka.connect.errors.DataException: bad row\nCaused by: broken"
        );
    }
}
