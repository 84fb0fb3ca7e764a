//! Runs source and sink tasks.
