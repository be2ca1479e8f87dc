//! The pipeline at full strength: scope by groups, references by value, pauses, full disks, large groups and faults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "these are tests")]

#[path = "../lab/mod.rs"]
mod lab;

mod bulk;
mod by_value;
mod disk;
mod faults;
mod intents;
mod large;
mod purity;
mod retries;
mod scope;
