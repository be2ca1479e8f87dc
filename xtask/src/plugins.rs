//! `cargo xtask plugins`: guest crates to WebAssembly components, replaced only when their content changed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use provisor_plugin_build::{Output, Place, PluginCrate, Toolchain, Variant, cases, replace_if_changed, with_cases};

use crate::c::{CSources, Library};
use crate::progress::{Progress, say};
use crate::{javascript, std_guest, workspace};

/// What only tests and measurements load: the plugin that misbehaves on demand, an example, and the rule that is measured
/// in the interface's shape and in a typed one.
const FOR_TESTS: [&str; 4] =
    ["host/rules/tests/guest", "examples/unique-user-names", "host/rules/benches/rule", "host/rules/benches/typed"];

/// The rule that is measured with other settings than those of guests, to see what these cost or save.
const MEASURED: &str = "host/rules/benches/rule";
const VARIANTS: [Variant<'_>; 4] = [
    Variant { profile: "rule-small", settings: &["opt-level='s'"], linker: &[] },
    Variant { profile: "rule-o3", settings: &["opt-level=3"], linker: &[] },
    Variant { profile: "rule-no-lto", settings: &["lto='off'"], linker: &[] },
    Variant { profile: "rule-small-stack", settings: &[], linker: &["-zstack-size=65536"] },
];

/// The world of those in other languages.
const MAPPING: &str = "mapping-plugin";

/// In C, under these names; only tests load them.
const IN_C: [(&str, &str, Library); 2] =
    [("examples/c/sort-name", "sort-name", Library::None), ("host/rules/tests/asking/c", "asking-in-c", Library::Wasi)];

/// The same in JavaScript.
const IN_JAVASCRIPT: [(&str, &str); 2] = [
    ("examples/javascript/sort-name", "sort-name-in-javascript"),
    ("host/rules/tests/asking/javascript", "asking-in-javascript"),
];

/// What lies below plugins/ and is no plugin, but shared by some.
const SHARED: [&str; 1] = ["ad-common"];

/// The rule that the demo shows and has edited.
const DEMO_RULE: &str = "examples/three-labs/rule";

/// Builds every plugin below plugins/ and the demo's rule into target/plugins.
pub fn build_first_party(progress: &mut Progress) -> Result<()> {
    let mut first_party = crates_below(&workspace::root().join("plugins"))?;
    first_party.retain(|folder| !SHARED.iter().any(|shared| folder.ends_with(shared)));
    first_party.push(workspace::root().join(DEMO_RULE));
    progress.step("plugins", || {
        let toolchain = toolchain()?;
        first_party.iter().try_for_each(|folder| build(&toolchain, folder, &workspace::target("plugins")))
    })
}

/// Builds these, and what only tests load into a folder of its own, so that no binary carries it.
pub fn build_all(progress: &mut Progress) -> Result<()> {
    build_first_party(progress)?;
    progress.step("plugins for tests", || {
        let (toolchain, into) = (toolchain()?, workspace::target("plugins-test"));
        FOR_TESTS.iter().try_for_each(|folder| build(&toolchain, &workspace::root().join(folder), &into))?;
        std_guest::build(&into)?;
        IN_C.iter().try_for_each(|(folder, name, library)| {
            let folder = workspace::root().join(folder);
            let sources = CSources::find(&folder)?.with_context(|| format!("no C sources in {}", folder.display()))?;
            build_c(&sources, MAPPING, *library, name, &into)
        })?;
        IN_JAVASCRIPT.iter().try_for_each(|(folder, name)| {
            let folder = workspace::root().join(folder);
            let source = javascript::source(&folder).with_context(|| format!("no rule.js in {}", folder.display()))?;
            build_javascript(&source, MAPPING, name, &into)
        })
    })
}

/// Builds the measured rule with each of the settings that are compared, into target/plugins-bench.
pub fn build_variants(progress: &mut Progress) -> Result<()> {
    progress.step("variants of the measured rule", || {
        let (toolchain, into) = (toolchain()?, workspace::target("plugins-bench"));
        let rule = PluginCrate::read(&workspace::root().join(MEASURED))?;
        VARIANTS.iter().try_for_each(|variant| {
            let component = rule.variant(&toolchain, Output::Shown, variant);
            put(&component.with_context(|| format!("plugin {}", variant.profile))?, variant.profile, &into)
        })
    })
}

/// Builds the crates in these folders, into the given folder or else target/plugins.
pub fn build_paths(
    progress: &mut Progress,
    paths: &[PathBuf],
    into: Option<&Path>,
    world: Option<&str>,
    library: Library,
) -> Result<()> {
    let into = into.map_or_else(|| workspace::target("plugins"), Path::to_path_buf);
    progress.step("plugins", || {
        for path in paths {
            let world = || {
                let words = "is not in Rust: say with --world which world of the interface it is of";
                world.with_context(|| format!("{} {words}", path.display()))
            };
            match (CSources::find(path)?, javascript::source(path)) {
                (Some(sources), _) => build_c(&sources, world()?, library, sources.name()?, &into)?,
                (None, Some(source)) => build_javascript(&source, world()?, folder_name(path)?, &into)?,
                (None, None) => build(&toolchain()?, path, &into)?,
            }
        }
        Ok(())
    })
}

/// Puts the cases of a folder into a component.
pub fn add_cases(component: &Path, folder: &Path) -> Result<()> {
    let content = fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    let cases = cases(folder)?.with_context(|| format!("there are no cases/*.json in {}", folder.display()))?;
    replace_if_changed(component, &with_cases(content, &cases)).map(drop)
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
    let component = plugin.component(toolchain, Output::Shown).with_context(|| format!("plugin {}", plugin.name()))?;
    put(&component, plugin.name(), into)
}

/// The same of C sources.
fn build_c(sources: &CSources, world: &str, library: Library, name: &str, into: &Path) -> Result<()> {
    let component = sources.component(world, library).with_context(|| format!("plugin {name}"))?;
    put_with_cases(component, sources.folder(), name, into)
}

/// The same of a JavaScript source.
fn build_javascript(source: &Path, world: &str, name: &str, into: &Path) -> Result<()> {
    let component = javascript::componentize(source, world).with_context(|| format!("plugin {name}"))?;
    put_with_cases(component, source.parent().unwrap_or(source), name, into)
}

/// Puts a component into a folder, with the cases that lie beside its sources.
fn put_with_cases(component: Vec<u8>, sources: &Path, name: &str, into: &Path) -> Result<()> {
    let component = match cases(sources).with_context(|| format!("plugin {name}"))? {
        Some(cases) => with_cases(component, &cases),
        None => component,
    };
    put(&component, name, into)
}

fn folder_name(folder: &Path) -> Result<&str> {
    let name = folder.file_name().and_then(|name| name.to_str());
    name.with_context(|| format!("{} gives no name to a plugin", folder.display()))
}

/// Puts a component into a folder, under this name.
fn put(component: &[u8], name: &str, into: &Path) -> Result<()> {
    let state =
        if replace_if_changed(&into.join(format!("{name}.wasm")), component)? { "written" } else { "unchanged" };
    say(format_args!("    {name}: {} KB, {state}", component.len().div_ceil(1024)));
    Ok(())
}

/// The compiler for guests, kept below this workspace's target folder.
fn toolchain() -> Result<Toolchain> {
    let place = Place { root: workspace::root().to_owned(), target: workspace::target("") };
    Toolchain::find(&place, &|line| say(format_args!("    {line}")))
}
