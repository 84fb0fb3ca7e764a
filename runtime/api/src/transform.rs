//! Transformations and predicates.
//!
//! Source: `org.apache.kafka.connect.transforms.{Transformation,predicates.Predicate}`.

use crate::error::ConnectError;
use crate::record::Record;

/// Changes a record or drops it. One instance serves one task, one record at a time: what it keeps are plain fields.
pub trait Transform: Send {
    /// The record to go on with; `None` drops it and ends the chain.
    ///
    /// # Errors
    /// `Data` if the record does not fit the transformation; the task's tolerance decides what follows.
    fn apply(&mut self, record: Record) -> Result<Option<Record>, ConnectError>;
}

/// Says whether a transformation applies to a record. One instance serves all transformations of one task that name it.
pub trait Predicate: Send {
    fn test(&mut self, record: &Record) -> Result<bool, ConnectError>;
}
