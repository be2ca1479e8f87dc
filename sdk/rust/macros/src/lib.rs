//! The bindings of the rules interface, generated where a plugin exports its rules; part of provisor-sdk.

use proc_macro::TokenStream;

/// The interface, as it was when this crate was built. Only the first file names the package, so that the files in a row
/// are one document.
const WIT: &str = concat!(
    include_str!("../wit/types.wit"),
    include_str!("../wit/lifecycle.wit"),
    include_str!("../wit/filter.wit"),
    include_str!("../wit/mapping.wit"),
    include_str!("../wit/write-back.wit"),
    include_str!("../wit/log.wit"),
    include_str!("../wit/worlds.wit"),
);

/// Expands to the bindings of the world that is named, with the types of provisor-sdk.
///
/// They are generated in the plugin, because a component must say which world it is of, and a crate can say so once.
#[doc(hidden)]
#[proc_macro]
pub fn bindings(world: TokenStream) -> TokenStream {
    let generate = format!(
        r#"::provisor_sdk::__wit_bindgen::generate!({{
            inline: {WIT:?},
            world: {world},
            runtime_path: "::provisor_sdk::__wit_bindgen::rt",
            with: {{
                "provisor:rules/types@0.1.0-draft.2": ::provisor_sdk::bindings::provisor::rules::types,
                "provisor:rules/log@0.1.0-draft.2": ::provisor_sdk::bindings::provisor::rules::log,
            }},
        }});"#
    );
    generate.parse().unwrap_or_else(|error| format!("compile_error!(\"{error}\");").parse().unwrap_or_default())
}
