//! Opening a connector space, and doing several things in it as one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use crate::filling::Filling;
use crate::memberships::MembershipMode;
use crate::value_names::ByValue;
use crate::{CrossReference, SpaceError, migrations};

/// The connector space of one configuration. Every change that returned survives a crash (`synchronous=FULL`).
pub struct Space {
    pub(crate) connection: Connection,
    pub(crate) by_value: ByValue,
    pub(crate) memberships: MembershipMode,
    pub(crate) cross_references: Vec<CrossReference>,
    pub(crate) filling: Option<Filling>,
    pub(crate) path: PathBuf,
}

/// How long a connection waits for another that writes.
pub(crate) const BUSY: Duration = Duration::from_secs(5);

/// How many octets a page of a new file has. Entries take a good part of SQLite's usual 4 KiB each, so that larger pages
/// are fewer to look for, to read and to write.
const PAGE: i64 = 16 * 1024;

/// How many octets the write-ahead log holds, about, before they are written into the file.
const CHECKPOINT: i64 = 64 << 20;

/// How much a connector space holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceCounts {
    /// Entries that are in the source.
    pub entries: u64,
    /// Links by resource kind.
    pub links: BTreeMap<String, u64>,
    /// Objects whose export failed.
    pub escrow: u64,
    /// Entries that wait for their evaluation.
    pub dirty: u64,
    /// Planned operations that were not carried out.
    pub planned: u64,
    /// References that wait for their target.
    pub waiting: u64,
    /// Size of the file in octets.
    pub octets: u64,
}

impl Space {
    /// Opens the connector space in this file, and makes it where there is none.
    ///
    /// # Errors
    /// When the file cannot be opened, is foreign or damaged, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, SpaceError> {
        Self::prepare(path).map_err(|error| match error {
            SpaceError::Database(cause) => SpaceError::Open { path: path.to_owned(), reason: cause.to_string() },
            other => other.at(path),
        })
    }

    fn prepare(path: &Path) -> Result<Self, SpaceError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.set_prepared_statement_cache_capacity(256);
        connection.busy_timeout(BUSY)?;
        // Without it every new value bound to a statement may have it planned anew, for the sake of the partial
        // indexes; that was a quarter of the time of a cycle.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // Foreign files are found out before anything is set in them. What is refused is left as it is: not even its own
        // write-ahead log, which a crash or a program that still runs may have left beside it, is taken into it.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        // Of a file that is there already it changes nothing.
        connection.pragma_update(None, "page_size", PAGE)?;
        migrations::migrate(&connection, path)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "temp_store", "FILE")?;
        // 32 MiB of pages: bounded whatever the size of the directory.
        connection.pragma_update(None, "cache_size", -32_768)?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
        // 64 MiB of pages: what changes several times in a cycle is written into the file once, and the file is synced
        // less often. Each commit is synced all the same.
        let page: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT / page.max(512))?;
        connection.execute_batch(include_str!("schema/temporary.sql"))?;
        let (by_value, memberships) = (ByValue::default(), MembershipMode::default());
        let (cross_references, path) = (Vec::new(), path.to_owned());
        let mut space = Self { connection, by_value, memberships, cross_references, filling: None, path };
        space.load_by_value()?;
        space.load_memberships()?;
        space.load_cross_references()?;
        Ok(space)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Does several things as one: all of them or none survive. Within another call of this it joins that one.
    ///
    /// # Errors
    /// What `work` returns, or why the whole could not be kept; then nothing of it is.
    pub fn atomically<T, E: From<SpaceError>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        if !self.connection.is_autocommit() {
            return work(self);
        }
        self.begin().map_err(E::from)?;
        // A transaction that a panic left open would swallow all that is done after it.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(self))).unwrap_or_else(|panic| {
            self.roll_back();
            resume_unwind(panic)
        });
        match outcome {
            Ok(value) => match self.connection.execute_batch("COMMIT") {
                Ok(()) => Ok(value),
                Err(error) => {
                    self.roll_back();
                    Err(SpaceError::from(error).into())
                }
            },
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Does something of which nothing is kept, to see what it would come to.
    ///
    /// # Errors
    /// What `work` returns, or when the database fails.
    pub fn tentatively<T, E: From<SpaceError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut found = None;
        let outcome = self.atomically(|space| -> Result<(), Given<E>> {
            found = Some(work(space).map_err(Given::Error)?);
            Err(Given::Nothing)
        });
        match (outcome, found) {
            (Err(Given::Error(error)), _) => Err(error),
            (_, Some(found)) => Ok(found),
            (_, None) => Err(SpaceError::Damaged("a transaction came to nothing".into()).into()),
        }
    }

    pub(crate) fn begin(&self) -> Result<(), SpaceError> {
        Ok(self.connection.execute_batch("BEGIN IMMEDIATE")?)
    }

    pub(crate) fn roll_back(&self) {
        // SQLite has rolled back by itself after some errors; then there is nothing left to do.
        if !self.connection.is_autocommit()
            && let Err(error) = self.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "A transaction could not be rolled back.");
        }
    }

    /// How much there is of everything.
    ///
    /// # Errors
    /// When the database fails.
    pub fn counts(&self) -> Result<SpaceCounts, SpaceError> {
        let count = |sql: &str| -> Result<u64, SpaceError> {
            Ok(self.connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0))?.cast_unsigned())
        };
        Ok(SpaceCounts {
            entries: count("SELECT count(*) FROM entry WHERE gone = 0")?,
            links: self.link_counts()?,
            escrow: count("SELECT count(*) FROM escrow")?,
            dirty: count("SELECT count(*) FROM dirty")?,
            planned: count("SELECT count(*) FROM plan")?,
            waiting: count("SELECT count(*) FROM waiting")?,
            octets: std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len()),
        })
    }
}

/// Why a transaction is rolled back.
enum Given<E> {
    /// It failed.
    Error(E),
    /// It was only to be seen what it comes to.
    Nothing,
}

impl<E: From<SpaceError>> From<SpaceError> for Given<E> {
    fn from(error: SpaceError) -> Self {
        Self::Error(error.into())
    }
}
