//! The compiler for guests: rustup's wasm target, or Debian's packages where the Rust download site cannot be reached.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{debian, rustup};

/// The target triple of guests. It brings no WASI: a rule is pure, and a guest that imports nothing shows it.
const TARGET: &str = "wasm32-unknown-unknown";

/// The variable that forces one way of getting a compiler.
const CHOICE: &str = "PROVISOR_GUEST_TOOLCHAIN";

/// Where a workspace is, and where it builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its root.
    pub root: PathBuf,
    /// The folder below which guests and their compiler are kept, such as `target`.
    pub target: PathBuf,
}

/// A compiler that makes guests.
pub struct Toolchain {
    compiler: Compiler,
    place: Place,
}

enum Compiler {
    /// The toolchain that builds the host, with the wasm target added.
    Rustup,
    /// A compiler of Debian's, and the sources of the standard library, which it builds for the target.
    Debian(debian::Compiler),
}

impl Toolchain {
    /// Finds or installs a compiler, and says which.
    ///
    /// # Errors
    /// When there is none and none can be had: what was tried, and what to do.
    pub fn find(place: &Place, say: &dyn Fn(&str)) -> Result<Self> {
        let compiler = match std::env::var(CHOICE).as_deref() {
            Ok("rustup") => by_rustup(say),
            Ok("debian") => by_debian(place, say),
            Ok(other) if !other.is_empty() => bail!("{CHOICE} is {other:?}: it must be \"rustup\" or \"debian\""),
            _ => by_rustup(say).or_else(|reason| {
                say(&format!("no wasm target by rustup, trying Debian's packages: {reason:#}"));
                by_debian(place, say).with_context(|| {
                    format!(
                        "no compiler for {TARGET}: neither by rustup ({reason:#}) nor by Debian's packages. Install it with \
                         `rustup target add {TARGET}` where the Rust download site can be reached"
                    )
                })
            }),
        };
        Ok(Self { compiler: compiler?, place: place.clone() })
    }

    /// Where guests are built: apart from the host's target folder, whose lock and flags they do not share.
    fn target_folder(&self) -> PathBuf {
        self.place.target.join(match self.compiler {
            Compiler::Rustup => "guests",
            Compiler::Debian(_) => "guests-debian",
        })
    }

    /// Where the modules of a profile come out.
    pub(crate) fn output_folder(&self, profile: &str) -> PathBuf {
        self.target_folder().join(TARGET).join(profile)
    }

    /// Cargo set up for guests; the caller adds the command and the crate.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = crate::cargo(&self.place.root);
        // Flags that were meant for the host (a CPU, a sanitizer) would break a guest.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", neutral_paths(&self.place.root));
        cargo.env("CARGO_BUILD_TARGET", TARGET).env("CARGO_TARGET_DIR", self.target_folder());
        if let Compiler::Debian(compiler) = &self.compiler {
            compiler.prepare(&mut cargo);
        }
        cargo
    }
}

fn by_rustup(say: &dyn Fn(&str)) -> Result<Compiler> {
    rustup::ensure_target(TARGET)?;
    say(&format!("guest toolchain: rustup's, target {TARGET}"));
    Ok(Compiler::Rustup)
}

fn by_debian(place: &Place, say: &dyn Fn(&str)) -> Result<Compiler> {
    let compiler = debian::Compiler::ensure(&place.target.join("guest-toolchain"), say)?;
    say(&format!("guest toolchain: Debian's packages in {}", compiler.folder().display()));
    Ok(Compiler::Debian(compiler))
}

/// Keeps the builder's folders out of the components: panic messages carry source paths.
fn neutral_paths(root: &Path) -> String {
    let registry = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let mut flags = vec![format!("--remap-path-prefix={}=.", root.display())];
    flags.extend(registry.map(|folder| format!("--remap-path-prefix={}=cargo", folder.display())));
    // Cargo splits the variable at spaces: a folder with one in its name keeps its path.
    flags.retain(|flag| !flag.contains(' '));
    flags.join(" ")
}
