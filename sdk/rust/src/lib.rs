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
//!
//! # The contract
//!
//! What `configure` asks for is the whole contract: the host imports no attribute that no rule reads, sends a rule nothing
//! that it did not ask for, and takes nothing else from it. An operator who binds the plugin grants just that. A handle has
//! the type that the attribute is read in: what is declared by [`MappingContract::text`] can only be read by
//! [`Entry::text`]. Read in the narrowest shape: [`MappingContract::unsent`] tells that there is a value, and
//! [`Resource::copy`] or [`Resource::references_of`] pass the values on without their crossing into the plugin.
//!
//! Settings may decide about the contract: a rule asks only for the attributes that its settings name, and says
//! [`MappingContract::unused`] where they have no use for it.
//!
//! # Saying no
//!
//! A mapping that returns [`exclude`] takes an entry out of scope, [`fail`] holds it as it is until it or the rule changes;
//! so do [`Verdict::drop`] and [`Verdict::fail`] of a filter. The code is counted, the words are read by a person. A panic
//! is a fault: the entry is held, and after several the plugin is called no more in the cycle.
//!
//! # Questions that the host answers
//!
//! A rule has no network and no directory to ask. It answers with the question: [`Resource::reference`],
//! [`Resource::reference_by`] and [`Resource::references_of`] mean other objects, and [`Resource::first_unique`] the first
//! name that nobody has. The time comes with the cycle, for those who ask ([`MappingContract::cycle_time`]) and say until
//! when their answer holds ([`Entry::valid_until`]).
//!
//! # Purity
//!
//! The answer depends on the entry and the settings alone, because previews, retries and several threads all ask again.
//! Keep nothing else in the rule, and iterate over sorted collections: a `HashMap` has another order in each instance.
//!
//! # Tests
//!
//! [`testing`] runs a rule natively. The crate `provisor-harness` asks the component the same questions, through the gate
//! that a host has and within its limits. Files `cases/*.json` beside `src` go into the component: cases that every host
//! asks before it uses the plugin.

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
///
/// ```
/// use provisor_sdk::prelude::*;
/// ```
pub mod prelude {
    pub use crate::{
        Binaries, Binary, Boolean, Built, CycleTime, Decimal, Entry, Filter, FilterContract, Handle, Integer, Integers,
        Mapping, MappingContract, NoConfig, Reason, Refusal, Resource, Row, Target, Text, Texts, Unsent, Value,
        Verdict, exclude, fail, log,
    };
}
