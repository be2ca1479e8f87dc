//! The first gate, before anything is compiled: is the file a whole component, for this interface, that asks for nothing
//! else?

use std::fmt;

use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::bindings::VERSION;
use crate::extent;
use crate::options::Limits;
use crate::wasi;

/// The namespace of the interfaces.
const NAMESPACE: &str = "provisor:rules/";

/// What a plugin can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PluginKind {
    /// Says who is in scope.
    Filter,
    /// Says what the target is told.
    Mapping,
}

impl fmt::Display for PluginKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Filter => "filter",
            Self::Mapping => "mapping",
        })
    }
}

/// What a component shows to the outside.
#[derive(Clone, Debug)]
pub(crate) struct Surface {
    /// The interfaces it imports.
    pub(crate) imports: Vec<String>,
    /// The kinds it is, at least one.
    pub(crate) kinds: Vec<PluginKind>,
}

/// Reads and validates the whole file.
///
/// # Errors
/// A sentence for the operator: what is wrong with the file and what to do.
pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Surface, String> {
    let encoding = Parser::new(0).parse_all(bytes).next().and_then(Result::ok);
    match encoding {
        Some(Payload::Version { encoding: Encoding::Component, .. }) => {}
        Some(Payload::Version { encoding: Encoding::Module, .. }) => {
            return Err(
                "it is a core WebAssembly module, not a component: encode it with wit-component (for Rust, build it \
                        with `cargo xtask plugins`)"
                    .to_owned(),
            );
        }
        _ => return Err("it is not a WebAssembly component".to_owned()),
    }
    extent::check(bytes, limits)?;
    let whole = Validator::new_with_features(features()).validate_all(bytes);
    whole.map_err(|error| format!("it is not a valid component, or only a part of one: {}", error.message()))?;
    let (imports, exports) = outline(bytes)?;
    check_exports(&exports)?;
    check_imports(&imports)?;
    let has = |kind: &PluginKind| exports.contains(&interface(&kind.to_string()));
    let kinds: Vec<PluginKind> = [PluginKind::Filter, PluginKind::Mapping].into_iter().filter(has).collect();
    if kinds.is_empty() {
        return Err("it is no filter and no mapping, and this version knows no other kind of plugin".to_owned());
    }
    Ok(Surface { imports, kinds })
}

/// WebAssembly 2.0 and components: what every toolchain emits, and nothing that costs determinism or memory.
fn features() -> WasmFeatures {
    WasmFeatures::WASM2 | WasmFeatures::COMPONENT_MODEL | WasmFeatures::EXTENDED_CONST | WasmFeatures::TAIL_CALL
}

fn interface(name: &str) -> String {
    format!("{NAMESPACE}{name}@{VERSION}")
}

/// The names that the component imports and exports, its inner parts aside.
fn outline(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    let unreadable = |error: wasmparser::BinaryReaderError| format!("it cannot be read: {}", error.message());
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0_usize);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(unreadable)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            // The outermost part ends too.
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(unreadable)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(unreadable)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// The version comes first: a plugin of another version has the wrong imports too.
fn check_exports(exports: &[String]) -> Result<(), String> {
    if exports.contains(&interface("lifecycle")) {
        return Ok(());
    }
    let of_ours: Vec<&str> =
        exports.iter().map(String::as_str).filter(|export| export.starts_with(NAMESPACE)).collect();
    match of_ours.first().and_then(|export| export.split_once('@')) {
        Some((_, version)) if version != VERSION => Err(format!(
            "it is made for version {version} of the rules interface, this host speaks {VERSION}: build it against that"
        )),
        _ => Err(format!("it is no rules plugin: it does not export {}", interface("lifecycle"))),
    }
}

fn check_imports(imports: &[String]) -> Result<(), String> {
    let offered = [interface("log"), interface("types")];
    let is_offered = |import: &&String| offered.contains(import) || wasi::is_met(import);
    let Some(unknown) = imports.iter().find(|import| !is_offered(import)) else { return Ok(()) };
    Err(if unknown.starts_with("wasi:") {
        format!(
            "it imports {unknown}, and of WASI this host has 0.2 without HTTP: build the plugin without it (in Rust, for \
             wasm32-unknown-unknown)"
        )
    } else {
        format!("it imports {unknown}, which this host does not offer: build the plugin without it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Surface, String> {
        super::read(bytes, &Limits::default())
    }

    #[test]
    fn a_core_module_is_told_from_a_component() {
        let core = wat::parse_str("(module)").unwrap();
        assert!(read(&core).unwrap_err().contains("core WebAssembly module"));
        assert_eq!(read(b"MZ\x90").unwrap_err(), "it is not a WebAssembly component");
        assert_eq!(read(b"").unwrap_err(), "it is not a WebAssembly component");
    }

    #[test]
    fn an_import_that_is_not_offered_is_named() {
        let exports = r#"(instance $empty) (export "provisor:rules/lifecycle@0.1.0-draft.2" (instance $empty))
                         (export "provisor:rules/mapping@0.1.0-draft.2" (instance $empty))"#;
        let with = |import: &str| wat::parse_str(format!("(component {import} {exports})")).unwrap();
        let clock = with(r#"(import "wasi:clocks/wall-clock@0.2.0" (instance))"#);
        assert!(read(&clock).is_ok());
        let http = with(r#"(import "wasi:http/outgoing-handler@0.2.0" (instance))"#);
        assert!(read(&http).unwrap_err().contains("wasi:http/outgoing-handler@0.2.0"));
        let other = with(r#"(import "acme:database/query@1.0.0" (instance))"#);
        assert!(read(&other).unwrap_err().contains("acme:database/query@1.0.0"));
        assert_eq!(read(&with("")).unwrap().kinds, [PluginKind::Mapping]);
    }

    #[test]
    fn another_version_of_the_interface_is_named() {
        let old =
            wat::parse_str(r#"(component (instance $i) (export "provisor:rules/lifecycle@0.0.9" (instance $i)))"#);
        assert!(read(&old.unwrap()).unwrap_err().contains("version 0.0.9"));
        let none = wat::parse_str("(component)").unwrap();
        assert!(read(&none).unwrap_err().contains("no rules plugin"));
    }
}
