//! From a core module to a component in a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_component::ComponentEncoder;

/// Turns a core module with embedded interface types into a validated component.
///
/// # Errors
/// When the module names no interface, or does not keep to it.
pub fn componentize(core: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default().validate(true).module(core)?.encode().context("cannot make a component of the module")
}

/// Writes a file by renaming a finished one over it, so that a host that watches the folder never sees half of it; leaves
/// a file of the same content alone. Returns whether it wrote.
///
/// # Errors
/// When the file or its folder cannot be written.
pub fn replace_if_changed(file: &Path, content: &[u8]) -> Result<bool> {
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
    fn a_module_without_interface_types_is_refused() {
        assert!(componentize(b"\0asm\x01\0\0").is_err());
    }
}
