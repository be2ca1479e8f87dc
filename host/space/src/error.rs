//! What can go wrong with the connector space, in words for an administrator.

use std::fmt;
use std::path::{Path, PathBuf};

use provisor_model::{IdError, KeptError};

/// Why the connector space could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpaceError {
    /// The file cannot be opened or created.
    #[error("the connector space {path} cannot be opened: {reason}; check that the data folder exists and belongs to this user", path = .path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What SQLite or the system said.
        reason: String,
    },
    /// The file was written by a newer version of Provisor.
    #[error("the connector space {path} was written by a newer Provisor (format {found}, this one knows {known}); install that version again, or restore the file from before the upgrade", path = .path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that this program knows.
        known: i64,
    },
    /// The file was written by a version under development.
    #[error("the connector space {path} was written by a version of Provisor from before its first release (format {found}, the oldest that is read is {oldest}). Move the file away and start again: everything is found again at the target by externalId, and nothing is made twice", path = .path.display())]
    Older {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The oldest format that this program reads.
        oldest: i64,
    },
    /// The file is not a connector space.
    #[error("{path} is no connector space of Provisor; move it away, and the next cycle reads the directory anew", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error(
        "{0}; nothing is lost, and nothing more was sent to the target: make room, and the next cycle goes on where this one stopped"
    )]
    DiskFull(Shortage),
    /// The file or its folder cannot be written.
    #[error(
        "the connector space cannot be written: its folder or file is read-only; check the permissions of the data folder and whether its file system is mounted read-only"
    )]
    ReadOnly,
    /// Another process holds the file.
    #[error("the connector space is in use by another process; stop it, or use the running host's commands")]
    Busy,
    /// The file is damaged.
    #[error(
        "the connector space is damaged: {0}; move the file away, and the next cycle reads the directory anew and finds its resources again by externalId"
    )]
    Damaged(String),
    /// Any other failure of SQLite.
    #[error("the connector space failed: {0}")]
    Database(rusqlite::Error),
}

/// SQLite's SQLITE_IOERR_SHMSIZE.
const IOERR_SHMSIZE: i32 = 4874;

/// The least that should be free beside a connector space: the journal of its largest transactions.
const LEAST_FREE: u64 = 64 << 20;

/// Which disk is full, and how much room is needed on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortage {
    /// The database file, where it is known by now.
    path: PathBuf,
    /// How large it is, with its journal.
    size: u64,
    /// How much is free beside it, where the system tells.
    free: Option<u64>,
}

impl Shortage {
    fn of(path: &Path) -> Self {
        let mut journal = path.as_os_str().to_owned();
        journal.push("-wal");
        let length = |file: &Path| std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let free = nix::sys::statvfs::statvfs(folder)
            .ok()
            .map(|disk| disk.blocks_available().saturating_mul(disk.fragment_size()));
        Self { path: path.to_owned(), size: length(path) + length(Path::new(&journal)), free }
    }

    /// How much should be free: a tenth of what is there, for growth and for the journal.
    fn needed(&self) -> u64 {
        LEAST_FREE.max(self.size / 10)
    }
}

impl fmt::Display for Shortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = |octets: u64| octets.div_ceil(1 << 20);
        let (needed, size) = (mebibytes(self.needed()), mebibytes(self.size));
        match self.free {
            Some(free) if free >= self.needed() => write!(
                formatter,
                "the disk for temporary files is full (TMPDIR, else /var/tmp or /tmp), which the connector space {} needs; about {needed} \
                 MiB should be free on it",
                self.path.display()
            ),
            Some(free) => write!(
                formatter,
                "the disk that holds the connector space {} is full: the file has {size} MiB, {} MiB are free, and {needed} MiB should be",
                self.path.display(),
                free >> 20
            ),
            None => write!(
                formatter,
                "the disk that holds the connector space {} is full: the file has {size} MiB, and {needed} MiB should be free",
                self.path.display()
            ),
        }
    }
}

impl SpaceError {
    /// The same error with the file that it is about.
    #[must_use]
    pub fn at(self, path: &Path) -> Self {
        match self {
            Self::DiskFull(_) => Self::DiskFull(Shortage::of(path)),
            Self::Foreign { .. } => Self::Foreign { path: path.to_owned() },
            Self::Damaged(words) if !words.starts_with(&*path.to_string_lossy()) => {
                Self::Damaged(format!("{}: {words}", path.display()))
            }
            other => other,
        }
    }
}

impl From<rusqlite::Error> for SpaceError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull(Shortage::default()),
            // The memory that connections share is a file as well, and has to grow.
            Some(ErrorCode::SystemIoFailure)
                if error.sqlite_error().is_some_and(|error| error.extended_code == IOERR_SHMSIZE) =>
            {
                Self::DiskFull(Shortage::default())
            }
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::NotADatabase) => Self::Foreign { path: PathBuf::new() },
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            _ => Self::Database(error),
        }
    }
}

impl From<postcard::Error> for SpaceError {
    fn from(error: postcard::Error) -> Self {
        Self::Damaged(format!("a stored value cannot be read ({error})"))
    }
}

impl From<KeptError> for SpaceError {
    fn from(error: KeptError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<serde_json::Error> for SpaceError {
    fn from(error: serde_json::Error) -> Self {
        Self::Damaged(format!("a stored record cannot be read ({error})"))
    }
}

impl From<IdError> for SpaceError {
    fn from(error: IdError) -> Self {
        Self::Damaged(error.to_string())
    }
}
