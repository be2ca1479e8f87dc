//! The configurations folder: which documents are in it.

use std::path::{Path, PathBuf};

use provisor_sync::Configuration;

use crate::failure::Failure;

/// The documents of the folder, by name.
pub fn documents(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let wrong = |error: std::io::Error| {
        Failure::usage(format!(
            "the configurations folder {} cannot be read: {error}. Make it, or name another one with configurations-folder in \
             provisor.toml",
            folder.display()
        ))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let file = entry.map_err(wrong)?.path();
        if Configuration::is_document(&file) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// The name that a document gives its configuration.
pub fn name(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Reads the configuration of this name.
pub fn read(folder: &Path, wanted: &str) -> Result<Configuration, Failure> {
    let files = documents(folder)?;
    match files.iter().find(|file| name(file) == wanted) {
        Some(file) => Ok(Configuration::read(file)?),
        None => Err(unknown(wanted, folder, files.iter().map(|file| name(file)))),
    }
}

/// What to say of a name that no configuration has.
pub fn unknown(wanted: &str, folder: &Path, known: impl Iterator<Item = String>) -> Failure {
    let known: Vec<String> = known.collect();
    let advice =
        if known.is_empty() { "There is none yet".to_owned() } else { format!("There are: {}", known.join(", ")) };
    Failure::usage(format!("there is no configuration \"{wanted}\" in {}. {advice}", folder.display()))
}
