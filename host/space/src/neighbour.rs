//! The connector space of another configuration of this host, as far as it concerns this one: which resources it keeps too.

use std::path::{Path, PathBuf};

use provisor_model::{Anchor, OperationKind, ResourceId};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params};

use crate::space::BUSY;
use crate::{EntryKey, MetaKey, Space, SpaceError, migrations};

/// Another configuration's connector space, open for reading.
pub struct Neighbour {
    connection: Connection,
    path: PathBuf,
}

/// An entry of another configuration that has, or waits for, a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    key: EntryKey,
    /// Its name.
    pub dn: String,
}

impl Neighbour {
    /// Opens the connector space in this file; none where its links lead to another target, or nowhere yet.
    ///
    /// # Errors
    /// When the file cannot be read, or was written by another version.
    pub fn open(path: &Path, target: &[u8]) -> Result<Option<Self>, SpaceError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        migrations::check(&connection, path)?;
        let known: Option<Vec<u8>> = connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [MetaKey::Target.as_str()], |row| row.get(0))
            .optional()?;
        Ok((known.as_deref() == Some(target)).then(|| Self { connection, path: path.to_owned() }))
    }

    /// The entry of its source, if any, whose resource in use this is.
    ///
    /// # Errors
    /// When the database fails.
    pub fn keeper(&self, kind: &str, resource: &ResourceId) -> Result<Option<Keeper>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.id, e.dn FROM link l JOIN entry e ON e.id = l.entry_id AND e.gone = 0 \
             WHERE l.resource_id = ?1 AND l.kind = ?2 AND l.disabled = 0",
        )?;
        Ok(statement.query_row(params![resource.as_str(), kind], keeper).optional()?)
    }

    /// The entry of its source, if any, that would have this anchor's resource, and waits because another configuration
    /// has it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn claimant(&self, anchor: &Anchor) -> Result<Option<Keeper>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT e.id, e.dn FROM entry e JOIN decided d ON d.entry_id = e.id \
             WHERE e.anchor = ?1 AND e.gone = 0 AND d.decision LIKE 'held: belongs-to-another:%'",
        )?;
        Ok(statement.query_row([anchor.to_storage()], keeper).optional()?)
    }

    /// Tells it that a resource was let go of for an entry of it: what the target has is read in its next
    /// cycle, and made what it should be. False where that entry does not have or want it any more.
    ///
    /// # Errors
    /// When the database fails, or is not to be had for five seconds.
    pub fn hand_over(&self, keeper: &Keeper, kind: &str, resource: &ResourceId, now: i64) -> Result<bool, SpaceError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        let handed = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let key = keeper.key.number();
        handed.execute(
            "INSERT OR IGNORE INTO released (resource_id, kind) VALUES (?1, ?2)",
            params![resource.as_str(), kind],
        )?;
        handed.execute("INSERT OR IGNORE INTO dirty SELECT source_id, id FROM entry WHERE id = ?1", [key])?;
        handed.execute("UPDATE escrow SET next = 0 WHERE entry_id = ?1", [key])?;
        // As after a request of unknown outcome, which is read again.
        handed.execute(
            "INSERT OR IGNORE INTO intent (entry_id, operation, started) \
             SELECT entry_id, ?2, ?3 FROM link WHERE entry_id = ?1",
            params![key, OperationKind::Update.as_str(), now],
        )?;
        let wanted = handed.query_row(
            "SELECT EXISTS (SELECT 1 FROM link WHERE entry_id = ?1) OR EXISTS (SELECT 1 FROM escrow WHERE entry_id = ?1)",
            [key],
            |row| row.get(0),
        )?;
        handed.commit()?;
        Ok(wanted)
    }
}

fn keeper(row: &Row<'_>) -> rusqlite::Result<Keeper> {
    Ok(Keeper { key: EntryKey(row.get(0)?), dn: row.get(1)? })
}

impl Space {
    /// Whether another configuration of this host kept this resource too, and let go of it for this one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn was_released(&self, kind: &str, resource: &ResourceId) -> Result<bool, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT 1 FROM released WHERE resource_id = ?1 AND kind = ?2")?;
        Ok(statement.exists(params![resource.as_str(), kind])?)
    }
}
