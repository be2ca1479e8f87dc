//! Who is a member of whom, also where the member tells it or a group is in a group, and what is made of that.

use std::collections::BTreeSet;

use provisor_model::{AttributeLanes, AttributeName, Gathered, Value, ValueView};
use rusqlite::params;
use serde::{Deserialize, Serialize};

use crate::{EntryKey, MetaKey, Space, SpaceError, StoredEntry};

/// The attribute of an entry that has the names of the groups it is a member of.
pub const MEMBER_OF: &str = "member-of";

/// The same with the groups that those are in, at any depth.
pub const NESTED_MEMBER_OF: &str = "member-of;nested";

/// The object class of entries whose members count for the groups that they are in.
const GROUP: &str = "group";

/// What is made of memberships.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memberships {
    /// The attributes by which groups list their members; those by which members tell their group are known.
    pub attributes: BTreeSet<AttributeName>,
    /// Whether those in a group within a group are members of the outer one, in place of the inner group.
    pub flat: bool,
    /// Whether entries have [`MEMBER_OF`].
    pub member_of: bool,
    /// Whether entries have [`NESTED_MEMBER_OF`].
    pub nested_member_of: bool,
}

/// The same as it is kept: attributes in lower case, none where nothing is made of memberships.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct MembershipMode {
    pub attributes: BTreeSet<String>,
    /// Attributes of members that are the other side of those.
    reversed: BTreeSet<String>,
    pub flat: bool,
    direct: bool,
    pub nested: bool,
}

impl MembershipMode {
    /// Whether entries have an attribute with the names of their groups.
    pub fn names_groups(&self) -> bool {
        self.direct || self.nested
    }
}

impl Space {
    /// Reads what is made of memberships.
    pub(crate) fn load_memberships(&mut self) -> Result<(), SpaceError> {
        let kept = self.fact(MetaKey::Memberships)?;
        self.memberships = kept.map(|kept| serde_json::from_slice(&kept)).transpose()?.unwrap_or_default();
        Ok(())
    }

    /// Takes up what is made of memberships; to be told after [`Space::adopt_references_by`]. Where that is something else
    /// than before, everything is evaluated again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn adopt_memberships(&mut self, wanted: &Memberships) -> Result<(), SpaceError> {
        let Memberships { flat, member_of, nested_member_of, .. } = *wanted;
        let attributes: BTreeSet<String> = match flat || member_of || nested_member_of {
            true => self.listing(&wanted.attributes),
            false => BTreeSet::new(),
        };
        let reversed = self.by_value.reversing(&attributes);
        let mode = MembershipMode { attributes, reversed, flat, direct: member_of, nested: nested_member_of };
        if self.memberships == mode {
            return Ok(());
        }
        self.atomically(|space| {
            space.connection.execute_batch("DELETE FROM member_attribute")?;
            space.keep_member_attributes("member_attribute", &mode.attributes, &mode.reversed)?;
            space.set_fact(MetaKey::Memberships, Some(&serde_json::to_vec(&mode)?))?;
            space.mark_all_dirty()
        })?;
        self.memberships = mode;
        Ok(())
    }

    /// Those of these attributes by which groups list members, in lower case.
    pub(crate) fn listing(&self, attributes: &BTreeSet<AttributeName>) -> BTreeSet<String> {
        attributes.iter().map(AttributeName::to_key).filter(|attribute| !self.by_value.tells_group(attribute)).collect()
    }

    /// Fills a table of attributes that tell who is a member of whom.
    pub(crate) fn keep_member_attributes(
        &self,
        table: &str,
        own: &BTreeSet<String>,
        reversed: &BTreeSet<String>,
    ) -> Result<(), SpaceError> {
        let sql = format!("INSERT OR REPLACE INTO {table} (attribute, reversed) VALUES (?1, ?2)");
        let mut statement = self.connection.prepare_cached(&sql)?;
        for (attributes, reversed) in [(own, false), (reversed, true)] {
            for attribute in attributes {
                statement.execute(params![attribute, reversed])?;
            }
        }
        Ok(())
    }

    /// What gives the numbers (`id`) of those whom attribute `?2` of entry `?1` refers to, each once, where that is more
    /// than its own references.
    fn members(&self, attribute: &str) -> Option<String> {
        let reversed = self.by_value.is_reversed(attribute);
        let flat = self.is_flat(attribute);
        if !reversed && !flat {
            return None;
        }
        let mut first =
            "SELECT target AS id FROM reference WHERE referrer = ?1 AND attribute = ?2 AND target IS NOT NULL"
                .to_owned();
        if reversed {
            first += " UNION SELECT referrer FROM reference INDEXED BY reference_target WHERE target = ?1 \
                      AND attribute IN (SELECT attribute FROM reference_by WHERE reverse_of = ?2)";
        }
        if !flat {
            return Some(first);
        }
        let group = format!("CROSS JOIN entry g ON g.id = w.id AND g.object_class = '{GROUP}' AND g.gone = 0");
        let inner = [
            format!(
                "SELECT r.target FROM within w {group} CROSS JOIN reference r ON r.referrer = w.id \
                     AND r.attribute IN (SELECT attribute FROM member_attribute WHERE reversed = 0) WHERE r.target IS NOT NULL"
            ),
            format!(
                "SELECT r.referrer FROM within w {group} CROSS JOIN reference r INDEXED BY reference_target \
                     ON r.target = w.id AND r.attribute IN (SELECT attribute FROM member_attribute WHERE reversed = 1)"
            ),
        ];
        let inner = inner.iter().take(if self.memberships.reversed.is_empty() { 1 } else { 2 });
        let inner: String = inner.map(|step| format!(" UNION {step}")).collect();
        Some(format!("WITH RECURSIVE within (id) AS ({first}{inner}) SELECT id FROM within"))
    }

    fn is_flat(&self, attribute: &str) -> bool {
        self.memberships.flat && self.memberships.attributes.contains(attribute)
    }

    /// Where the numbers of those come from whom attribute `?2` (its name in lower case) of entry `?1` refers to, what they
    /// are called there, and on which condition.
    fn referring(&self, attribute: &str) -> (String, &'static str, &'static str) {
        let own = " WHERE r.referrer = ?1 AND r.attribute = ?2 AND r.target IS NOT NULL";
        match self.members(attribute) {
            None => ("reference r".to_owned(), "r.target", own),
            Some(members) => (format!("({members}) m"), "m.id", ""),
        }
    }

    /// What gives columns of the entries `e` that the attribute refers to, as far as they are in the source; in place of who
    /// stands for somebody, that one.
    pub(crate) fn referred(&self, columns: &str, attribute: &str) -> String {
        let (from, number, condition) = self.referring(attribute);
        let groups = self.but_groups(attribute);
        if self.has_stand_ins() {
            let stood_for = stood_for(number);
            return format!(
                "SELECT DISTINCT {columns} FROM {from} CROSS JOIN entry o ON o.id = {number} AND o.gone = 0 {stood_for} \
                 CROSS JOIN entry e ON e.id = coalesce(q.found, o.id) AND e.gone IN (0, 3){groups}{condition}"
            );
        }
        let distinct = if condition.is_empty() { "" } else { " DISTINCT" };
        format!(
            "SELECT{distinct} {columns} FROM {from} CROSS JOIN entry e ON e.id = {number} AND e.gone = 0{groups}{condition}"
        )
    }

    /// What gives the numbers of the entries that the attribute was resolved to, also of those that have left since.
    pub(crate) fn referred_numbers(&self, attribute: &str) -> String {
        let (from, number, condition) = self.referring(attribute);
        let groups = match self.but_groups(attribute) {
            all if all.is_empty() => all,
            but => format!(" CROSS JOIN entry e ON e.id = {number}{but}"),
        };
        if self.has_stand_ins() {
            let stood_for = stood_for(number);
            return format!("SELECT DISTINCT coalesce(q.found, {number}) FROM {from}{groups} {stood_for}{condition}");
        }
        let distinct = if condition.is_empty() { "" } else { " DISTINCT" };
        format!("SELECT{distinct} {number} FROM {from}{groups}{condition}")
    }

    fn but_groups(&self, attribute: &str) -> String {
        if self.is_flat(attribute) { format!(" AND e.object_class <> '{GROUP}'") } else { String::new() }
    }

    /// The names of the groups that an entry is a member of, in the order of their octets; with `nested` also those that
    /// these are in, at any depth. Nobody is a member of themselves by a circle.
    ///
    /// # Errors
    /// When the database fails.
    pub fn member_of(&self, key: EntryKey, nested: bool) -> Result<Vec<String>, SpaceError> {
        let mut statement = self.connection.prepare_cached(&groups_of(nested))?;
        let names = statement.query_map([key.0], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// The attributes that entries have by their memberships, with their values; none where none were asked for.
    pub(crate) fn computed(&self, key: EntryKey) -> Result<Vec<(AttributeName, Vec<String>)>, SpaceError> {
        let wanted = [(MEMBER_OF, self.memberships.direct, false), (NESTED_MEMBER_OF, self.memberships.nested, true)];
        let wanted = wanted.into_iter().filter(|(_, wanted, _)| *wanted);
        wanted.map(|(name, _, nested)| Ok((name.into(), self.member_of(key, nested)?))).collect()
    }

    /// Gives entries the attributes that they have by their memberships.
    pub(crate) fn compute(&self, entries: &mut [StoredEntry]) -> Result<(), SpaceError> {
        for stored in entries.iter_mut().filter(|stored| self.memberships.names_groups() && !stored.gone) {
            for (name, values) in self.computed(stored.key)? {
                stored.entry.attributes.set(name, values.into_iter().map(Value::Text).collect());
            }
        }
        Ok(())
    }
}

/// What joins whom the entry of this number stands for, as `q.found`.
fn stood_for(number: &str) -> String {
    format!("LEFT JOIN stand_in s ON s.entry_id = {number} LEFT JOIN question q ON q.id = s.question")
}

/// What gives the names of the groups that entry `?1` is in.
fn groups_of(nested: bool) -> String {
    let group = format!("g.object_class = '{GROUP}' AND g.gone = 0");
    let own = "r.attribute IN (SELECT attribute FROM member_attribute WHERE reversed = 0)";
    let told = "r.attribute IN (SELECT attribute FROM member_attribute WHERE reversed = 1)";
    let mut steps = vec![
        format!("SELECT r.referrer FROM reference r INDEXED BY reference_target WHERE r.target = ?1 AND {own}"),
        format!("SELECT r.target FROM reference r WHERE r.referrer = ?1 AND {told} AND r.target IS NOT NULL"),
    ];
    if nested {
        let over = format!("FROM over o CROSS JOIN entry g ON g.id = o.id AND {group} CROSS JOIN reference r");
        steps.push(format!("SELECT r.referrer {over} INDEXED BY reference_target ON r.target = o.id AND {own}"));
        steps.push(format!("SELECT r.target {over} ON r.referrer = o.id AND {told} WHERE r.target IS NOT NULL"));
    }
    format!(
        "WITH RECURSIVE over (id) AS ({}) SELECT g.dn FROM over o CROSS JOIN entry g ON g.id = o.id AND {group} \
         WHERE g.id <> ?1 ORDER BY g.dn",
        steps.join(" UNION ")
    )
}

/// Stored attributes with those that an entry has by its memberships, in the same form.
pub(crate) fn with_computed(stored: &[u8], computed: &[(AttributeName, Vec<String>)]) -> Result<Vec<u8>, SpaceError> {
    let mut lanes = AttributeLanes::new();
    lanes.push_stored(&mut postcard::Deserializer::from_bytes(stored))?;
    let mut gathered = Gathered::new();
    for (name, values) in lanes.get(0).iter() {
        if !computed.iter().any(|(own, _)| own.as_str().eq_ignore_ascii_case(name)) {
            let Ok(()) = gathered.add(&name.into(), values.iter().map(|value| certainly(*value)));
        }
    }
    for (name, values) in computed {
        let Ok(()) = gathered.add(name, values.iter().map(|value| certainly(ValueView::Text(value))));
    }
    Ok(gathered.to_kept()?.into_octets())
}

fn certainly(value: ValueView<'_>) -> Result<ValueView<'_>, std::convert::Infallible> {
    Ok(value)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use provisor_model::MatchingRule;

    use super::*;
    use crate::{ValueReference, membership_marks};

    #[test]
    fn memberships_are_followed_from_one_to_the_next_and_never_through_all() {
        let folder = tempfile::tempdir().unwrap();
        let mut space = Space::open(&folder.path().join("lab.space")).unwrap();
        let rule = MatchingRule::Integer;
        let by = ValueReference { by: "objectSid;rid".into(), rule, reverse_of: Some("member".into()) };
        space.adopt_references_by(&BTreeMap::from([("primaryGroupID".into(), by)])).unwrap();
        let mut asked = vec![groups_of(false), groups_of(true)];
        asked.extend(membership_marks::walks());
        for flat in [false, true] {
            let attributes = BTreeSet::from(["member".into()]);
            space.adopt_memberships(&Memberships { attributes, flat, ..Memberships::default() }).unwrap();
            asked.extend([space.referred("e.id", "member"), space.referred_numbers("member")]);
        }
        for sql in asked {
            let mut statement = space.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let (mut rows, mut steps) = (statement.raw_query(), Vec::new());
            while let Some(row) = rows.next().unwrap() {
                steps.push(row.get::<_, String>(3).unwrap());
            }
            let large = ["reference", "r", "entry", "e", "g"];
            let slow = |step: &&String| {
                let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
                scanned.is_some_and(|table| large.contains(&table)) || step.contains("AUTOMATIC")
            };
            assert_eq!(steps.iter().find(slow), None, "{sql}: {steps:?}");
            assert!(steps.iter().any(|step| step.starts_with("SEARCH r")), "{sql}: {steps:?}");
            // Of all who refer to a large group, most are its members.
            let backwards = steps.iter().filter(|step| step.contains("reference_target"));
            let unsorted = backwards.filter(|step| !step.contains("target=? AND attribute=?")).count();
            assert_eq!(unsorted, 0, "{sql}: {steps:?}");
        }
    }
}
