//! Guests in C: the compiler from PyPI, and a core module that knows its world.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use provisor_plugin_build::componentize;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::setup::venv;
use crate::{process, workspace};

/// How long one compilation may take; the first one of a machine prepares the compiler.
const COMPILE_LIMIT: Duration = Duration::from_secs(300);

/// No C library and no WASI: the module imports nothing that its sources do not name.
const FLAGS: &[&str] = &[
    "--target=wasm32-freestanding",
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-O2",
    "-nostdlib",
    "-Wl,--no-entry",
];

/// The C library of WASI, for guests that are written for a system.
const WITH_LIBRARY: &[&str] = &[
    "-target",
    "wasm32-wasi",
    "-mexec-model=reactor",
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-parameter",
    "-O2",
    "-s",
];

/// What a guest in C may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// Nothing but itself.
    None,
    /// The C library of WASI, in the form before components.
    Wasi,
}

/// A folder of C sources that make one plugin, named after the folder.
pub struct CSources {
    folder: PathBuf,
    files: Vec<PathBuf>,
}

impl CSources {
    /// The sources in a folder; none where it holds no C.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            if path.extension().is_some_and(|ending| ending == "c") {
                files.push(path);
            }
        }
        files.sort();
        let folder = fs::canonicalize(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        Ok((!files.is_empty()).then_some(Self { folder, files }))
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The plugin's name.
    pub fn name(&self) -> Result<&str> {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        name.with_context(|| format!("{} gives no name to a plugin", self.folder.display()))
    }

    /// Compiles to a component of this world of the interface.
    pub fn component(&self, world: &str, library: Library) -> Result<Vec<u8>> {
        let core = self.compile(world, library)?;
        match library {
            Library::None => componentize(&core),
            Library::Wasi => ComponentEncoder::default()
                .validate(true)
                .module(&core)?
                .adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)?
                .encode()
                .context("cannot make a component of the module"),
        }
    }

    /// Compiles to a core module that says which world of the interface it is of.
    fn compile(&self, world: &str, library: Library) -> Result<Vec<u8>> {
        venv::ensure()?;
        let output = workspace::target("guests").join("c");
        fs::create_dir_all(&output).with_context(|| format!("cannot create {}", output.display()))?;
        let module = output.join(format!("{}.wasm", self.name()?));
        let flags = match library {
            Library::None => FLAGS,
            Library::Wasi => WITH_LIBRARY,
        };
        let mut compiler = Command::new(venv::program("python"));
        compiler.args(["-m", "ziglang", "cc"]).args(flags).arg("-o").arg(&module).args(&self.files);
        compiler.env("ZIG_GLOBAL_CACHE_DIR", output.join("cache")).env("ZIG_LOCAL_CACHE_DIR", output.join("cache"));
        process::quietly(&mut compiler, COMPILE_LIMIT)?;
        let mut core = fs::read(&module).with_context(|| format!("cannot read {}", module.display()))?;
        embed_world(&mut core, world)?;
        Ok(core)
    }
}

/// Writes into a core module which world it is of, as a program that makes a component of it wants to know.
fn embed_world(core: &mut Vec<u8>, world: &str) -> Result<()> {
    let wit = workspace::root().join("wit/draft");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(&wit).with_context(|| format!("cannot read {}", wit.display()))?;
    let Ok(world) = resolve.select_world(&[package], Some(world)) else {
        bail!("the interface has no world \"{world}\": see {}", wit.join("worlds.wit").display());
    };
    embed_component_metadata(core, &resolve, world, StringEncoding::UTF8).context("cannot name the module's world")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_c_has_no_sources() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        assert!(CSources::find(folder.path()).unwrap().is_none());
        fs::write(folder.path().join("rule.c"), "").unwrap();
        assert_eq!(CSources::find(folder.path()).unwrap().unwrap().files.len(), 1);
    }

    #[test]
    fn a_world_that_does_not_exist_is_refused_by_name() {
        let error = embed_world(&mut b"\0asm\x01\0\0\0".to_vec(), "everything").unwrap_err();
        assert!(error.to_string().contains("no world \"everything\""), "{error}");
    }
}
