//! The plan of a cycle: stored, so that memory does not grow with it and a crash loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{OperationKind, Reason, ResourceId, SourceId, TargetPath, TargetValue};
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use crate::entries::{STORED_JOINS, stored, stored_columns, stored_octets};
use crate::{EntryKey, Space, SpaceError, StoredEntry, rows};

/// How far a planned operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanState {
    /// A resource is wanted; whether there is one at the target is to be found out.
    Unmatched,
    /// References differ; whether that makes a change depends on the rest of the plan.
    Candidate,
    /// To be carried out; those whose request is out have an intent.
    Ready,
}

impl PlanState {
    fn number(self) -> i64 {
        match self {
            Self::Unmatched => 0,
            Self::Candidate => 1,
            Self::Ready => 2,
        }
    }
}

/// What a planned operation is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedBody {
    /// The name of the resource type.
    pub kind: String,
    /// The resource, where it is known.
    pub resource_id: Option<ResourceId>,
    /// What the target has of it: as last exported, or as just read.
    pub baseline: BTreeMap<TargetPath, TargetValue<SourceId>>,
    /// The references that the target has, by its own ids and the kinds that it tells, until it is known whose they are.
    pub remote_references: BTreeMap<TargetPath, BTreeSet<(ResourceId, Option<String>)>>,
    /// What it shall have.
    pub desired: BTreeMap<TargetPath, TargetValue<SourceId>>,
    /// What is set besides when it is created.
    pub on_create: BTreeMap<TargetPath, TargetValue<SourceId>>,
    /// Which plugin set what.
    pub contributions: BTreeMap<TargetPath, String>,
    /// All candidates of `first-unique`, in order.
    pub alternatives: BTreeMap<TargetPath, Vec<String>>,
    /// Why, where it is not the entry's attributes alone.
    pub reason: Option<Reason>,
    /// What a person should know about it.
    pub notes: Vec<String>,
    /// Whether the externalId of a joined resource is still to be set.
    pub set_external_id: bool,
    /// What stands in the way while the resource is there.
    pub obstacle: Option<Reason>,
    /// What is done where nobody else keeps the resource after all.
    pub instead: Option<OperationKind>,
}

/// An operation of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The entry that it is for.
    pub key: EntryKey,
    /// What is done.
    pub operation: OperationKind,
    /// What it is made of.
    pub body: PlannedBody,
}

/// Where an operation stands in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanPlace {
    /// The source id of its entry.
    pub source_id: SourceId,
    phase: u32,
    wave: u32,
}

/// An operation of the plan with what making the plan needs of its entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanRow {
    /// The operation.
    pub planned: Planned,
    /// Its place.
    pub place: PlanPlace,
    /// Whether the outcome of the entry's last request is unknown.
    pub uncertain: bool,
    /// Whether its resource is disabled.
    pub disabled: bool,
}

impl Space {
    /// Puts an operation into the plan, in place of what was planned for the entry.
    ///
    /// # Errors
    /// When the database fails.
    pub fn put_plan(&mut self, planned: &Planned, source_id: &SourceId, state: PlanState) -> Result<(), SpaceError> {
        let connection = &self.connection;
        // Bodies are large and are put one behind the other; what changes while the plan is made is small.
        let body = connection
            .prepare_cached("INSERT INTO plan_body (body) VALUES (?1)")?
            .insert([postcard::to_stdvec(&planned.body)?])?;
        let source_id = source_id.to_storage();
        // Whether a resource can be disabled is known before it is looked at who refers to it.
        let wave = u32::from(state == PlanState::Candidate && planned.operation != OperationKind::Disable);
        let values = params![
            planned.key.0,
            source_id,
            planned.operation.as_str(),
            planned.body.kind,
            planned.body.resource_id.as_ref().map(ResourceId::as_str),
            state.number(),
            body,
            wave,
        ];
        let columns = "INTO plan (entry_id, source_id, operation, kind, resource_id, state, body, wave) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        if connection.prepare_cached(&format!("INSERT OR IGNORE {columns}"))?.execute(values)? == 0 {
            connection.prepare_cached(DROP_BODY)?.execute([planned.key.0])?;
            connection.prepare_cached(&format!("REPLACE {columns}"))?.execute(values)?;
        }
        Ok(())
    }

    /// Takes the operation for an entry out of the plan.
    ///
    /// # Errors
    /// When the database fails.
    pub fn remove_plan(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        for sql in [DROP_BODY, "DELETE FROM plan WHERE entry_id = ?1", "DELETE FROM plan_unique WHERE entry_id = ?1"] {
            self.connection.prepare_cached(sql)?.execute([key.0])?;
        }
        Ok(())
    }

    /// Drops the whole plan.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) fn clear_plan(&mut self) -> Result<(), SpaceError> {
        Ok(self.connection.execute_batch("DELETE FROM plan; DELETE FROM plan_body; DELETE FROM plan_unique;")?)
    }

    /// What is planned for an entry.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn planned_operation(&self, key: EntryKey) -> Result<Option<OperationKind>, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT operation FROM plan WHERE entry_id = ?1")?;
        let mut rows = statement.query([key.0])?;
        rows.next()?.map_or(Ok(None), |row| operation(&row.get::<_, String>(0)?).map(Some))
    }

    /// Whether the operation for another entry is for this resource.
    ///
    /// # Errors
    /// When the database fails.
    pub fn planned_for_another(&self, key: EntryKey, kind: &str, id: &ResourceId) -> Result<bool, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT 1 FROM plan WHERE resource_id = ?1 AND kind = ?2 AND entry_id <> ?3")?;
        Ok(statement.exists(params![id.as_str(), kind, key.0])?)
    }

    /// The operation that is planned for an entry.
    ///
    /// # Errors
    /// When the database fails or the row is damaged.
    pub fn planned(&self, key: EntryKey) -> Result<Option<Planned>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT p.entry_id, p.operation, b.body FROM plan p JOIN plan_body b ON b.id = p.body WHERE p.entry_id = ?1",
        )?;
        let mut rows = statement.query([key.0])?;
        rows.next()?.map_or(Ok(None), |row| planned(row, 0).map(Some))
    }

    /// Operations in this state, in source-id order, those behind `after` first, with their entries.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn plan_page(
        &self,
        state: PlanState,
        after: Option<&SourceId>,
        limit: usize,
    ) -> Result<Vec<(Planned, StoredEntry)>, SpaceError> {
        // What is sought has neither phase nor wave, so that the index gives it in order.
        let condition = match state {
            PlanState::Unmatched => "p.phase = 0 AND p.wave = 0",
            PlanState::Candidate | PlanState::Ready => "1",
        };
        let after = after.map(SourceId::to_storage).unwrap_or_default();
        self.read_plan(
            &format!("p.state = ?1 AND {condition} AND p.source_id > ?2 ORDER BY p.source_id LIMIT ?3"),
            params![state.number(), after, i64::try_from(limit).unwrap_or(i64::MAX)],
        )
    }

    /// Operations in this state without their entries, those behind `after` first: of candidates what disables comes
    /// first, then source-id order; what is ready in the order in which it is carried out.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn plan_rows(
        &self,
        state: PlanState,
        after: Option<&PlanPlace>,
        limit: usize,
    ) -> Result<Vec<PlanRow>, SpaceError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT p.entry_id, p.operation, b.body, p.source_id, p.phase, p.wave, i.entry_id IS NOT NULL, coalesce(l.disabled, 0) \
             FROM plan p JOIN plan_body b ON b.id = p.body LEFT JOIN intent i ON i.entry_id = p.entry_id \
             LEFT JOIN link l ON l.entry_id = p.entry_id \
             WHERE p.state = ?1 AND (p.phase, p.wave, p.source_id) > (?2, ?3, ?4) \
             ORDER BY p.phase, p.wave, p.source_id LIMIT ?5",
        )?;
        let (phase, wave, id) = after.map_or((-1, -1, Vec::new()), |place| {
            (i64::from(place.phase), i64::from(place.wave), place.source_id.to_storage())
        });
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut given = statement.query(params![state.number(), phase, wave, id, limit])?;
        let (mut found, mut octets) = (Vec::new(), 0);
        while octets <= rows::PAGE_OCTETS
            && let Some(row) = given.next()?
        {
            octets += rows::octets(row, 2)?;
            found.push(PlanRow {
                planned: planned(row, 0)?,
                place: PlanPlace {
                    source_id: SourceId::from_storage(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?)?,
                    phase: row.get(4)?,
                    wave: row.get(5)?,
                },
                uncertain: row.get(6)?,
                disabled: row.get(7)?,
            });
        }
        Ok(found)
    }

    /// The operations that meet a condition with their entries, as many as may be in memory at once.
    pub(crate) fn read_plan(
        &self,
        condition: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<(Planned, StoredEntry)>, SpaceError> {
        let sql = format!(
            "SELECT {}, p.entry_id, p.operation, b.body FROM plan p JOIN plan_body b ON b.id = p.body \
             LEFT JOIN entry e ON e.id = p.entry_id {STORED_JOINS} WHERE {condition}",
            stored_columns()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let mut given = statement.query(parameters)?;
        let (mut found, mut octets) = (Vec::new(), 0);
        while octets <= rows::PAGE_OCTETS
            && let Some(row) = given.next()?
        {
            octets += rows::octets(row, STORED_COLUMNS + 2)? + stored_octets(row)?;
            if row.get::<_, Option<i64>>(0)?.is_none() {
                return Err(SpaceError::Damaged("the plan names an entry that is not there".into()));
            }
            found.push((planned(row, STORED_COLUMNS)?, stored(row)?));
        }
        Ok(found)
    }

    /// How many operations are planned, by kind.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn plan_counts(&self) -> Result<BTreeMap<OperationKind, u64>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT operation, count(*) FROM plan GROUP BY operation")?;
        let mut rows = statement.query([])?;
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            counts.insert(operation(&row.get::<_, String>(0)?)?, row.get::<_, i64>(1)?.cast_unsigned());
        }
        Ok(counts)
    }

    /// How many resources are planned to be deleted or disabled, by their kind.
    ///
    /// # Errors
    /// When the database fails.
    pub fn plan_leaving(&self) -> Result<BTreeMap<String, u64>, SpaceError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT kind, count(*) FROM plan WHERE operation IN ('delete', 'disable') GROUP BY kind")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The resource kinds of the operations in this state, with how many there are of each.
    ///
    /// # Errors
    /// When the database fails.
    pub fn plan_kinds(&self, state: PlanState) -> Result<BTreeMap<String, u64>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT kind, count(*) FROM plan WHERE state = ?1 GROUP BY kind")?;
        let rows =
            statement.query_map([state.number()], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Takes the body of what is planned for an entry away.
const DROP_BODY: &str = "DELETE FROM plan_body WHERE id = (SELECT body FROM plan WHERE entry_id = ?1)";

/// How many columns [`stored_columns`] names.
const STORED_COLUMNS: usize = 14;

/// The columns that [`planned`] reads.
pub(crate) const PLANNED_COLUMNS: &str = "p.entry_id, p.operation, b.body";

/// Reads [`PLANNED_COLUMNS`] from `first` on.
pub(crate) fn planned(row: &Row<'_>, first: usize) -> Result<Planned, SpaceError> {
    Ok(Planned {
        key: EntryKey(row.get(first)?),
        operation: operation(row.get_ref(first + 1)?.as_str().map_err(rusqlite::Error::from)?)?,
        body: postcard::from_bytes(row.get_ref(first + 2)?.as_blob().map_err(rusqlite::Error::from)?)?,
    })
}

fn operation(word: &str) -> Result<OperationKind, SpaceError> {
    OperationKind::from_word(word)
        .ok_or_else(|| SpaceError::Damaged(format!("the plan holds an unknown operation \"{word}\"")))
}
