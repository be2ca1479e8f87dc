//! A private compiler from Debian's packages: unpacked below target, never installed, since they conflict with rustup's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{process, rustup};

/// How long the download of some 140 MB may take.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(600);
const COMMAND_LIMIT: Duration = Duration::from_secs(120);

/// The compiler of Debian's rustc-web, which is kept current for browsers and so new enough for this workspace.
const COMPILER: &str = "rustc-web";
const LIBRARIES: &str = "libstd-rust-web-dev";
const SOURCES: &str = "rust-web-src";

/// An unpacked compiler and what it needs to link.
pub struct Compiler {
    folder: PathBuf,
    linker: PathBuf,
}

impl Compiler {
    /// Uses the compiler that an earlier run unpacked, or downloads and unpacks one.
    pub fn ensure(folder: &Path, say: &dyn Fn(&str)) -> Result<Self> {
        let linker = rustup::sysroot()?.join("lib/rustlib").join(rustup::host()?).join("bin/rust-lld");
        if !linker.is_file() {
            bail!("the active toolchain has no rust-lld ({}), which links the guests", linker.display());
        }
        let compiler = Self { folder: folder.to_owned(), linker };
        if !compiler.wrapper().is_file() {
            compiler.install(say)?;
        }
        process::quietly(Command::new(compiler.wrapper()).arg("-vV"), COMMAND_LIMIT).with_context(|| {
            format!("Debian's compiler does not run; remove {} and try again", compiler.folder.display())
        })?;
        Ok(compiler)
    }

    /// Where the compiler is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes cargo use this compiler, and build the standard library from its sources.
    pub fn prepare(&self, cargo: &mut Command) {
        // Building the standard library is unstable: the variable allows it on a stable cargo and compiler.
        cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", self.wrapper());
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", &self.linker);
        cargo.args(["-Zbuild-std=std,panic_abort"]);
    }

    /// The script that stands for rustc. It is written last, so that its presence means a finished folder.
    fn wrapper(&self) -> PathBuf {
        self.folder.join("rustc")
    }

    fn install(&self, say: &dyn Fn(&str)) -> Result<()> {
        let unfinished = self.folder.with_extension("unfinished");
        remove_folder(&unfinished)?;
        remove_folder(&self.folder)?;
        let archives = unfinished.join("archives");
        fs::create_dir_all(&archives).with_context(|| format!("cannot create {}", archives.display()))?;

        let packages = packages()?;
        say(&format!("downloading {} (some 140 MB)", packages.join(", ")));
        let mut download = Command::new("apt-get");
        download.arg("download").args(&packages).current_dir(&archives);
        process::quietly(&mut download, DOWNLOAD_LIMIT).context(
            "Debian's packages of the compiler cannot be had: they are in bookworm-security and later; \
             `apt-get update` as root may be needed first",
        )?;
        let files = archives_in(&archives)?;
        check_versions(&files)?;
        for file in &files {
            process::quietly(Command::new("dpkg").arg("-x").arg(file).arg(&unfinished), COMMAND_LIMIT)?;
        }
        remove_folder(&archives)?;
        fs::rename(&unfinished, &self.folder).with_context(|| format!("cannot create {}", self.folder.display()))?;
        self.write_wrapper()
    }

    /// The compiler finds its own libraries only where the packages would have put them, unless it is told.
    fn write_wrapper(&self) -> Result<()> {
        let libraries = multiarch_folder(&self.folder.join("usr/lib"))?;
        let script = format!(
            "#!/bin/sh\nexport LD_LIBRARY_PATH='{}'\nexec '{}' \"$@\"\n",
            libraries.display(),
            self.folder.join("usr/bin/rustc").display()
        );
        let unfinished = self.folder.join("rustc.unfinished");
        fs::write(&unfinished, script).with_context(|| format!("cannot write {}", unfinished.display()))?;
        fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o755))?;
        fs::rename(&unfinished, self.wrapper())?;
        Ok(())
    }
}

/// The packages to unpack. The names of two carry a version, which only the package lists know.
fn packages() -> Result<Vec<String>> {
    let standard_library = dependency(LIBRARIES, "libstd-rust-web-")?;
    let llvm = dependency(&standard_library, "libllvm")?;
    Ok(vec![COMPILER.to_owned(), LIBRARIES.to_owned(), SOURCES.to_owned(), standard_library, llvm])
}

/// The package with this prefix that another depends on.
fn dependency(package: &str, prefix: &str) -> Result<String> {
    let output = process::quietly(Command::new("apt-cache").args(["depends", package]), COMMAND_LIMIT)
        .with_context(|| format!("Debian's package {package} is not known here"))?;
    output
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with(prefix))
        .map(str::to_owned)
        .with_context(|| format!("Debian's package {package} depends on no {prefix}*"))
}

fn archives_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

/// The standard library's sources only compile with the compiler of their own version.
fn check_versions(archives: &[PathBuf]) -> Result<()> {
    let version = |package: &str| {
        archives
            .iter()
            .filter_map(|file| file.file_name()?.to_str())
            .find_map(|name| name.strip_prefix(package)?.strip_prefix('_')?.split('_').next())
            .with_context(|| format!("apt-get downloaded no {package}"))
    };
    let compiler = version(COMPILER)?;
    for package in [LIBRARIES, SOURCES] {
        let other = version(package)?;
        if other != compiler {
            bail!("{COMPILER} is {compiler} but {package} is {other}: `apt-get update` as root, then try again");
        }
    }
    Ok(())
}

/// The folder for this machine's architecture, such as usr/lib/x86_64-linux-gnu.
fn multiarch_folder(libraries: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(libraries).with_context(|| format!("cannot read {}", libraries.display()))?;
    entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu"))
        .with_context(|| format!("{} has no folder for an architecture", libraries.display()))
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archives(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(|name| Path::new("/archives").join(name)).collect()
    }

    #[test]
    fn one_version_of_compiler_and_sources_is_accepted() {
        let files = archives(&[
            "rustc-web_1.96.0-1_amd64.deb",
            "libstd-rust-web-dev_1.96.0-1_amd64.deb",
            "rust-web-src_1.96.0-1_all.deb",
        ]);
        check_versions(&files).unwrap();
    }

    #[test]
    fn sources_of_another_version_than_the_compiler_are_refused() {
        let files = archives(&[
            "rustc-web_1.95.0-1_amd64.deb",
            "libstd-rust-web-dev_1.95.0-1_amd64.deb",
            "rust-web-src_1.96.0-1_all.deb",
        ]);
        let error = check_versions(&files).unwrap_err().to_string();
        assert!(error.contains("rust-web-src is 1.96.0-1"), "{error}");
    }

    #[test]
    fn a_missing_package_is_named() {
        let error = check_versions(&archives(&["rustc-web_1.95.0-1_amd64.deb"])).unwrap_err().to_string();
        assert!(error.contains("libstd-rust-web-dev"), "{error}");
    }
}
