//! Types, catalog and statements of PostgreSQL, the one database that there is so far.

pub(crate) mod postgres;
