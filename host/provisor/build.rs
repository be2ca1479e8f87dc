//! Carries the first-party plugins in the binary, where `cargo xtask plugins` has built them; without them the binary
//! builds too, and says what is missing when it is asked for one.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What lies below plugins/ and is no plugin, but shared by some.
const SHARED: [&str; 1] = ["ad-common"];

fn main() -> io::Result<()> {
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let root = own.ancestors().nth(2).unwrap_or(&own).to_owned();
    let built = root.join("target/plugins");
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join("plugins"))? {
        names.extend(entry?.file_name().into_string());
    }
    names.retain(|name: &String| !SHARED.contains(&name.as_str()));
    names.sort();
    let list = |names: &[String]| -> String {
        let files = names.iter().filter_map(|name| embed(&built, name));
        files.collect::<Vec<_>>().concat()
    };
    // A path that does not exist makes cargo look again at the next build.
    println!("cargo::rerun-if-changed={}", root.join("plugins").display());
    let text = format!(
        "/// The plugins of the project, by name.\n\
         pub static FIRST_PARTY: &[(&str, &[u8])] = &[{}];\n\
         /// The rule of the demo, by name.\n\
         pub static DEMO: &[(&str, &[u8])] = &[{}];\n",
        list(&names),
        list(&["branding".to_owned()])
    );
    fs::write(out.join("plugins.rs"), text)
}

/// The array element of a plugin; none where it has not been built.
fn embed(folder: &Path, name: &str) -> Option<String> {
    let file = folder.join(format!("{name}.wasm"));
    println!("cargo::rerun-if-changed={}", file.display());
    file.is_file().then(|| format!("({name:?}, include_bytes!({:?})), ", file.display().to_string()))
}
