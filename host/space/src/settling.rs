//! Which names the entries of an import refer to, and whom they mean once it completes.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::params;

use crate::filling::is_by_value;
use crate::{EntryKey, Space, SpaceError};

/// The references whose name means somebody else than before. The order of the joins is given: by itself SQLite begins with
/// all references, and a cycle is to cost what has changed.
const RETARGETED: &str = "SELECT r.referrer, r.attribute, r.dn_key, r.target, e.id FROM unsettled_name u
     CROSS JOIN entry e ON e.id = (SELECT min(n.id) FROM entry n WHERE n.dn_key = u.dn_key AND n.gone = 0)
     CROSS JOIN reference r ON r.dn_key = u.dn_key AND r.target IS NOT e.id";

/// Who asked for somebody by a name that came or went, in the same order.
const LOOKED_UP: &str = "SELECT l.referrer FROM unsettled_name u CROSS JOIN name_lookup l ON l.dn_key = u.dn_key";

impl Space {
    pub(crate) fn unsettle(&self, dn_key: &[u8]) -> Result<(), SpaceError> {
        self.connection
            .prepare_cached("INSERT OR IGNORE INTO unsettled_name (dn_key) VALUES (?1)")?
            .execute([dn_key])?;
        Ok(())
    }

    /// Keeps which names an entry refers to; names that it referred to before keep what they were resolved to.
    pub(crate) fn store_references(
        &mut self,
        key: EntryKey,
        references: &[(Arc<str>, Vec<u8>)],
        existing: bool,
    ) -> Result<(), SpaceError> {
        let wanted: BTreeSet<(String, Vec<u8>)> =
            references.iter().map(|(attribute, name)| (attribute.to_string(), name.clone())).collect();
        let by_value = references.iter().filter(|(_, name)| is_by_value(name)).map(|(attribute, _)| attribute);
        for attribute in by_value.collect::<BTreeSet<_>>() {
            self.index_value_names(attribute)?;
        }
        let mut present: BTreeSet<(String, Vec<u8>)> = BTreeSet::new();
        if existing {
            let mut statement =
                self.connection.prepare_cached("SELECT attribute, dn_key FROM reference WHERE referrer = ?1")?;
            let mut rows = statement.query([key.0])?;
            while let Some(row) = rows.next()? {
                present.insert((row.get(0)?, row.get(1)?));
            }
        }
        if existing && present != wanted {
            self.rescope_references(key, &present, &wanted)?;
        }
        for (attribute, dn_key) in present.difference(&wanted) {
            self.connection
                .prepare_cached("DELETE FROM reference WHERE referrer = ?1 AND attribute = ?2 AND dn_key = ?3")?
                .execute(params![key.0, attribute, dn_key])?;
        }
        for (attribute, dn_key) in wanted.difference(&present) {
            self.add_reference(key, attribute, dn_key)?;
        }
        Ok(())
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
             INSERT INTO temp.retargeted (referrer, attribute, dn_key, old, new) {RETARGETED};"
        ))?;
        if self.refers_by_value() {
            self.settle_value_names()?;
        }
        self.rescope_retargeted()?;
        self.mark_dirty_among("SELECT referrer FROM temp.retargeted", [])?;
        self.mark_dirty_among(LOOKED_UP, [])?;
        self.connection.execute_batch(
            "UPDATE reference SET target = t.new FROM temp.retargeted t WHERE reference.referrer = t.referrer
                 AND reference.attribute = t.attribute AND reference.dn_key = t.dn_key;
             DELETE FROM temp.retargeted;
             DELETE FROM unsettled_name;",
        )?;
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
        for sql in [RETARGETED, LOOKED_UP] {
            let mut statement = space.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let steps = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
            let scans: Vec<String> = steps.map(Result::unwrap).filter(|step| step.starts_with("SCAN")).collect();
            assert!(scans.iter().all(|step| step.starts_with("SCAN u")) && scans.len() == 1, "{scans:?}");
        }
    }
}
