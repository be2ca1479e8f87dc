//! `cargo xtask new-plugin`: a plugin crate of one's own, from the SDK's template.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::progress::say;
use crate::workspace;

/// What the template is made of, and under which name it comes out: what git should not heed here has another one.
const FILES: [(&str, &str); 7] = [
    ("Cargo.toml", "Cargo.toml"),
    ("README.md", "README.md"),
    ("clippy.toml", "clippy.toml"),
    ("cases/nickname.json", "cases/nickname.json"),
    ("gitignore", ".gitignore"),
    ("src/lib.rs", "src/lib.rs"),
    ("tests/component.rs", "tests/component.rs"),
];

/// What the template's own manifest says, and a new one says otherwise.
const NAME: &str = "name = \"provisor-plugin-template\"";
const SDK: &str = "path = \"..\"";
const HARNESS: &str = "path = \"../harness\"";

/// Makes the folder with a plugin crate in it, named like the folder.
pub fn run(folder: &Path) -> Result<()> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !name.starts_with(|letter: char| letter.is_ascii_lowercase()) || !name.chars().all(plain) {
        bail!("\"{name}\" is no name for a plugin: small letters, digits and hyphens, such as cost-center");
    }
    fs::create_dir(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let folder = fs::canonicalize(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let (template, sdk) = (workspace::root().join("sdk/rust/template"), workspace::root().join("sdk/rust"));
    let sdk = relative(&folder, &sdk);
    for (from, to) in FILES {
        let mut text =
            fs::read_to_string(template.join(from)).with_context(|| format!("cannot read the template's {from}"))?;
        if from == "Cargo.toml" {
            for (theirs, own) in [
                (NAME, format!("name = \"{name}\"")),
                (SDK, format!("path = {:?}", sdk.display().to_string())),
                (HARNESS, format!("path = {:?}", sdk.join("harness").display().to_string())),
            ] {
                if !text.contains(theirs) {
                    bail!("the template's manifest does not have: {theirs}");
                }
                text = text.replace(theirs, &own);
            }
        }
        let to = folder.join(to);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        fs::write(&to, text).with_context(|| format!("cannot write {}", to.display()))?;
    }
    say(format_args!("{name} is in {}: begin with its README.md", folder.display()));
    Ok(())
}

/// The way from one folder to another, both absolute and without links.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let to = fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    let shared = from.components().zip(to.components()).take_while(|(one, other)| one == other).count();
    let up = from.components().skip(shared).map(|_| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_beside_the_checkout_finds_the_sdk() {
        let way = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(way("/none/cost-center", "/none/provisor/sdk/rust"), "../provisor/sdk/rust");
        assert_eq!(way("/none/provisor/examples/x", "/none/provisor/sdk/rust"), "../../sdk/rust");
    }

    #[test]
    fn a_new_plugin_is_named_like_its_folder_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let plugin = folder.path().join("cost-center");
        run(&plugin).unwrap();
        let manifest = fs::read_to_string(plugin.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("name = \"cost-center\"") && manifest.contains("/sdk/rust/harness\""), "{manifest}");
        assert!(plugin.join(".gitignore").is_file() && plugin.join("tests/component.rs").is_file());
        assert!(run(&plugin).unwrap_err().to_string().contains("cannot make"));
        assert!(run(&folder.path().join("Cost Center")).unwrap_err().to_string().contains("no name for a plugin"));
    }
}
