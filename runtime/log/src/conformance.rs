//! Tests of the port, the same for every adapter.
