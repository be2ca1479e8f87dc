//! What rules plugins for Provisor are written with in Rust.
//!
//! A rule is a type that implements [`Mapping`] (what the target is told) or [`Filter`] (who is in scope). It says in
//! `configure` what it reads and writes and keeps the handles; it is plain Rust, so `cargo test` tests it natively
//! (see [`testing`]). [`export_mapping!`] makes a component of it.
//!
//! ```
//! use provisor_sdk::prelude::*;
//!
//! /// The settings of the rule, in the configuration's `[[rules]]` table.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! pub struct Config {
//!     domain: String,
//! }
//!
//! /// Names users after their uid.
//! pub struct UserName {
//!     domain: String,
//!     uid: Text,
//!     user_name: Target,
//! }
//!
//! impl Mapping for UserName {
//!     type Config = Config;
//!
//!     fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
//!         contract.object_class("user").resource_kind("User");
//!         Ok(Self { domain: config.domain, uid: contract.text("uid"), user_name: contract.write("userName") })
//!     }
//!
//!     fn map(&self, entry: &Entry, resource: &mut Resource) -> Result<(), Refusal> {
//!         let uid = entry.text(self.uid).ok_or_else(|| exclude("no-uid", "the entry has no uid"))?;
//!         resource.set(self.user_name, format!("{}@{}", uid.to_lowercase(), self.domain));
//!         Ok(())
//!     }
//! }
//!
//! provisor_sdk::export_mapping!(UserName);
//! # fn main() {}
//! ```

#[doc(hidden)]
pub mod bindings;
mod contract;
mod entry;
mod export;
pub mod log;
mod resource;
mod rule;
#[doc(hidden)]
pub mod runtime;
pub mod testing;

#[doc(hidden)]
pub use provisor_sdk_macros::bindings as __bindings;
#[doc(hidden)]
pub use wit_bindgen as __wit_bindgen;

#[doc(hidden)]
pub use bindings::INTERFACE;
pub use bindings::{INTERFACE_VERSION, Reason, Value};
pub use contract::{
    Binaries, Binary, Boolean, Built, CycleTime, Decimal, FilterContract, Handle, Integer, Integers, MappingContract,
    Target, Text, Texts, Unsent,
};
pub use entry::Entry;
pub use resource::{IntoValue, Resource, Row};
pub use rule::{Filter, Mapping, NoConfig, Refusal, Settings, Verdict, exclude, fail};

/// All that a rule needs, for one `use`.
pub mod prelude {
    pub use crate::{
        Binaries, Binary, Boolean, Built, CycleTime, Decimal, Entry, Filter, FilterContract, Handle, Integer, Integers,
        Mapping, MappingContract, NoConfig, Reason, Refusal, Resource, Row, Target, Text, Texts, Unsent, Value,
        Verdict, exclude, fail, log,
    };
}
