//! Which names the entries of an import refer to, and whom they mean once it completes.

use std::collections::BTreeSet;

use provisor_model::{DnKey, SourceId};
use rusqlite::params;

use crate::changes::Reference;
use crate::filling::is_by_value;
use crate::{EntryKey, Space, SpaceError};

/// The references whose name means somebody else than before. The order of the joins is given: by itself SQLite begins with
/// all references, and a cycle is to cost what has changed.
const RETARGETED: &str = "SELECT r.referrer, r.attribute, r.dn_key, r.target, e.id FROM unsettled_name u
     CROSS JOIN entry e ON e.id = (SELECT min(n.id) FROM entry n WHERE n.dn_key = u.dn_key AND n.gone = 0)
     CROSS JOIN reference r ON r.dn_key = u.dn_key AND r.target IS NOT e.id";

/// The same of the references by id. They mean who has the id, also while that is gone, in case it comes back.
const RETARGETED_BY_ID: &str = "SELECT r.referrer, r.attribute, r.dn_key, r.target, e.id FROM unsettled_name u
     CROSS JOIN entry e ON e.source_id = substr(u.dn_key, 2)
     CROSS JOIN reference r ON r.dn_key = u.dn_key AND r.target IS NOT e.id
     WHERE u.dn_key >= x'FE' AND u.dn_key < x'FF'";

/// Who asked for somebody by a name that came or went, in the same order.
const LOOKED_UP: &str = "SELECT l.referrer FROM unsettled_name u CROSS JOIN name_lookup l ON l.dn_key = u.dn_key";

impl Space {
    pub(crate) fn unsettle(&self, dn_key: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO unsettled_name (dn_key) VALUES (?1)")?
            .execute([dn_key])?;
        Ok(())
    }

    /// The same for the names that mean an entry by its id, which is given as it is stored.
    pub(crate) fn unsettle_id(&self, source_id: &[u8]) -> Result<(), SpaceError> {
        match DnKey::of_id(&SourceId::from_storage(source_id)?) {
            Some(name) => self.unsettle(name.octets()),
            None => Ok(()),
        }
    }

    /// Keeps which names an entry refers to; names that it referred to before keep what they were resolved to.
    pub(crate) fn store_references(
        &mut self,
        key: EntryKey,
        references: &[Reference],
        existing: bool,
    ) -> Result<(), SpaceError> {
        let wanted: BTreeSet<Reference> = references.iter().cloned().collect();
        if !existing {
            return self.add_references(key, &wanted);
        }
        let mut statement =
            self.connection.prepare_cached("SELECT attribute, dn_key FROM reference WHERE referrer = ?1")?;
        let rows = statement.query_map([key.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let present = rows.collect::<Result<BTreeSet<Reference>, _>>()?;
        drop(statement);
        let (came, went) = (&wanted - &present, &present - &wanted);
        self.exchange_references(key, &came, &went)
    }

    /// Keeps that an entry refers to some names more and to some no longer; the others keep what they were resolved to.
    pub(crate) fn exchange_references(
        &mut self,
        key: EntryKey,
        came: &BTreeSet<Reference>,
        went: &BTreeSet<Reference>,
    ) -> Result<(), SpaceError> {
        if came.is_empty() && went.is_empty() {
            return Ok(());
        }
        let listed = self.rescope_unnamed(key, went)?;
        self.wake_parted(key, went)?;
        for (attribute, dn_key) in went {
            self.connection
                .prepare_cached("DELETE FROM reference WHERE referrer = ?1 AND attribute = ?2 AND dn_key = ?3")?
                .execute(params![key.0, attribute, dn_key])?;
        }
        self.add_references(key, came)?;
        self.rescope_listing(key, listed)
    }

    fn add_references(&mut self, key: EntryKey, references: &BTreeSet<Reference>) -> Result<(), SpaceError> {
        let by_value = references.iter().filter(|(_, name)| is_by_value(name)).map(|(attribute, _)| attribute);
        for attribute in by_value.collect::<BTreeSet<_>>() {
            self.index_value_names(attribute)?;
        }
        references.iter().try_for_each(|(attribute, name)| self.add_reference(key, attribute, name))
    }

    /// Notes a reference; whom it means is found out when the import completes.
    pub(crate) fn add_reference(&self, key: EntryKey, attribute: &str, name: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO reference (referrer, attribute, dn_key) VALUES (?1, ?2, ?3)")?
            .execute(params![key.0, attribute, name])?;
        self.unsettle(name)
    }

    /// Resolves the references whose name, or whose object, came with this import.
    pub(crate) fn settle_names(&mut self) -> Result<(), SpaceError> {
        // A name means who has it now, also where it meant somebody else before. Which references change is noted first,
        // so that who is to be evaluated again is known.
        self.connection.execute_batch(&format!(
            "DELETE FROM temp.retargeted;
             INSERT INTO temp.retargeted (referrer, attribute, dn_key, old, new) {RETARGETED};
             INSERT INTO temp.retargeted (referrer, attribute, dn_key, old, new) {RETARGETED_BY_ID};"
        ))?;
        if self.refers_by_value() {
            self.settle_value_names()?;
        }
        self.wake_retargeted()?;
        self.mark_dirty_among("SELECT referrer FROM temp.retargeted", [])?;
        self.mark_dirty_among(LOOKED_UP, [])?;
        self.connection.execute_batch(
            "UPDATE reference SET target = t.new FROM temp.retargeted t WHERE reference.referrer = t.referrer
                 AND reference.attribute = t.attribute AND reference.dn_key = t.dn_key;",
        )?;
        self.rescope_retargeted()?;
        self.connection.execute_batch("DELETE FROM temp.retargeted; DELETE FROM unsettled_name;")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settling_names_goes_through_what_changed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::open(&folder.path().join("lab.space")).unwrap();
        for (sql, first) in [(RETARGETED, "SCAN u"), (LOOKED_UP, "SCAN u"), (RETARGETED_BY_ID, "SEARCH u")] {
            let mut statement = space.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let scans = steps.iter().filter(|step| step.starts_with("SCAN")).all(|step| step.starts_with(first));
            assert!(scans && steps.iter().filter(|step| step.starts_with(first)).count() == 1, "{steps:?}");
        }
    }
}
