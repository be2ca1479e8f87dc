//! What can go wrong at the edge of the plugin host.

use std::io;
use std::path::PathBuf;

/// An error of the plugin host: it says which plugin or file, what is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// A file or folder cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The WebAssembly engine does not start on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The folder cannot be watched.
    #[error("cannot watch the plugins folder {}: {reason}", path.display())]
    Watch {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no plugin of this name.
    #[error("there is no plugin \"{plugin}\": put {plugin}.wasm into {} ({known})", folder.display())]
    NoSuchPlugin {
        /// The name.
        plugin: String,
        /// Where it would be.
        folder: PathBuf,
        /// What there is instead, as words.
        known: String,
    },
    /// A plugin cannot be used.
    #[error("plugin \"{plugin}\"{version} cannot be used: {reason}")]
    Plugin {
        /// Its name.
        plugin: String,
        /// A blank and the beginning of its hash in brackets; nothing where it could not be read.
        version: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The plugins of a configuration do not go together.
    #[error("the rules of configuration \"{configuration}\" do not go together: {reason}")]
    Chain {
        /// The configuration.
        configuration: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The lock file cannot be written, because what stands in it is damaged.
    #[error("nothing was approved, since {} cannot be changed: {reason}", path.display())]
    Lock {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// A file that the host keeps itself is damaged.
    #[error("{} is damaged ({reason}): delete it to grant the plugins' contracts anew", path.display())]
    Grants {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
