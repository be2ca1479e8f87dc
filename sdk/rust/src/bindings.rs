//! The generated types of the interface and its log. The bindings of a plugin's world are generated in the plugin.
#![allow(
    missing_docs,
    unsafe_code,
    dead_code,
    clippy::all,
    clippy::pedantic,
    unused_qualifications,
    reason = "generated code"
)]

wit_bindgen::generate!({
    inline: "
        package provisor:sdk;
        world sdk {
            import provisor:rules/types@0.1.0-draft.2;
            import provisor:rules/log@0.1.0-draft.2;
        }
    ",
    path: "wit",
    generate_all,
    generate_unused_types: true,
    additional_derives: [Clone, PartialEq],
});

/// The interface as text: only the first file names the package, so that the files in a row are one document.
pub const INTERFACE: &str = concat!(
    include_str!("../wit/types.wit"),
    include_str!("../wit/lifecycle.wit"),
    include_str!("../wit/filter.wit"),
    include_str!("../wit/mapping.wit"),
    include_str!("../wit/write-back.wit"),
    include_str!("../wit/log.wit"),
    include_str!("../wit/worlds.wit"),
);

/// Its version. A draft matches exactly.
pub const INTERFACE_VERSION: &str = "0.1.0-draft.2";

pub use provisor::rules::log::{Level, emit};
pub use provisor::rules::types::{
    Apply, Cell, Edit, Manifest, Named, Read, Reason, Shape, TargetValue, Value, Values, Write,
};

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Boolean(flag)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Decimal(number)
    }
}

impl From<Vec<u8>> for Value {
    fn from(octets: Vec<u8>) -> Self {
        Self::Binary(octets)
    }
}
