//! What the host keeps of its own: the contracts that were granted, and the bytes of the components that last ran well.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::RulesError;
use crate::contract::Contracts;
use crate::hash::Hash;

/// What was granted to one plugin of a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) plugin: String,
    /// Which of the bindings of this plugin, counted from 0.
    pub(crate) occurrence: usize,
    /// The configuration under which it was granted: another one grants anew.
    pub(crate) config: Json,
    pub(crate) contracts: Contracts,
    /// The component that last ran well.
    pub(crate) component: Hash,
    /// Whether it came from the plugins folder, rather than with the program.
    #[serde(default)]
    pub(crate) from_file: bool,
    /// Who approved it, where somebody did rather than bind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) approved: Option<Approved>,
    /// What it took the place of, which takes its place again where it turns out that it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<Before>,
}

/// A component that was in force before another, and what it was granted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Before {
    pub(crate) component: Hash,
    /// Whether it came from the plugins folder, rather than with the program.
    pub(crate) from_file: bool,
    pub(crate) contracts: Contracts,
}

impl Grant {
    /// Whether both are of the same rule.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.plugin == other.plugin && self.occurrence == other.occurrence
    }

    /// What ran before the component that is in force now.
    pub(crate) fn before_is(&self, now: Hash) -> Option<Before> {
        if self.component == now {
            return self.before.clone();
        }
        Some(Before { component: self.component, from_file: self.from_file, contracts: self.contracts.clone() })
    }
}

/// By whom something was approved, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Approved {
    /// The user's name on this machine.
    pub(crate) by: String,
    /// In seconds since 1970.
    pub(crate) at: u64,
}

/// The folders of grants and components.
#[derive(Debug)]
pub(crate) struct Ledger {
    grants: PathBuf,
    components: PathBuf,
}

impl Ledger {
    pub(crate) fn new(data_folder: &Path) -> Self {
        Self { grants: data_folder.join("grants"), components: data_folder.join("components") }
    }

    /// What was granted in a configuration; nothing where it was never bound.
    pub(crate) fn load(&self, configuration: &str) -> Result<Vec<Grant>, RulesError> {
        let path = self.grants_file(configuration);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map_err(|error| RulesError::Grants { path, reason: error.to_string() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(RulesError::File { action: "read", path, source }),
        }
    }

    /// Keeps what is granted in a configuration now.
    pub(crate) fn save(&self, configuration: &str, grants: &[Grant]) -> Result<(), RulesError> {
        let path = self.grants_file(configuration);
        let text = serde_json::to_vec_pretty(grants)
            .map_err(|error| RulesError::Grants { path: path.clone(), reason: error.to_string() })?;
        write_whole(&path, &text)
    }

    /// Keeps the bytes of a component.
    pub(crate) fn keep(&self, hash: Hash, bytes: &[u8]) -> Result<(), RulesError> {
        let path = self.component_file(hash);
        if path.exists() { Ok(()) } else { write_whole(&path, bytes) }
    }

    /// The bytes of a component that was kept; none where they are gone or damaged.
    pub(crate) fn component(&self, hash: Hash) -> Option<Vec<u8>> {
        fs::read(self.component_file(hash)).ok().filter(|bytes| Hash::of(bytes) == hash)
    }

    /// Removes the components that no grant refers to, young ones aside: another process may be about to grant them. What
    /// cannot be read is left alone.
    pub(crate) fn prune(&self, young: Duration) {
        let Ok(files) = fs::read_dir(&self.grants) else { return };
        let mut used = BTreeSet::new();
        for file in files.flatten() {
            let grants = fs::read(file.path()).ok().and_then(|bytes| serde_json::from_slice::<Vec<Grant>>(&bytes).ok());
            // A damaged file may refer to any of them.
            let Some(grants) = grants else { return };
            used.extend(grants.iter().map(|grant| grant.component.to_string()));
            used.extend(grants.iter().filter_map(|grant| Some(grant.before.as_ref()?.component.to_string())));
        }
        for file in fs::read_dir(&self.components).into_iter().flatten().flatten() {
            let path = file.path();
            let unused = path.file_stem().and_then(|stem| stem.to_str()).is_some_and(|stem| !used.contains(stem));
            let age = file.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
            if unused && age.is_some_and(|age| age > young) {
                // Another process may have removed it already; the next start tries again.
                let _ = fs::remove_file(path);
            }
        }
    }

    fn grants_file(&self, configuration: &str) -> PathBuf {
        // Any name is a safe file name so.
        let safe = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        let name: String = configuration
            .bytes()
            .map(|octet| if safe(octet) { char::from(octet).to_string() } else { format!("%{octet:02x}") })
            .collect();
        self.grants.join(format!("{name}.json"))
    }

    fn component_file(&self, hash: Hash) -> PathBuf {
        self.components.join(format!("{hash}.wasm"))
    }
}

/// Writes a file so that it is there whole or not at all, whatever happens.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> Result<(), RulesError> {
    let failed = |action| move |source| RulesError::File { action, path: path.to_path_buf(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(failed("create the folder of"))?;
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    let written = File::create(&unfinished).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&unfinished, path)).map_err(failed("write"))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(component: Hash) -> Grant {
        let contracts = Contracts { filter: None, mapping: None };
        Grant {
            plugin: "people".to_owned(),
            occurrence: 0,
            config: Json::Null,
            contracts,
            component,
            from_file: true,
            approved: None,
            before: None,
        }
    }

    #[test]
    fn grants_survive_and_a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path());
        assert_eq!(ledger.load("lab/01").unwrap(), []);
        ledger.save("lab/01", &[grant(Hash::of(b"one"))]).unwrap();
        assert_eq!(ledger.load("lab/01").unwrap(), [grant(Hash::of(b"one"))]);
        fs::write(ledger.grants_file("lab/01"), b"{").unwrap();
        assert!(ledger.load("lab/01").unwrap_err().to_string().contains("lab%2f01.json"));
    }

    #[test]
    fn only_components_without_a_grant_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path());
        let (used, unused) = (Hash::of(b"used"), Hash::of(b"unused"));
        ledger.keep(used, b"used").unwrap();
        ledger.keep(unused, b"unused").unwrap();
        ledger.save("lab", &[grant(used)]).unwrap();
        ledger.prune(Duration::from_secs(3600));
        assert!(ledger.component(unused).is_some(), "it may be granted in a moment");
        ledger.prune(Duration::ZERO);
        assert_eq!(ledger.component(used).as_deref(), Some(&b"used"[..]));
        assert_eq!(ledger.component(unused), None);
    }

    #[test]
    fn damaged_bytes_are_not_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path());
        let hash = Hash::of(b"whole");
        ledger.keep(hash, b"whole").unwrap();
        fs::write(ledger.component_file(hash), b"who").unwrap();
        assert_eq!(ledger.component(hash), None);
    }
}
