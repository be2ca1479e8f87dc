//! Carrying the plan out, in few statements: operations are read ahead in their order, their intents are stored before
//! their requests go out, and what is done leaves the plan together.

use provisor_model::{Anchor, OperationKind, SourceId};
use rusqlite::{ErrorCode, ToSql, ffi, params};

use crate::plan::{self, PLANNED_COLUMNS};
use crate::{EntryKey, Link, Planned, Sent, Space, SpaceError, StoredEntry, rows};

/// What an entry is called and where it stands, without what was read of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryHead {
    /// Its number.
    pub key: EntryKey,
    /// Its source id.
    pub source_id: SourceId,
    /// What identifies it to the target.
    pub anchor: Anchor,
    /// Its name.
    pub dn: String,
    /// Its name as names are compared.
    pub dn_key: Vec<u8>,
    /// Whether it is no longer in the source.
    pub gone: bool,
    /// Whether the outcome of its last request is unknown.
    pub uncertain: bool,
}

impl From<&StoredEntry> for EntryHead {
    fn from(stored: &StoredEntry) -> Self {
        Self {
            key: stored.key,
            source_id: stored.entry.source_id.clone(),
            anchor: stored.entry.anchor.clone(),
            dn: stored.entry.dn.to_string(),
            dn_key: stored.entry.dn.key().octets().to_vec(),
            gone: stored.gone,
            uncertain: stored.uncertain,
        }
    }
}

/// How much of the plan has been carried out, or has failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CarriedOut {
    /// None of it.
    #[default]
    Nothing,
    /// What comes before the operation with this phase, wave and source id.
    Before(u32, u32, SourceId),
    /// That one as well.
    Through(u32, u32, SourceId),
    /// All of it.
    Everything,
}

/// What a group of results has to look after; where a table is empty, nobody asks it for each object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leftovers {
    /// Whether any object is in escrow.
    pub escrow: bool,
    /// Whether any reference waits.
    pub waiting: bool,
}

impl Space {
    /// The next operations of a stage in the order of their source ids, those behind `after` first, as many as may be in
    /// memory at once: none where all have been read. Nothing is noted; intents are, by [`Self::intend`].
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn next_planned(
        &self,
        phase: u32,
        wave: u32,
        after: Option<&SourceId>,
        limit: usize,
    ) -> Result<Vec<(Planned, EntryHead)>, SpaceError> {
        let sql = format!(
            "SELECT {PLANNED_COLUMNS}, p.source_id, e.anchor, e.dn, e.dn_key, e.gone, i.entry_id IS NOT NULL FROM plan p \
             JOIN plan_body b ON b.id = p.body LEFT JOIN entry e ON e.id = p.entry_id \
             LEFT JOIN intent i ON i.entry_id = p.entry_id \
             WHERE p.state = 2 AND p.phase = ?1 AND p.wave = ?2 AND p.source_id > ?3 ORDER BY p.source_id LIMIT ?4"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let after = after.map(SourceId::to_storage).unwrap_or_default();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut given = statement.query(params![phase, wave, after, limit])?;
        let (mut found, mut octets) = (Vec::new(), 0);
        while octets <= rows::PAGE_OCTETS
            && let Some(row) = given.next()?
        {
            octets += rows::octets(row, 2)?;
            let planned = plan::planned(row, 0)?;
            let Some(dn) = row.get::<_, Option<String>>(5)? else {
                return Err(SpaceError::Damaged("the plan names an entry that is not there".into()));
            };
            let blob = |column| -> Result<&[u8], SpaceError> {
                Ok(row.get_ref(column)?.as_blob().map_err(rusqlite::Error::from)?)
            };
            let head = EntryHead {
                key: planned.key,
                source_id: SourceId::from_storage(blob(3)?)?,
                anchor: Anchor::from_storage(blob(4)?)?,
                dn,
                dn_key: blob(6)?.to_vec(),
                gone: rows::Standing::from_column(row.get(7)?) == rows::Standing::Gone,
                uncertain: row.get(8)?,
            };
            found.push((planned, head));
        }
        Ok(found)
    }

    /// Notes that a request is about to go out and what it sets, besides what earlier ones of unknown outcome may have
    /// set. Only when this has been committed may the request go.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn intend(
        &mut self,
        head: &EntryHead,
        operation: OperationKind,
        sent: &Sent,
        now: i64,
    ) -> Result<(), SpaceError> {
        if head.uncertain {
            self.set_intent(head.key, operation, now)?;
            return self.note_sent(head.key, sent.clone());
        }
        let sent = if sent.is_empty() { None } else { Some(rows::encoded(sent)?) };
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO intent (entry_id, operation, started, sent) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![head.key.0, operation.as_str(), now, sent])?;
        Ok(())
    }

    /// Takes what has been carried out from the plan.
    ///
    /// # Errors
    /// When the database fails.
    pub fn drop_carried_out(&mut self, carried: &CarriedOut) -> Result<(), SpaceError> {
        self.atomically(|space| match carried {
            CarriedOut::Nothing => Ok(()),
            CarriedOut::Before(phase, wave, id) => space.drop_from_plan(
                "state = 2 AND (phase, wave, source_id) < (?1, ?2, ?3)",
                &[phase, wave, &id.to_storage()],
            ),
            CarriedOut::Through(phase, wave, id) => space.drop_from_plan(
                "state = 2 AND (phase, wave, source_id) <= (?1, ?2, ?3)",
                &[phase, wave, &id.to_storage()],
            ),
            // To empty a table costs next to nothing; to take its rows out one by one does.
            CarriedOut::Everything => {
                let others = "SELECT 1 FROM plan WHERE state < 2 OR state > 2";
                let others = space.connection.prepare_cached(others)?.exists([])?;
                match others {
                    false => space.clear_plan(),
                    true => space.drop_from_plan("state = 2", &[]),
                }
            }
        })
    }

    fn drop_from_plan(&self, condition: &str, parameters: &[&dyn ToSql]) -> Result<(), SpaceError> {
        for sql in [
            "DELETE FROM plan_body WHERE id IN (SELECT body FROM plan WHERE",
            "DELETE FROM plan_unique WHERE entry_id IN (SELECT entry_id FROM plan WHERE",
        ] {
            self.connection.prepare_cached(&format!("{sql} {condition})"))?.execute(parameters)?;
        }
        self.connection.prepare_cached(&format!("DELETE FROM plan WHERE {condition}"))?.execute(parameters)?;
        Ok(())
    }

    /// What has to be looked after.
    ///
    /// # Errors
    /// When the database fails.
    pub fn leftovers(&self) -> Result<Leftovers, SpaceError> {
        let any = |sql: &str| -> Result<bool, SpaceError> { Ok(self.connection.prepare_cached(sql)?.exists([])?) };
        Ok(Leftovers { escrow: any("SELECT 1 FROM escrow")?, waiting: any("SELECT 1 FROM waiting")? })
    }

    /// Keeps the link of an entry, unless another entry has this resource: then nothing is changed, and false returned.
    ///
    /// # Errors
    /// When the database fails.
    pub fn link_unless_taken(&mut self, key: EntryKey, link: &Link) -> Result<bool, SpaceError> {
        match self.set_link(key, link) {
            Ok(()) => Ok(true),
            Err(SpaceError::Database(rusqlite::Error::SqliteFailure(failure, _)))
                if failure.code == ErrorCode::ConstraintViolation
                    && failure.extended_code == ffi::SQLITE_CONSTRAINT_UNIQUE =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps what was exported to the resource that the entry has already; false where it has another or none, and then
    /// nothing is changed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn update_link(&mut self, key: EntryKey, link: &Link) -> Result<bool, SpaceError> {
        let changed = self.write_link(
            "UPDATE link SET anchor = ?4, disabled = ?5, exported = ?6, reference_count = ?7 \
             WHERE entry_id = ?1 AND kind = ?2 AND resource_id = ?3",
            key,
            link,
        )?;
        Ok(changed > 0)
    }
}
