//! The connector space of another configuration of this host, as far as it concerns this one: which resources it keeps too.

use std::path::{Path, PathBuf};

use provisor_model::{Anchor, OperationKind, ResourceId};
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, TransactionBehavior, params};

use crate::space::BUSY;
use crate::{EntryKey, MetaKey, Sent, Space, SpaceError, migrations, rows};

/// Another configuration's connector space.
pub struct Neighbour {
    connection: Connection,
    path: PathBuf,
    /// Where it is written, once it is.
    writing: Option<Connection>,
}

/// An entry of another configuration that has a resource, or is to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keeper {
    key: EntryKey,
    /// Its name.
    pub dn: String,
    /// The anchor under which it has the resource.
    pub anchor: Anchor,
}

/// Who has a resource (`?1`, of kind `?2`) in use, or joins it just now: but for those whose entry is about to leave.
const KEEPER: &str = "SELECT e.id, e.dn, e.anchor FROM entry e WHERE e.gone = 0 AND e.id IN (\
     SELECT entry_id FROM link WHERE resource_id = ?1 AND kind = ?2 AND disabled = 0 \
     UNION SELECT entry_id FROM plan WHERE resource_id = ?1 AND kind = ?2) \
     AND NOT EXISTS (SELECT 1 FROM plan p WHERE p.entry_id = e.id AND p.operation IN ('delete', 'disable', 'release'))";

/// The same, also those who are about to leave it.
const HOLDER: &str = "SELECT e.id, e.dn, l.anchor FROM link l JOIN entry e ON e.id = l.entry_id \
     WHERE l.resource_id = ?1 AND l.kind = ?2 AND l.disabled = 0";

/// Who is to have the resource of an anchor (`?1`): an entry without one, unless it is out of scope.
const CLAIMANT: &str = "SELECT e.id, e.dn, e.anchor FROM entry e LEFT JOIN decided d ON d.entry_id = e.id \
     WHERE e.anchor = ?1 AND e.gone = 0 AND e.object_class <> '' \
     AND NOT EXISTS (SELECT 1 FROM link l WHERE l.entry_id = e.id) \
     AND coalesce(d.decision, '') NOT LIKE 'out of scope:%'";

impl Neighbour {
    /// Opens the connector space in this file; none where its links lead to another target, or nowhere yet.
    ///
    /// # Errors
    /// When the file cannot be read, or was written by another version.
    pub fn open(path: &Path, target: &[u8]) -> Result<Option<Self>, SpaceError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        if migrations::check(&connection, path)? == 0 {
            return Ok(None);
        }
        let known: Option<Vec<u8>> = connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [MetaKey::Target.as_str()], |row| row.get(0))
            .optional()?;
        let path = path.to_owned();
        Ok((known.as_deref() == Some(target)).then_some(Self { connection, path, writing: None }))
    }

    /// The entry, if any, to which this resource is linked in use.
    ///
    /// # Errors
    /// When the database fails.
    pub fn holder(&self, kind: &str, resource: &ResourceId) -> Result<Option<Keeper>, SpaceError> {
        found(&self.connection, HOLDER, params![resource.as_str(), kind])
    }

    /// The entry of its source, if any, that keeps this resource; or, where its configuration runs (`claims`), that is
    /// to have it as the one of this anchor.
    ///
    /// # Errors
    /// When the database fails.
    pub fn heir(
        &self,
        kind: &str,
        resource: &ResourceId,
        anchor: &Anchor,
        claims: bool,
    ) -> Result<Option<Keeper>, SpaceError> {
        heir(&self.connection, kind, resource, anchor, claims).map(|found| found.map(|(keeper, _)| keeper))
    }

    /// Leaves a resource to its entry that keeps it or is to have it, and returns that; none where there is none by
    /// now. In its next cycle it reads what the target has, and makes it what it should be. Until then it has the
    /// resource, so that it takes it away if it leaves.
    ///
    /// # Errors
    /// When the database fails, or is not to be had for five seconds; then nothing has been left to it.
    pub fn leave_to(
        &mut self,
        kind: &str,
        resource: &ResourceId,
        anchor: &Anchor,
        claims: bool,
        now: i64,
    ) -> Result<Option<Keeper>, SpaceError> {
        let connection = match &mut self.writing {
            Some(connection) => connection,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(&self.path, flags)?;
                connection.busy_timeout(BUSY)?;
                connection.pragma_update(None, "synchronous", "FULL")?;
                // What is written belongs to the newest format.
                migrations::migrate(&connection, &self.path)?;
                self.writing.insert(connection)
            }
        };
        let handed = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let Some((keeper, is_linked)) = heir(&handed, kind, resource, anchor, claims)? else { return Ok(None) };
        let key = keeper.key.number();
        if !is_linked {
            handed.execute(
                "INSERT INTO link (entry_id, kind, resource_id, anchor, exported) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![key, kind, resource.as_str(), keeper.anchor.to_storage(), rows::encoded(&Sent::new())?],
            )?;
        }
        handed.execute(
            "INSERT OR REPLACE INTO released (resource_id, kind, anchor) VALUES (?1, ?2, ?3)",
            params![resource.as_str(), kind, anchor.to_string()],
        )?;
        handed.execute("INSERT OR IGNORE INTO dirty SELECT source_id, id FROM entry WHERE id = ?1", [key])?;
        handed.execute("UPDATE escrow SET next = 0 WHERE entry_id = ?1", [key])?;
        // As after a request of unknown outcome, which is read again.
        handed.execute(
            "INSERT OR IGNORE INTO intent (entry_id, operation, started) VALUES (?1, ?2, ?3)",
            params![key, OperationKind::Update.as_str(), now],
        )?;
        handed.commit()?;
        Ok(Some(keeper))
    }
}

/// Who keeps a resource, else who is to have it; and whether they have it by a link, or will by their plan.
fn heir(
    connection: &Connection,
    kind: &str,
    resource: &ResourceId,
    anchor: &Anchor,
    claims: bool,
) -> Result<Option<(Keeper, bool)>, SpaceError> {
    if let Some(keeper) = found(connection, KEEPER, params![resource.as_str(), kind])? {
        return Ok(Some((keeper, true)));
    }
    // A resource that somebody of theirs still has is not given to another of them.
    if !claims || found(connection, HOLDER, params![resource.as_str(), kind])?.is_some() {
        return Ok(None);
    }
    Ok(found(connection, CLAIMANT, params![anchor.to_storage()])?.map(|keeper| (keeper, false)))
}

fn found(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<Option<Keeper>, SpaceError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(parameters)?;
    rows.next()?.map(keeper).transpose()
}

fn keeper(row: &Row<'_>) -> Result<Keeper, SpaceError> {
    let anchor = Anchor::from_storage(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?;
    Ok(Keeper { key: EntryKey(row.get(0)?), dn: row.get(1)?, anchor })
}

impl Space {
    /// Whether another configuration of this host kept this resource too, under this anchor, and let go of it for this
    /// one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn was_released(&self, kind: &str, resource: &ResourceId, anchor: &str) -> Result<bool, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM released WHERE resource_id = ?1 AND kind = ?2 AND anchor = ?3")?;
        Ok(statement.exists(params![resource.as_str(), kind, anchor])?)
    }
}
