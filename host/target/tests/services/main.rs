//! The SCIM client against services that are whole: the project's own tenant and a strict one that others wrote.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "a failing helper fails its test"
)]

mod entra;
mod quirks;
mod scenarios;
mod scim2_server;
mod tenant;
mod together;
