//! The programs that come as Debian packages: slapd, 389 Directory Server, Samba, clients, openssl, tinyproxy, Python, Node.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::progress::say;

const INSTALL_LIMIT: Duration = Duration::from_secs(900);
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Keeps slapd's package from making a directory of its own and starting it: the tests bring theirs.
const PRESET: &str = "slapd slapd/no_configuration boolean true\n";

/// The programs that are needed, each with its package.
const PROGRAMS: &[(&str, &str)] = &[
    ("slapd", "slapd"),
    ("ns-slapd", "389-ds-base"),
    ("samba", "samba-ad-dc"),
    ("ldbmodify", "ldb-tools"),
    ("kinit", "krb5-user"),
    ("ldapmodify", "ldap-utils"),
    ("openssl", "openssl"),
    ("tinyproxy", "tinyproxy-bin"),
    ("python3", "python3"),
    ("node", "nodejs"),
    ("npm", "npm"),
];

/// The services that packages start, each with its package and the file that says that it runs.
const SERVICES: &[(&str, &str, &str)] = &[
    ("slapd", "slapd", "/run/slapd/slapd.pid"),
    ("smbd", "samba-ad-dc", "/run/samba/smbd.pid"),
    ("nmbd", "samba-ad-dc", "/run/samba/nmbd.pid"),
    ("winbind", "samba-ad-dc", "/run/samba/winbindd.pid"),
];

/// Installs the packages whose programs are missing.
pub fn ensure_programs() -> Result<()> {
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !process::is_installed("apt-get") {
        bail!("missing here: {names} (Debian's names). Install them with this system's package manager");
    }
    if !is_root()? {
        bail!(
            "missing here: {names}. Install them as root, then try again:\n    \
             echo '{}' | debconf-set-selections && apt-get update && apt-get install -y --no-install-recommends {names}",
            PRESET.trim_end()
        );
    }
    install(&missing)
}

/// The packages that a program of theirs shows to be missing.
fn missing_packages() -> Vec<&'static str> {
    let mut missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !process::is_installed(program)).map(|(_, package)| *package).collect();
    if !can_make_venvs() {
        missing.push("python3-venv");
    }
    for package in missing_for_domain_controllers().into_iter().chain(missing_for_kerberos()) {
        if !missing.contains(&package) {
            missing.push(package);
        }
    }
    missing
}

/// Debian's Samba serves files. What makes it a domain controller comes apart, without a program of its own.
fn missing_for_domain_controllers() -> Vec<&'static str> {
    let modules = format!("/usr/lib/{}-linux-gnu/samba/ldb/samba_dsdb.so", std::env::consts::ARCH);
    [(modules.as_str(), "samba-ad-dc"), ("/usr/share/samba/setup/provision.ldif", "samba-ad-provision")]
        .into_iter()
        .filter(|(file, _)| !Path::new(file).exists())
        .map(|(_, package)| package)
        .collect()
}

/// What the feature `kerberos` is built with: headers and their description, and the compiler's library that reads them.
fn missing_for_kerberos() -> Vec<&'static str> {
    let mut missing = Vec::new();
    if !process::is_installed("pkg-config") {
        missing.push("pkg-config");
    }
    if !Path::new("/usr/include/gssapi/gssapi.h").exists() {
        missing.push("libkrb5-dev");
    }
    let has_libclang = |entry: fs::DirEntry| {
        let folder = entry.path().join("lib");
        entry.file_name().to_string_lossy().starts_with("llvm-") && folder.join("libclang.so").exists()
    };
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    if !folders.into_iter().any(has_libclang) {
        missing.push("libclang-dev");
    }
    missing
}

/// Debian ships Python without what makes a venv.
fn can_make_venvs() -> bool {
    process::quietly(Command::new("python3").args(["-c", "import ensurepip, venv"]), COMMAND_LIMIT).is_ok()
}

fn install(packages: &[&str]) -> Result<()> {
    say(format_args!("    installing {}", packages.join(" ")));
    if packages.contains(&"slapd") {
        preset_slapd()?;
    }
    let running: Vec<&str> = running_services().collect();
    // One repository of several that cannot be reached fails the update, and need not concern these packages.
    if let Err(error) = process::quietly(apt_get().arg("update"), INSTALL_LIMIT) {
        say(format_args!("    going on with the package lists that are here: {error:#}"));
    }
    process::quietly(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages), INSTALL_LIMIT)?;
    stop_packaged(packages, &running)?;
    let missing = missing_packages();
    if !missing.is_empty() {
        bail!("apt-get installed {} without an error, but it is not to be found", missing.join(" "));
    }
    Ok(())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn preset_slapd() -> Result<()> {
    let mut child = Command::new("debconf-set-selections")
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start debconf-set-selections (package debconf)")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(PRESET.as_bytes()).context("cannot preset slapd's package")?;
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("debconf-set-selections ended with {status}");
    }
    Ok(())
}

fn running_services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().filter(|(_, _, file)| Path::new(file).exists()).map(|(service, ..)| *service)
}

/// Services that packages of ours have just started are stopped, since tests bring their own. Those that ran before are
/// somebody's.
fn stop_packaged(packages: &[&str], before: &[&str]) -> Result<()> {
    for service in running_services().filter(|service| !before.contains(service)) {
        if SERVICES.iter().any(|(name, package, _)| *name == service && packages.contains(package)) {
            say(format_args!("    stopping the {service} that its package started"));
            process::quietly(Command::new("service").args([service, "stop"]), COMMAND_LIMIT)?;
        }
    }
    Ok(())
}

fn is_root() -> Result<bool> {
    let own = fs::metadata("/proc/self").context("cannot read /proc/self")?;
    Ok(own.uid() == 0)
}
