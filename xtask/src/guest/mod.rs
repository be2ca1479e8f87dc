//! The compiler for guests: rustup's wasm target, or Debian's packages where the Rust download site cannot be reached.

pub mod c;
mod debian;
mod rustup;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::progress::say;
use crate::workspace;

/// The target triple of guests. It brings no WASI: a rule is pure, and a guest that imports nothing shows it.
const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that forces one way of getting a compiler.
const CHOICE: &str = "PROVISOR_GUEST_TOOLCHAIN";

/// A compiler that makes guests.
pub enum Toolchain {
    /// The toolchain that builds the host, with the wasm target added.
    Rustup,
    /// A compiler of Debian's, and the sources of the standard library, which it builds for the target.
    Debian(debian::Compiler),
}

impl Toolchain {
    /// Finds or installs a compiler, and says which.
    pub fn find() -> Result<Self> {
        match std::env::var(CHOICE).as_deref() {
            Ok("rustup") => Self::by_rustup(),
            Ok("debian") => Self::by_debian(),
            Ok(other) if !other.is_empty() => bail!("{CHOICE} is {other:?}: it must be \"rustup\" or \"debian\""),
            _ => Self::by_rustup().or_else(|reason| {
                say(format_args!("    no wasm target by rustup, trying Debian's packages: {reason:#}"));
                Self::by_debian().with_context(|| {
                    format!(
                        "no compiler for {TARGET}: neither by rustup ({reason:#}) nor by Debian's packages. Install it with \
                         `rustup target add {TARGET}` where the Rust download site can be reached"
                    )
                })
            }),
        }
    }

    fn by_rustup() -> Result<Self> {
        rustup::ensure_target(TARGET)?;
        say(format_args!("    guest toolchain: rustup's, target {TARGET}"));
        Ok(Self::Rustup)
    }

    fn by_debian() -> Result<Self> {
        let compiler = debian::Compiler::ensure()?;
        say(format_args!("    guest toolchain: Debian's packages in {}", compiler.folder().display()));
        Ok(Self::Debian(compiler))
    }

    /// Where guests are built: apart from the host's target folder, whose lock and flags they do not share.
    fn target_folder(&self) -> PathBuf {
        workspace::target(match self {
            Self::Rustup => "guests",
            Self::Debian(_) => "guests-debian",
        })
    }

    /// Where the modules of the guest profile come out.
    pub fn output_folder(&self) -> PathBuf {
        self.target_folder().join(TARGET).join("guest")
    }

    /// Cargo set up for guests; the caller adds the command and the crate.
    pub fn cargo(&self) -> Command {
        let mut cargo = workspace::cargo();
        // Flags that were meant for the host (a CPU, a sanitizer) would break a guest.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", neutral_paths());
        cargo.env("CARGO_BUILD_TARGET", TARGET).env("CARGO_TARGET_DIR", self.target_folder());
        if let Self::Debian(compiler) = self {
            compiler.prepare(&mut cargo);
        }
        cargo
    }
}

/// Keeps the builder's folders out of the components: panic messages carry source paths.
fn neutral_paths() -> String {
    let registry = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=.", workspace::root().display())];
    flags.extend(registry.map(|folder| format!("--remap-path-prefix={}=cargo", folder.display())));
    // Cargo splits the variable at spaces: a folder with one in its name keeps its path.
    flags.retain(|flag| !flag.contains(' '));
    flags.join(" ")
}
