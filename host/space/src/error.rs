//! What can go wrong with the connector space, in words for an administrator.

use std::path::PathBuf;

use provisor_model::IdError;

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
    /// The file is not a connector space.
    #[error("{path} is no connector space of Provisor; move it away, and the next cycle reads the directory anew", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The disk is full.
    #[error(
        "the disk that holds the connector space is full; nothing is lost: make room, and the next cycle goes on where this one stopped"
    )]
    DiskFull,
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

impl From<rusqlite::Error> for SpaceError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::DiskFull,
            Some(ErrorCode::ReadOnly) => Self::ReadOnly,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            _ => Self::Database(error),
        }
    }
}

impl From<postcard::Error> for SpaceError {
    fn from(error: postcard::Error) -> Self {
        Self::Damaged(format!("a stored value cannot be read ({error})"))
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
