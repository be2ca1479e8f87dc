//! The data folder: ours alone, and used by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{Uid, User, geteuid};

use crate::failure::Failure;
use crate::user;

/// The name of the file that the user of the folder holds locked.
const LOCK: &str = "provisor.lock";

/// A data folder that this process uses. Dropped, it is free again.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug)]
pub enum Refusal {
    /// Another process uses it; its id, where it is known.
    InUse(Option<u32>),
    /// Anything else.
    Other(Failure),
}

impl DataFolder {
    /// Makes the folder where it is missing, and takes it for this process.
    pub fn take(path: &Path) -> Result<Self, Refusal> {
        create(path).map_err(Refusal::Other)?;
        let file = path.join(LOCK);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&file);
        let mut lock = opened.map_err(|error| Refusal::Other(unwritable(path, &error)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Refusal::InUse(holder(&mut lock))),
            Err(TryLockError::Error(error)) => return Err(Refusal::Other(unwritable(path, &error))),
        }
        let written = lock.set_len(0).and_then(|()| lock.write_all(std::process::id().to_string().as_bytes()));
        written.map_err(|error| Refusal::Other(unwritable(path, &error)))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The process id that the holder of the lock wrote into it.
fn holder(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Makes the folder with mode 0700, or finds that it is ours alone.
fn create(path: &Path) -> Result<(), Failure> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_dir() => {
            Err(Failure::usage(format!("the data folder {} is not a folder. Correct data-folder", path.display())))
        }
        // Root may write there, but what root writes, its owner could not read.
        Ok(metadata) if metadata.uid() != geteuid().as_raw() => Err(foreign(path, Uid::from_raw(metadata.uid()))),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => Err(Failure::usage(format!(
            "the data folder {} may be entered by others (mode {:04o}), and it will hold personal data. Run: chmod 700 {}",
            path.display(),
            metadata.mode() & 0o7777,
            path.display()
        ))),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(|error| unwritable(path, &error))
        }
        Err(error) => Err(unwritable(path, &error)),
    }
}

fn foreign(path: &Path, owner: Uid) -> Failure {
    let called = match User::from_uid(owner) {
        Ok(Some(known)) => known.name,
        _ => format!("'#{owner}'"),
    };
    Failure::usage(format!(
        "the data folder {} belongs to {}. Run this as that user, for example: sudo -u {called} provisor ... Or give the folder, \
         and all that is in it, to {}",
        path.display(),
        user::name(owner),
        user::name(geteuid())
    ))
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!(
        "the data folder {} cannot be written: {error}. Give it to user {}, or name another one with data-folder in provisor.toml",
        path.display(),
        geteuid()
    ))
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::InUse(Some(process)) => Self::failed(format!(
                "the data folder is in use by process {process}. Stop it, or wait until it has ended, or use another data-folder"
            )),
            Refusal::InUse(None) => {
                Self::failed("the data folder is in use by another process. Wait until it has ended")
            }
            Refusal::Other(failure) => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_folder_is_made_for_us_alone_and_used_by_one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/data");
        let taken = DataFolder::take(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        assert!(matches!(DataFolder::take(&path), Err(Refusal::InUse(Some(process))) if process == std::process::id()));
        drop(taken);
        assert_eq!(DataFolder::take(&path).unwrap().path(), path);
    }

    #[test]
    fn a_folder_that_others_may_enter_is_refused_with_what_to_do() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let failure = Failure::from(DataFolder::take(parent.path()).unwrap_err());
        let path = parent.path().display();
        assert_eq!(
            failure.to_string(),
            format!(
                "the data folder {path} may be entered by others (mode 0750), and it will hold personal data. Run: chmod 700 {path}"
            )
        );
    }

    #[test]
    fn a_folder_of_another_user_is_refused_before_anything_is_written() {
        if !geteuid().is_root() {
            eprintln!("not looked at: only root can give a folder to another user");
            return;
        }
        let parent = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(parent.path(), Some(65_534), None).unwrap();
        let failure = Failure::from(DataFolder::take(parent.path()).unwrap_err());
        assert_eq!(failure.status(), crate::failure::Status::Usage);
        let path = parent.path().display();
        assert!(failure.to_string().starts_with(&format!("the data folder {path} belongs to ")), "{failure}");
        assert!(failure.to_string().contains("Run this as that user, for example: sudo -u "), "{failure}");
        assert!(fs::read_dir(parent.path()).unwrap().next().is_none(), "something was written");
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let failure = Failure::from(DataFolder::take(file.path()).unwrap_err());
        assert!(failure.to_string().ends_with("is not a folder. Correct data-folder"), "{failure}");
    }
}
