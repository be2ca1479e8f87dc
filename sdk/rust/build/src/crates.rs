//! A plugin crate: how cargo describes it, and its core module.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::toolchain::{Place, Toolchain};
use crate::{Output, cases, componentize, metadata, process, with_cases};

/// How long the quiet compilation of a plugin with all its dependencies may take.
const COMPILE_LIMIT: Duration = Duration::from_secs(1200);

/// The guest profile: a rule runs for every entry and is compiled once, so it is made for speed, with the names of functions
/// kept so that a trap tells them. It goes with the command, because a crate of another workspace sees no profile of this
/// one.
const PROFILE: [&str; 7] = [
    "profile.guest.inherits='release'",
    "profile.guest.opt-level=2",
    "profile.guest.lto='fat'",
    "profile.guest.codegen-units=1",
    "profile.guest.panic='abort'",
    "profile.guest.debug=false",
    "profile.guest.strip='none'",
];

/// A plugin crate, as cargo describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginCrate {
    manifest: PathBuf,
    package: String,
    /// The file name that rustc gives to its library, without the ending.
    library: String,
    place: Place,
}

impl PluginCrate {
    /// Asks cargo about the crate in a folder.
    ///
    /// # Errors
    /// When there is no crate, or none with a library.
    pub fn read(folder: &Path) -> Result<Self> {
        let manifest = folder.join("Cargo.toml");
        let manifest =
            fs::canonicalize(&manifest).with_context(|| format!("no plugin crate: {}", manifest.display()))?;
        let metadata = metadata(&manifest)?;
        let package = list(&metadata, "packages")
            .iter()
            .find(|package| text(package, "manifest_path").is_some_and(|path| Path::new(path) == manifest))
            .with_context(|| format!("{} describes no package", manifest.display()))?;
        let library = list(package, "targets")
            .iter()
            .find(|target| {
                list(target, "kind").iter().any(|kind| matches!(kind.as_str(), Some("lib" | "rlib" | "cdylib")))
            })
            .and_then(|target| text(target, "name"))
            .with_context(|| format!("{} has no library target, which a plugin must be", manifest.display()))?;
        let folder = |key: &str| {
            text(&metadata, key).map(PathBuf::from).with_context(|| format!("cargo metadata tells no {key}"))
        };
        Ok(Self {
            package: text(package, "name").unwrap_or_default().to_owned(),
            library: library.replace('-', "_"),
            place: Place { root: folder("workspace_root")?, target: folder("target_directory")? },
            manifest,
        })
    }

    /// The plugin's name: that of the package, without the prefix that first-party packages carry.
    pub fn name(&self) -> &str {
        self.package.strip_prefix("provisor-plugin-").unwrap_or(&self.package)
    }

    /// Where its own workspace is, and builds.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Makes the component, with the test cases in the crate's folder `cases`.
    ///
    /// # Errors
    /// When the crate does not compile, is no plugin, or a case cannot be read.
    pub fn component(&self, toolchain: &Toolchain, output: Output) -> Result<Vec<u8>> {
        self.variant(toolchain, output, &Variant { profile: "guest", settings: &[], linker: &[] })
    }

    /// The same with other settings, to see what they would change.
    ///
    /// # Errors
    /// When the crate does not compile, is no plugin, or a case cannot be read.
    pub fn variant(&self, toolchain: &Toolchain, output: Output, variant: &Variant<'_>) -> Result<Vec<u8>> {
        let component = componentize(&self.compile(toolchain, output, variant)?)?;
        let cases = self.manifest.parent().map(cases).transpose()?.flatten();
        Ok(match cases {
            Some(cases) => with_cases(component, &cases),
            None => component,
        })
    }

    /// Compiles the crate to a core module and returns its bytes.
    fn compile(&self, toolchain: &Toolchain, output: Output, variant: &Variant<'_>) -> Result<Vec<u8>> {
        let mut cargo = toolchain.cargo();
        // The crate stays an rlib in its manifest, so that its tests run natively; only here is it a module.
        cargo.args(["rustc", "--lib", "--crate-type", "cdylib", "--profile", variant.profile, "--manifest-path"]);
        cargo.arg(&self.manifest).args(["--package", &self.package]);
        cargo.args(PROFILE.iter().flat_map(|setting| ["--config", setting]));
        let setting = |setting: &String| ["--config".to_owned(), format!("profile.{}.{setting}", variant.profile)];
        cargo.args(variant.settings().iter().flat_map(setting));
        if !variant.linker.is_empty() {
            let argument = |argument: &&str| ["-C".to_owned(), format!("link-arg={argument}")];
            cargo.arg("--").args(variant.linker.iter().flat_map(argument));
        }
        match output {
            Output::Shown => process::run(&mut cargo)?,
            Output::Quiet => process::quietly(&mut cargo, COMPILE_LIMIT).map(drop)?,
        }
        let module = toolchain.output_folder(variant.profile).join(format!("{}.wasm", self.library));
        fs::read(&module).with_context(|| format!("cannot read {}", module.display()))
    }
}

/// The guest profile with other settings.
#[derive(Clone, Copy, Debug)]
pub struct Variant<'a> {
    /// The name of the profile, which is that of its output folder.
    pub profile: &'a str,
    /// Settings that differ, such as `opt-level=3`.
    pub settings: &'a [&'a str],
    /// Arguments for the linker.
    pub linker: &'a [&'a str],
}

impl Variant<'_> {
    /// All settings of the profile beside those of the guest profile itself.
    fn settings(&self) -> Vec<String> {
        let inherits = (self.profile != "guest").then(|| "inherits='guest'".to_owned());
        inherits.into_iter().chain(self.settings.iter().map(|setting| (*setting).to_owned())).collect()
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_party_plugin_is_named_without_its_prefix() {
        let named = |package: &str| PluginCrate {
            manifest: PathBuf::new(),
            package: package.to_owned(),
            library: String::new(),
            place: Place { root: PathBuf::new(), target: PathBuf::new() },
        };
        assert_eq!(named("provisor-plugin-people").name(), "people");
        assert_eq!(named("payroll-rules").name(), "payroll-rules");
    }

    #[test]
    fn a_folder_without_a_crate_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = PluginCrate::read(folder.path()).unwrap_err().to_string();
        assert!(error.contains("no plugin crate") && error.contains("Cargo.toml"), "{error}");
    }
}
