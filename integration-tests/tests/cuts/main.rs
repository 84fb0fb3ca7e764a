//! Connections that are cut, stall or bring garbage at any byte: an error or recovery, never silence, never a loop that keeps
//! a processor busy, and all rows at the end.

mod sink;
mod source;
