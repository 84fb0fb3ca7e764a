//! Transformations and predicates.
//!
//! Source: `org.apache.kafka.connect.transforms.{Transformation,predicates.Predicate}`.

use crate::error::ConnectError;
use crate::record::Record;

/// Changes a record or drops it. One instance serves one task; caches live behind interior mutability.
pub trait Transform: Send + Sync {
    /// The record to go on with; `None` drops it and ends the chain.
    ///
    /// # Errors
    /// `Data` if the record does not fit the transformation; the task's tolerance decides what follows.
    fn apply(&self, record: Record) -> Result<Option<Record>, ConnectError>;
}

/// Says whether a transformation applies to a record.
pub trait Predicate: Send + Sync {
    fn test(&self, record: &Record) -> Result<bool, ConnectError>;
}
