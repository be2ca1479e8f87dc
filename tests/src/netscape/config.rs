//! The files of a 389 Directory Server: its package's template of a configuration, filled in for a test's folder.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::NetscapeOptions;
use crate::ldif::SUFFIX;
use crate::slapd::ADMIN_DN;

/// Where Debian puts what the package brings.
const SHARE: &str = "/usr/share/dirsrv";
const ETC: &str = "/etc/dirsrv/config";

/// The administrator's password, salted and hashed: the server takes none in the clear from its file.
const PASSWORD: &str =
    "{SSHA512}14gUKZnFE+Jbd0cqhnGTSOKRZ3A5neD34MndyY7PlERM92W/HvbfQGrgvAozY371DAlgtSvfSyeMdYJklxHxnDEyMzQ1Njc4";

/// Writes everything that the server needs to start in this folder, on this port of the loopback address.
pub fn write(folder: &Path, port: u16, options: &NetscapeOptions) -> Result<()> {
    for name in ["etc/schema", "db", "dbhome", "lock", "log", "run", "ldif", "bak", "inst", "tmp"] {
        fs::create_dir_all(folder.join(name)).with_context(|| format!("cannot make the folder {name}"))?;
    }
    for file in fs::read_dir(format!("{SHARE}/schema"))
        .context("389 Directory Server is not installed: run `cargo xtask setup`")?
    {
        let file = file?;
        fs::copy(file.path(), folder.join("etc/schema").join(file.file_name()))?;
    }
    for name in ["slapd-collations.conf", "certmap.conf"] {
        fs::copy(format!("{ETC}/{name}"), folder.join("etc").join(name))
            .with_context(|| format!("cannot copy {name}"))?;
    }
    let read = |name: &str| {
        fs::read_to_string(format!("{SHARE}/data/{name}")).with_context(|| format!("cannot read the package's {name}"))
    };
    let mut config = fill_in(&read("template-dse.ldif")?, folder, port);
    config = config.replacen("cn: config\n", "cn: config\nnsslapd-listenhost: 127.0.0.1\n", 1);
    if options.synchronises {
        for plugin in ["Retro Changelog Plugin", "Content Synchronization"] {
            config = switch_on(&config, plugin);
        }
        if !options.forgetful {
            let name = "cn: Retro Changelog Plugin\n";
            config = config.replacen(name, &format!("{name}nsslapd-attribute: nsuniqueid:targetUniqueId\n"), 1);
        }
    }
    let database: String = fill_in(&read("template-suffix-db.ldif")?, folder, port)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(folder.join("etc/dse.ldif"), format!("{}\n\n{}", config.trim_end(), database.trim_start()))
        .context("cannot write dse.ldif")
}

fn fill_in(template: &str, folder: &Path, port: u16) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let mut text = template.to_owned();
    for (name, value) in [
        ("schema_dir", path("etc/schema")),
        ("lock_dir", path("lock")),
        ("tmp_dir", path("tmp")),
        ("cert_dir", path("etc")),
        ("config_dir", path("etc")),
        ("ldif_dir", path("ldif")),
        ("bak_dir", path("bak")),
        ("run_dir", path("run")),
        ("inst_dir", path("inst")),
        ("log_dir", path("log")),
        ("db_dir", path("db")),
        ("db_home_dir", path("dbhome")),
        ("ldapi_enabled", "on".into()),
        ("ldapi_autobind", "on".into()),
        ("ldapi", path("run/ldapi")),
        ("fqdn", "localhost".into()),
        ("ds_port", port.to_string()),
        ("ds_user", "root".into()),
        ("ds_passwd", PASSWORD.into()),
        ("ds_suffix", SUFFIX.into()),
        ("ds_bename", "userRoot".into()),
        ("rootdn", ADMIN_DN.into()),
        // The newer one, mdb, ends the whole server when its changelog is still empty.
        ("db_lib", "bdb".into()),
    ] {
        text = text.replace(&format!("%{name}%"), &value);
    }
    text
}

/// Switches a plugin on that the template has switched off.
fn switch_on(config: &str, plugin: &str) -> String {
    let Some(start) = config.find(&format!("dn: cn={plugin},cn=plugins,cn=config\n")) else { return config.to_owned() };
    let (before, own) = config.split_at(start);
    format!("{before}{}", own.replacen("nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on", 1))
}
