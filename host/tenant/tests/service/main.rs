//! The tenant over HTTP, as a client meets it.
// Helpers of an integration test may fail it in the plainest way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod access;
mod basics;
mod directory;
mod entra;
mod fixture;
mod protocol;
mod quirks;
