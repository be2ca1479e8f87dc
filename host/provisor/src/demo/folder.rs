//! The demo's folder: three directories, three configurations, the plugins, and nothing of anybody else's.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::company::{COMPANIES, Company};
use crate::data_folder::{DataFolder, Refusal};
use crate::failure::Failure;
use crate::first_party;

/// The file that says that a folder is a demo's, so that a new demo may empty it.
const MARK: &str = ".provisor-demo";

/// The folder, with a token of its own.
pub struct DemoFolder {
    path: PathBuf,
    token: String,
}

impl DemoFolder {
    /// Makes the folder, or empties the one of an earlier demo.
    pub fn make(path: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(path)?;
        if path.join(MARK).exists() {
            // An earlier demo may still run there.
            match DataFolder::take(&path.join("data")) {
                Ok(free) => drop(free),
                Err(refusal @ Refusal::InUse(_)) => return Err(refusal.into()),
                Err(Refusal::Other(_)) => {}
            }
            fs::remove_dir_all(&path).with_context(|| format!("the folder {} cannot be emptied", path.display()))?;
        } else if fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Failure::usage(format!(
                "the folder {} holds files that are not a demo's. Name an empty one with --folder",
                path.display()
            )));
        }
        for folder in ["configurations", "plugins"] {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path.join(folder));
            made.with_context(|| format!("the folder {} cannot be made", path.display()))?;
        }
        let folder = Self { path, token: token()? };
        folder.write(MARK, b"Made by provisor demo, which empties this folder when it starts.\n")?;
        folder.write("tenant.token", folder.token.as_bytes())?;
        // For curl, whose arguments every user of this machine can see.
        folder.write("curl.conf", format!("header = \"Authorization: Bearer {}\"\n", folder.token).as_bytes())?;
        folder.write("provisor.toml", PROVISOR_TOML.as_bytes())?;
        for (name, component) in first_party::FIRST_PARTY.iter().chain(first_party::DEMO) {
            folder.write(&format!("plugins/{name}.wasm"), component)?;
        }
        for company in COMPANIES {
            folder.write(&format!("{}.ldif", company.name), company.ldif().as_bytes())?;
        }
        Ok(folder)
    }

    /// Writes the configurations, for the tenant at this address.
    pub fn configure(&self, tenant: &str) -> Result<(), Failure> {
        COMPANIES.iter().try_for_each(|company| {
            self.write(&format!("configurations/{}.toml", company.name), configuration(company, tenant).as_bytes())
        })
    }

    /// The tenant's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A file or folder in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder as a person would write it here.
    pub fn shown(&self) -> String {
        let here = std::env::current_dir().ok();
        let relative = here.and_then(|here| self.path.strip_prefix(here).ok().map(Path::to_owned));
        relative.unwrap_or_else(|| self.path.clone()).display().to_string()
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), Failure> {
        let file = self.file(name);
        let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        let written = opened.and_then(|mut opened| opened.write_all(content));
        Ok(written.with_context(|| format!("{} cannot be written", file.display()))?)
    }
}

/// A token that nobody knows: the tenant listens for every user of this machine.
fn token() -> io::Result<String> {
    let mut octets = [0; 24];
    fs::File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(octets.iter().map(|octet| format!("{octet:02x}")).collect())
}

const PROVISOR_TOML: &str = "\
# The demo's host. Its folders stand beside this file.
[logging]
level = \"warn\"
";

fn configuration(company: &Company, tenant: &str) -> String {
    let Company { name, title, .. } = company;
    let (base, domain) = (company.base(), company.domain());
    format!(
        r#"# {title}: its directory into the tenant that all three share.
interval = "5s"

[source]
kind = "ldif"
file = "../{name}.ldif"
base = "{base}"

[target]
kind = "scim"
url = "{tenant}"
token = {{ file = "../tenant.token" }}

[[rules]]
plugin = "people"
config = {{ domain = "{domain}" }}

[[rules]]
plugin = "groups"

[[rules]]
plugin = "branding"
config = {{ company = "{title}" }}
on-fault = "skip"
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("precious"), "").unwrap();
        let failure = DemoFolder::make(folder.path()).err().unwrap();
        assert!(failure.to_string().contains("not a demo's"), "{failure}");
        assert!(folder.path().join("precious").exists());
    }

    #[test]
    fn a_demo_starts_anew_in_its_own_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = DemoFolder::make(folder.path()).unwrap();
        fs::write(first.file("left-over"), "").unwrap();
        let second = DemoFolder::make(folder.path()).unwrap();
        assert!(!second.file("left-over").exists());
        assert_ne!(first.token(), second.token());
        second.configure("http://127.0.0.1:1/scim/v2").unwrap();
        for company in COMPANIES {
            let file = second.file(&format!("configurations/{}.toml", company.name));
            let read = provisor_sync::Configuration::read(&file).unwrap();
            assert_eq!(read.rules.len(), 3);
            assert!(read.target_options().is_ok());
        }
    }
}
