//! What differs between databases.

pub(crate) mod postgres;
