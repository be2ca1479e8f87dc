//! The generated bindings of the interface. One world serves every component: what it exports is looked up interface by
//! interface.
#![allow(missing_docs, clippy::all, clippy::pedantic, unused_qualifications, reason = "generated code")]

wasmtime::component::bindgen!({
    world: "filter-and-mapping-plugin",
    path: "../../wit/draft",
    // Answers are kept as they came.
    additional_derives: [serde::Serialize, serde::Deserialize],
});

/// The version of the interface. A draft matches exactly.
pub const VERSION: &str = "0.1.0-draft.2";

pub use exports::provisor::rules::{filter, lifecycle, mapping};
pub use provisor::rules::{log, types};
