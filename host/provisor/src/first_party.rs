//! The plugins that the binary carries.

include!(concat!(env!("OUT_DIR"), "/plugins.rs"));

/// What to say of a plugin that cannot be found, where this binary carries none at all.
pub fn missing_advice() -> Option<&'static str> {
    FIRST_PARTY.is_empty().then_some(
        "this provisor was built without the first-party plugins (people, groups, ad-users and others). Run: cargo xtask plugins, and build it again",
    )
}
