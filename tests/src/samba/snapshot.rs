//! New domains, made once and copied: provisioning takes seconds, loading a large directory minutes.
//!
//! A copy works in any folder and at any address, since the database holds neither. It is the same domain with the same
//! controller in everything else, so that two copies never meet.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};

use super::{ADMIN_PASSWORD, Samba, SambaOptions, schema};
use crate::certificates::{Authority, Validity};
use crate::installed;
use crate::slapd::client::run;

/// How many domains are kept; the one that was used least recently makes room. Each takes some 20 MB and what it holds.
const KEPT: usize = 12;

/// The folders that hold a controller's data.
const DATA: [&str; 2] = ["private", "state"];

/// The file whose date says when a domain was last used.
const USED: &str = "used";

/// What a domain is made by: the same recipe gives the same domain.
#[derive(Hash)]
struct Recipe {
    provision: Vec<String>,
    passwords: Vec<String>,
    ldif: Vec<String>,
}

impl Recipe {
    fn new(options: &SambaOptions) -> Self {
        let provision = [
            format!("--realm={}", options.realm),
            format!("--domain={}", options.workgroup),
            "--host-name=dc1".to_owned(),
            // Stands nowhere in the end: without a name server's zones nothing keeps the address.
            "--host-ip=127.0.0.1".to_owned(),
            "--server-role=dc".to_owned(),
            "--dns-backend=NONE".to_owned(),
            "--function-level=2008_R2".to_owned(),
            "--backend-store=mdb".to_owned(),
            "--backend-store-size=4Gb".to_owned(),
            format!("--adminpass={ADMIN_PASSWORD}"),
        ];
        // A copy may be used months later, when the administrator's password would have expired.
        let passwords = ["--min-pwd-age=0", "--max-pwd-age=0", "--history-length=0"];
        let mut ldif = Vec::new();
        if options.exchange {
            ldif.push(schema::exchange(&options.base_dn()));
        }
        if !options.ldif.is_empty() {
            ldif.push(options.ldif.clone());
        }
        Self { provision: provision.to_vec(), passwords: passwords.map(str::to_owned).to_vec(), ldif }
    }

    /// The name of the folder that keeps the domain.
    fn name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Makes the domain and stops its controller, whose files then are complete.
    fn make(&self, options: &SambaOptions) -> Result<Samba> {
        // What a test does to its server is not the domain's.
        let plain = SambaOptions { certificate: Validity::Current, settings: Vec::new(), ..options.clone() };
        let mut samba = Samba::new("dc1", plain, Arc::new(Authority::new("Lab AD CA")?))?;
        let words = |words: &[&str], options: &[String]| {
            let words: Vec<&str> = words.iter().copied().chain(options.iter().map(String::as_str)).collect();
            samba.tool(&words)
        };
        words(&["domain", "provision"], &self.provision)?;
        words(&["domain", "passwordsettings", "set"], &self.passwords)?;
        if !self.ldif.is_empty() {
            samba.begin()?;
            for ldif in &self.ldif {
                samba.apply(ldif)?;
            }
            samba.stop()?;
        }
        Ok(samba)
    }
}

/// Puts the data of a domain of this kind into a controller's folder. Makes the domain if none is kept.
pub fn restore(options: &SambaOptions, folder: &Path) -> Result<()> {
    let recipe = Recipe::new(options);
    let kept = installed::workspace_root().join("target/test-servers/samba");
    fs::create_dir_all(&kept).with_context(|| format!("cannot make {}", kept.display()))?;
    // Held while copying too, so that nobody makes room meanwhile.
    let lock = File::create(kept.join("lock"))?;
    lock.lock().context("cannot wait for another test's domain")?;
    let domain = kept.join(recipe.name());
    if !domain.is_dir() {
        let samba = recipe.make(options)?;
        keep(samba.folder.path(), &domain)?;
        make_room(&kept)?;
    }
    fs::write(domain.join(USED), "")?;
    DATA.iter().try_for_each(|name| copy(&domain.join(name), &folder.join(name)))
}

/// Copies a stopped controller's data to where domains are kept.
fn keep(folder: &Path, domain: &Path) -> Result<()> {
    let unfinished = domain.with_extension("new");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    fs::create_dir(&unfinished)?;
    for name in DATA {
        copy(&folder.join(name), &unfinished.join(name))?;
    }
    remove_volatile(&unfinished)?;
    fs::write(unfinished.join(USED), "")?;
    fs::rename(&unfinished, domain).context("cannot keep the domain")
}

/// Removes sockets and the databases' lock files, which mean something to running processes alone.
fn remove_volatile(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            remove_volatile(&entry.path())?;
        } else if kind.is_socket() || entry.file_name().to_string_lossy().ends_with(".ldb-lock") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Removes the domains that were not used for longest, until few enough are left.
fn make_room(kept: &Path) -> Result<()> {
    let mut domains: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(kept)? {
        let path = entry?.path();
        if let Ok(used) = fs::metadata(path.join(USED)) {
            domains.push((used.modified()?, path));
        }
    }
    domains.sort();
    let surplus = domains.len().saturating_sub(KEPT);
    domains.iter().take(surplus).try_for_each(|(_, path)| {
        fs::remove_dir_all(path).with_context(|| format!("cannot make room in {}", kept.display()))
    })
}

/// Copies a folder with its modes and attributes, and without filling the holes of its databases.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut command = Command::new(installed::program("cp")?);
    command.args(["--archive", "--sparse=always", "--reflink=auto", "--no-target-directory"]).arg(from).arg(to);
    run(&mut command).map(drop)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_a_domain_holds_makes_it_another_and_how_its_server_runs_does_not() {
        let name = |options: SambaOptions| Recipe::new(&options).name();
        let usual = name(SambaOptions::default());
        let settings = vec!["log level = 3".to_owned()];
        let same = SambaOptions { certificate: Validity::Expired, settings, ..SambaOptions::default() };
        assert_eq!(name(same), usual);
        let others = [
            SambaOptions { realm: "CORP.TEST".to_owned(), ..SambaOptions::default() },
            SambaOptions { exchange: true, ..SambaOptions::default() },
            SambaOptions { ldif: "dn: OU=x,DC=lab,DC=test".to_owned(), ..SambaOptions::default() },
        ];
        for other in others {
            assert_ne!(name(other.clone()), usual, "{other:?}");
        }
    }

    #[test]
    fn the_domain_that_was_used_least_recently_makes_room() {
        let kept = tempfile::tempdir().unwrap();
        fs::write(kept.path().join("lock"), "").unwrap();
        for number in 0..u32::try_from(KEPT).unwrap() + 1 {
            let domain = kept.path().join(number.to_string());
            fs::create_dir(&domain).unwrap();
            // The third is the one that was used longest ago.
            let used = SystemTime::UNIX_EPOCH + Duration::from_secs(if number == 2 { 1 } else { 10 });
            File::create(domain.join(USED)).unwrap().set_modified(used).unwrap();
        }
        make_room(kept.path()).unwrap();
        assert!(!kept.path().join("2").exists());
        assert_eq!(fs::read_dir(kept.path()).unwrap().count(), KEPT + 1, "the lock stays, too");
    }
}
