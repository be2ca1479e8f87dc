//! What the target is asked about objects of other directories, and its answers.

use provisor_model::{ResourceId, TargetPath, fold_case};
use rusqlite::params;

use crate::intents::pause;
use crate::{CrossReference, EntryKey, Space, SpaceError};

/// What the target is asked: which resource has this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    id: i64,
    /// The kind of the resource.
    pub kind: String,
    /// Its attribute.
    pub path: TargetPath,
    /// The value, as it was first given.
    pub value: String,
    /// The resource that had it when it was last asked.
    pub known: Option<ResourceId>,
}

/// From when on a resource that was found is looked at again, in milliseconds: it may be somebody else's by then. Up to
/// as much again is added, so that not all come at once.
const CONFIRMED: i64 = 43_200_000;

impl Space {
    /// The number of a question, which is new where it was never asked.
    pub(crate) fn ask(&self, rule: &CrossReference, value: &str) -> Result<i64, SpaceError> {
        let (attribute, folded) = (rule.attribute.to_key(), fold_case(value));
        self.connection
            .prepare_cached(
                "INSERT OR IGNORE INTO question (attribute, folded, value, kind, path) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![attribute, folded, value, rule.kind, rule.path.as_str()])?;
        let mut statement = self.connection.prepare_cached(
            "SELECT id FROM question WHERE attribute = ?1 AND folded = ?2 AND kind = ?3 AND path = ?4",
        )?;
        Ok(statement.query_row(params![attribute, folded, rule.kind, rule.path.as_str()], |row| row.get(0))?)
    }

    /// Questions whose time has come (milliseconds since 1970): those that were never asked (`new`), or those of which
    /// somebody waits for another answer.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn questions_due(&self, now: i64, new: bool, limit: usize) -> Result<Vec<Question>, SpaceError> {
        let of_whom = if new {
            "q.found IS NULL AND q.attempts = 0"
        } else {
            "(q.found IS NOT NULL OR q.attempts > 0) AND (EXISTS (SELECT 1 FROM stand_in s WHERE s.question = q.id) \
             OR EXISTS (SELECT 1 FROM lookup k WHERE k.attribute = q.attribute AND k.value = q.folded))"
        };
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT q.id, q.kind, q.path, q.value, coalesce(f.resource_id, l.resource_id) FROM question q \
             LEFT JOIN foreign_resource f ON f.entry_id = q.found LEFT JOIN link l ON l.entry_id = q.found \
             WHERE q.next <= ?1 AND {of_whom} ORDER BY q.next, q.id LIMIT ?2"
        ))?;
        let mut rows = statement.query(params![now, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let path: String = row.get(2)?;
            let path =
                path.parse().map_err(|error: provisor_model::PathError| SpaceError::Damaged(error.to_string()))?;
            let known = row.get::<_, Option<String>>(4)?.map(ResourceId::new);
            found.push(Question { id: row.get(0)?, kind: row.get(1)?, path, value: row.get(3)?, known });
        }
        Ok(found)
    }

    /// Lets every question be asked again now, and forgets those that nobody asks any more.
    ///
    /// # Errors
    /// When the database fails.
    pub fn ask_anew(&mut self) -> Result<(), SpaceError> {
        Ok(self.connection.execute_batch(
            "DELETE FROM question WHERE NOT EXISTS (SELECT 1 FROM stand_in s WHERE s.question = question.id) \
             AND NOT EXISTS (SELECT 1 FROM lookup k WHERE k.attribute = question.attribute AND k.value = question.folded); \
             UPDATE question SET next = 0;",
        )?)
    }

    /// Nobody is meant any more by what meant an entry that is forgotten: its number may be another's next.
    pub(crate) fn lose_answer(&mut self, key: EntryKey) -> Result<(), SpaceError> {
        let asked: Vec<i64> = self
            .connection
            .prepare_cached("UPDATE question SET found = NULL, next = 0 WHERE found = ?1 RETURNING id")?
            .query_map([key.0], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        asked.into_iter().try_for_each(|question| self.wake_question(question))
    }

    /// Keeps the answer: the resource that has the value, or that none has. Who refers to it is evaluated again where
    /// that is another than before; whether it is, is returned. Where nobody has it, it is asked again after a pause
    /// that grows, but for who `only_looks`, after whom the next cycle asks.
    ///
    /// # Errors
    /// When the database fails.
    pub fn answer(
        &mut self,
        question: &Question,
        found: Option<&ResourceId>,
        now: i64,
        only_looks: bool,
    ) -> Result<bool, SpaceError> {
        self.atomically(|space| {
            let found = found.map(|resource| space.holder_of(&question.kind, resource)).transpose()?;
            let (before, attempts): (Option<i64>, u64) = space
                .connection
                .prepare_cached("SELECT found, attempts FROM question WHERE id = ?1")?
                .query_row([question.id], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            let (attempts, wait) = match found {
                Some(_) => (0, CONFIRMED + question.id.wrapping_mul(7_919_000) % CONFIRMED),
                None if only_looks => (attempts, 0),
                None => (attempts + 1, pause(attempts + 1)),
            };
            // Not again in this cycle.
            let next = now + wait.max(1);
            space
                .connection
                .prepare_cached("UPDATE question SET found = ?2, attempts = ?3, next = ?4 WHERE id = ?1")?
                .execute(params![question.id, found.map(EntryKey::number), attempts.cast_signed(), next])?;
            let changed = before != found.map(EntryKey::number);
            if changed {
                space.wake_question(question.id)?;
            }
            Ok(changed)
        })
    }

    /// Keeps that a question could not be answered: what was known holds, and it is asked again after a pause, or in
    /// the next cycle behind who `only_looks`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn postpone(&mut self, question: &Question, now: i64, only_looks: bool) -> Result<(), SpaceError> {
        if only_looks {
            self.connection
                .prepare_cached("UPDATE question SET next = ?2 WHERE id = ?1")?
                .execute([question.id, now + 1])?;
            return Ok(());
        }
        let attempts: i64 = self
            .connection
            .prepare_cached("UPDATE question SET attempts = attempts + 1 WHERE id = ?1 RETURNING attempts")?
            .query_row([question.id], |row| row.get(0))?;
        self.connection
            .prepare_cached("UPDATE question SET next = ?2 WHERE id = ?1")?
            .execute([question.id, now + pause(attempts.cast_unsigned()).max(1)])?;
        Ok(())
    }

    /// Asks for the evaluation of who refers to whom a question is about.
    pub(crate) fn wake_question(&mut self, question: i64) -> Result<(), SpaceError> {
        let stand_ins: Vec<i64> = self
            .connection
            .prepare_cached("SELECT entry_id FROM stand_in WHERE question = ?1")?
            .query_map([question], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for key in stand_ins {
            self.mark_referrers_dirty(EntryKey(key))?;
        }
        self.mark_dirty_among(
            "SELECT k.referrer FROM question q JOIN lookup k ON k.attribute = q.attribute AND k.value = q.folded \
             WHERE q.id = ?1",
            [question],
        )
    }
}
