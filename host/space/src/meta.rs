//! Single facts about a connector space.

use rusqlite::{OptionalExtension as _, params};

use crate::{Space, SpaceError};

/// The names under which single facts are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// Where the change feed stands.
    Watermark,
    /// What the last import found out about its source, which outlives the watermark.
    Known,
    /// Which attributes the entries hold.
    Reads,
    /// The source's schema as of the last import.
    Schema,
    /// Under which rules, scope and settings the entries were last evaluated.
    EvaluatedUnder,
    /// Under which rules stored entries were asked about twice, and answered alike.
    ProvedUnder,
    /// Which source the entries come from.
    Source,
    /// Which target the links lead to.
    Target,
    /// What was last known of the target's resource kinds.
    TargetFacts,
    /// From which groups the members in scope were found; absent where that is to be done anew.
    ScopeGroups,
    /// What is made of memberships.
    Memberships,
    /// By what objects of other directories are found at the target.
    CrossReferences,
    /// Words of the last failure of a whole cycle.
    LastError,
    /// The secret of this space by which it is recognised what rules were sent before: 16 octets.
    AnswerKey,
}

impl MetaKey {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Watermark => "watermark",
            Self::Known => "known",
            Self::Reads => "reads",
            Self::Schema => "schema",
            Self::EvaluatedUnder => "evaluated-under",
            Self::ProvedUnder => "proved-under",
            Self::Source => "source",
            Self::Target => "target",
            Self::TargetFacts => "target-facts",
            Self::ScopeGroups => "scope-groups",
            Self::Memberships => "memberships",
            Self::CrossReferences => "cross-references",
            Self::LastError => "last-error",
            Self::AnswerKey => "answer-key",
        }
    }
}

impl Space {
    /// A fact, where it is known.
    ///
    /// # Errors
    /// When the database fails.
    pub fn fact(&self, key: MetaKey) -> Result<Option<Vec<u8>>, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?;
        Ok(statement.query_row([key.as_str()], |row| row.get(0)).optional()?)
    }

    /// Keeps a fact; `None` forgets it.
    ///
    /// # Errors
    /// When the database fails.
    pub fn set_fact(&mut self, key: MetaKey, value: Option<&[u8]>) -> Result<(), SpaceError> {
        match value {
            Some(value) => self
                .connection
                .prepare_cached(
                    "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2",
                )?
                .execute(params![key.as_str(), value])?,
            None => self.connection.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key.as_str()])?,
        };
        Ok(())
    }
}
