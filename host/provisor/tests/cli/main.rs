//! The program as a person runs it, over folders and a tenant of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test fails by panicking")]

mod commands;
mod inspect;
mod live;
mod replacing;
mod run;
mod support;
mod updates;
