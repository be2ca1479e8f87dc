//! `cargo xtask plugins`: guest crates to WebAssembly components, replaced only when their content changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use wit_component::ComponentEncoder;

use crate::guest::Toolchain;
use crate::guest::c::CSources;
use crate::progress::{Progress, say};
use crate::{process, workspace};

/// What only tests load: the plugin that misbehaves on demand, and an example.
const FOR_TESTS: [&str; 2] = ["host/rules/tests/guest", "examples/unique-user-names"];

/// Examples in C, with their worlds; only tests load them.
const IN_C: [(&str, &str); 1] = [("examples/c/sort-name", "mapping-plugin")];

/// The rule that the demo shows and has edited.
const DEMO_RULE: &str = "examples/three-labs/rule";

/// Builds every crate below plugins/ and the demo's rule into target/plugins.
pub fn build_first_party(progress: &mut Progress) -> Result<()> {
    let mut first_party = crates_below(&workspace::root().join("plugins"))?;
    first_party.push(workspace::root().join(DEMO_RULE));
    progress.step("plugins", || {
        let toolchain = Toolchain::find()?;
        first_party.iter().try_for_each(|folder| build(&toolchain, folder, &workspace::target("plugins")))
    })
}

/// Builds these, and what only tests load into a folder of its own, so that no binary carries it.
pub fn build_all(progress: &mut Progress) -> Result<()> {
    build_first_party(progress)?;
    progress.step("plugins for tests", || {
        let (toolchain, into) = (Toolchain::find()?, workspace::target("plugins-test"));
        FOR_TESTS.iter().try_for_each(|folder| build(&toolchain, &workspace::root().join(folder), &into))?;
        IN_C.iter().try_for_each(|(folder, world)| {
            let folder = workspace::root().join(folder);
            let sources = CSources::find(&folder)?.with_context(|| format!("no C sources in {}", folder.display()))?;
            build_c(&sources, world, &into)
        })
    })
}

/// Builds the crates in these folders, into the given folder or else target/plugins.
pub fn build_paths(progress: &mut Progress, paths: &[PathBuf], into: Option<&Path>, world: Option<&str>) -> Result<()> {
    let into = into.map_or_else(|| workspace::target("plugins"), Path::to_path_buf);
    progress.step("plugins", || {
        for path in paths {
            match CSources::find(path)? {
                Some(sources) => {
                    let world = world.with_context(|| {
                        format!("{} is in C: say with --world which world of the interface it is of", path.display())
                    })?;
                    build_c(&sources, world, &into)?;
                }
                None => build(&Toolchain::find()?, path, &into)?,
            }
        }
        Ok(())
    })
}

fn crates_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut crates = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if path.join("Cargo.toml").is_file() {
            crates.push(path);
        }
    }
    crates.sort();
    Ok(crates)
}

/// Builds one crate and puts its component into a folder.
fn build(toolchain: &Toolchain, folder: &Path, into: &Path) -> Result<()> {
    let plugin = PluginCrate::read(folder)?;
    let core = compile(toolchain, &plugin).with_context(|| format!("plugin {}", plugin.package))?;
    put(&core, plugin.file_stem(), into)
}

/// The same of C sources.
fn build_c(sources: &CSources, world: &str, into: &Path) -> Result<()> {
    let name = sources.name()?;
    let core = sources.compile(world).with_context(|| format!("plugin {name}"))?;
    put(&core, name, into)
}

/// Makes a component of a core module and puts it into a folder, under this name.
fn put(core: &[u8], name: &str, into: &Path) -> Result<()> {
    let component = componentize(core).with_context(|| format!("plugin {name}"))?;
    let state =
        if replace_if_changed(&into.join(format!("{name}.wasm")), &component)? { "written" } else { "unchanged" };
    say(format_args!("    {name}: {} KB, {state}", component.len().div_ceil(1024)));
    Ok(())
}

/// A guest crate, as cargo describes it.
struct PluginCrate {
    manifest: PathBuf,
    package: String,
    /// The file name that rustc gives to its library, without the ending.
    library: String,
    /// A crate of another workspace does not see this one's guest profile.
    foreign: bool,
}

impl PluginCrate {
    fn read(folder: &Path) -> Result<Self> {
        let manifest = folder.join("Cargo.toml");
        let manifest =
            fs::canonicalize(&manifest).with_context(|| format!("no plugin crate: {}", manifest.display()))?;
        let metadata = workspace::metadata(&manifest)?;
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
        Ok(Self {
            package: text(package, "name").unwrap_or_default().to_owned(),
            library: library.replace('-', "_"),
            foreign: text(&metadata, "workspace_root").is_none_or(|root| Path::new(root) != workspace::root()),
            manifest,
        })
    }

    /// The plugin's name: that of the package, without the prefix that first-party packages carry.
    fn file_stem(&self) -> &str {
        self.package.strip_prefix("provisor-plugin-").unwrap_or(&self.package)
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The guest profile for a crate that cannot see the workspace's own.
const FOREIGN_PROFILE: [&str; 5] = [
    "profile.guest.inherits='release'",
    "profile.guest.opt-level='s'",
    "profile.guest.lto='fat'",
    "profile.guest.codegen-units=1",
    "profile.guest.panic='abort'",
];

/// Compiles the crate to a core module and returns its bytes.
fn compile(toolchain: &Toolchain, plugin: &PluginCrate) -> Result<Vec<u8>> {
    let mut cargo = toolchain.cargo();
    // The crate stays an rlib in its manifest, so that its tests run natively; only here is it a module.
    cargo.args(["rustc", "--lib", "--crate-type", "cdylib", "--profile", "guest", "--manifest-path"]);
    cargo.arg(&plugin.manifest).args(["--package", &plugin.package]);
    if plugin.foreign {
        cargo.args(FOREIGN_PROFILE.iter().flat_map(|setting| ["--config", setting]));
    }
    process::run(&mut cargo)?;
    let module = toolchain.output_folder().join(format!("{}.wasm", plugin.library));
    fs::read(&module).with_context(|| format!("cannot read {}", module.display()))
}

/// Turns a core module with embedded interface types into a validated component.
fn componentize(core: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(core)?.encode().context("cannot make a component of the module")
}

/// Writes a file by renaming a finished one over it, so that a host that watches the folder never sees half of it; leaves
/// a file of the same content alone. Returns whether it wrote.
fn replace_if_changed(file: &Path, content: &[u8]) -> Result<bool> {
    if fs::read(file).is_ok_and(|present| present == content) {
        return Ok(false);
    }
    let Some(folder) = file.parent() else { bail!("{} is no file name", file.display()) };
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let unfinished = file.with_extension(format!("wasm.{}", std::process::id()));
    fs::write(&unfinished, content).with_context(|| format!("cannot write {}", unfinished.display()))?;
    fs::rename(&unfinished, file).with_context(|| format!("cannot replace {}", file.display()))?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_only_when_its_content_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugins").join("people.wasm");
        assert!(replace_if_changed(&file, b"one").unwrap());
        assert!(!replace_if_changed(&file, b"one").unwrap());
        assert!(replace_if_changed(&file, b"two").unwrap());
        assert_eq!(fs::read(&file).unwrap(), b"two");
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing unfinished is left beside it");
    }

    #[test]
    fn a_first_party_plugin_is_named_without_its_prefix() {
        let named = |package: &str| PluginCrate {
            manifest: PathBuf::new(),
            package: package.to_owned(),
            library: String::new(),
            foreign: false,
        };
        assert_eq!(named("provisor-plugin-people").file_stem(), "people");
        assert_eq!(named("payroll-rules").file_stem(), "payroll-rules");
    }

    #[test]
    fn a_module_without_interface_types_is_refused() {
        assert!(componentize(b"\0asm\x01\0\0").is_err());
    }
}
