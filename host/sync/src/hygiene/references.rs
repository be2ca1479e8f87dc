//! References: those that lead to nobody who was read, and groups with too many members.

use std::collections::HashMap;

use super::finding::{FindingKind, Findings, shown};
use super::object::MEMBERS;
use super::roster::{Key, Place, Roster};

/// The most references that wait for their object; each takes some ten octets, and the name it goes by.
const MOST_AWAITED: usize = 5_000_000;

/// The most octets that the names of awaited objects may take.
const MOST_OCTETS: usize = 256 * 1024 * 1024;

/// How many lost references of one attribute are named.
const NAMED: usize = 3;

/// What is awaited, and who refers to it.
#[derive(Debug)]
struct Awaited {
    value: Box<str>,
    by: Vec<(Place, &'static str)>,
}

/// References that lead nowhere, of one attribute of an object.
#[derive(Debug, Default)]
struct Lost {
    count: u64,
    first: Vec<String>,
}

/// The references of all objects.
#[derive(Debug, Default)]
pub(crate) struct References {
    awaited: HashMap<Key, Awaited>,
    /// How many references, and how many octets of names, are in `awaited`.
    waiting: usize,
    octets: usize,
    lost: HashMap<(Place, &'static str), Lost>,
    members: HashMap<(Place, &'static str), u64>,
    /// References that were not looked at, because too many waited already.
    overlooked: u64,
}

impl References {
    /// Notes values of a reference attribute.
    pub fn note<'v>(
        &mut self,
        roster: &Roster,
        place: Place,
        attribute: &'static str,
        values: impl Iterator<Item = &'v str>,
    ) {
        let mut count = 0;
        for value in values {
            count += 1;
            match roster.key_of(value) {
                Some(key) if roster.has(key) => {}
                Some(key) => self.await_object(key, value, (place, attribute)),
                None => self.lost.entry((place, attribute)).or_default().add(value),
            }
        }
        if count > 0 && MEMBERS.contains(&attribute) {
            *self.members.entry((place, attribute)).or_default() += count;
        }
    }

    /// The group itself has come, so that all its members come now: what was said of them before is in it.
    pub fn begin_anew(&mut self, place: Place) {
        for attribute in MEMBERS {
            self.members.remove(&(place, attribute));
        }
    }

    /// Members that left a group again.
    pub fn members_left(&mut self, place: Place, attribute: &'static str, count: usize) {
        if let Some(members) = self.members.get_mut(&(place, attribute)) {
            *members = members.saturating_sub(count as u64);
        }
    }

    fn await_object(&mut self, key: Key, value: &str, by: (Place, &'static str)) {
        if self.waiting >= MOST_AWAITED || self.octets >= MOST_OCTETS {
            self.overlooked += 1;
            return;
        }
        self.waiting += 1;
        let octets = &mut self.octets;
        let awaited = self.awaited.entry(key).or_insert_with(|| {
            *octets += value.len();
            Awaited { value: value.into(), by: Vec::new() }
        });
        awaited.by.push(by);
    }

    /// An object has come: whoever referred to it referred to somebody.
    pub fn came(&mut self, keys: impl Iterator<Item = Key>) {
        for key in keys {
            if let Some(awaited) = self.awaited.remove(&key) {
                self.waiting -= awaited.by.len();
                self.octets -= awaited.value.len();
            }
        }
    }

    /// How many references were not looked at.
    pub fn overlooked(&self) -> u64 {
        self.overlooked
    }

    /// Tells of what leads nowhere, and of groups with more members than `limit`.
    pub fn report(mut self, roster: &Roster, limit: u64, findings: &mut Findings) {
        let mut awaited: Vec<Awaited> = self.awaited.into_values().collect();
        // So that the same are named each time.
        awaited.sort_unstable_by(|one, other| one.value.cmp(&other.value));
        for Awaited { value, by } in awaited {
            for referrer in by {
                self.lost.entry(referrer).or_default().add(&value);
            }
        }
        // Of an object that was spoken of and has not come, there is nothing to tell.
        for ((place, attribute), lost) in self.lost.iter().filter(|((place, _), _)| roster.id(*place).is_some()) {
            let members = self.members.get(&(*place, *attribute)).copied();
            findings.add(FindingKind::Unreachable, attribute, || {
                let first = lost.first.first().map_or("", String::as_str);
                roster.finding(*place, attribute, FindingKind::Unreachable, first, lost.words(members))
            });
        }
        let over = |(_, members): &(&(Place, &'static str), &u64)| **members > limit;
        for ((place, attribute), members) in self.members.iter().filter(over) {
            findings.add(FindingKind::Members, attribute, || {
                let words = format!("The group has {members} members; services take {limit} at most");
                roster.finding(*place, attribute, FindingKind::Members, &members.to_string(), words)
            });
        }
    }
}

impl Lost {
    fn add(&mut self, value: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(shown(value));
        }
    }

    /// What leads nowhere, in words; `of`: how many values the attribute has, where those are counted.
    fn words(&self, of: Option<u64>) -> String {
        let nowhere = "to nothing that is read here: gone, outside of the base and filter, or hidden from the account";
        match (self.count, of) {
            (1, None | Some(1)) => format!("It leads {nowhere}"),
            (count, of) => {
                let of = of.map_or_else(String::new, |of| format!(" of {of}"));
                let more = if count > NAMED as u64 { "; and others" } else { "" };
                format!("{count}{of} lead {nowhere}: {}{more}", self.first.join("; "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::{DnKey, IdSyntax, SourceId};

    use super::super::finding::Finding;
    use super::*;

    #[derive(Default)]
    struct Lab {
        roster: Roster,
        references: References,
    }

    impl Lab {
        fn comes(&mut self, name: &str, members: &[&str]) -> Place {
            let id = SourceId::parse(IdSyntax::Text, name).unwrap();
            let dn = format!("cn={name}");
            let key = DnKey::of(&dn).unwrap();
            let place = self.roster.place(&id).unwrap();
            self.roster.enter(place, &dn, &key, &id, "group");
            self.references.came(self.roster.keys(&key, &id));
            self.references.note(&self.roster, place, "member", members.iter().copied());
            place
        }

        fn found(self, limit: u64) -> Vec<Finding> {
            let mut findings = Findings::default();
            self.references.report(&self.roster, limit, &mut findings);
            findings.finish().0
        }
    }

    #[test]
    fn references_to_who_comes_later_or_came_before_are_sound() {
        let mut lab = Lab::default();
        lab.comes("ada", &[]);
        lab.comes("staff", &["CN=Ada", "cn=bob"]);
        assert_eq!(lab.references.waiting, 1);
        lab.comes("bob", &[]);
        assert_eq!((lab.references.waiting, lab.references.octets), (0, 0));
        assert_eq!(lab.found(10), []);
    }

    #[test]
    fn references_that_lead_nowhere_are_told_group_by_group() {
        let mut lab = Lab::default();
        lab.comes("ada", &[]);
        lab.comes("one", &["cn=gone"]);
        lab.comes("two", &["cn=gone", "cn=ada", "no name", "cn=left", "cn=away", "cn=off"]);
        let findings = lab.found(10);
        assert_eq!(findings.iter().map(|finding| finding.dn.as_str()).collect::<Vec<_>>(), ["cn=one", "cn=two"]);
        assert_eq!(findings[0].value, "cn=gone");
        assert!(findings[0].explanation.starts_with("It leads to nothing that is read here"), "{findings:?}");
        assert!(findings[1].explanation.starts_with("5 of 6 lead to nothing"), "{findings:?}");
        assert!(findings[1].explanation.ends_with(": no name; cn=away; cn=gone; and others"), "{findings:?}");
    }

    #[test]
    fn members_that_come_in_parts_are_counted_together() {
        let mut lab = Lab::default();
        lab.comes("ada", &[]);
        let place = lab.comes("staff", &["cn=ada", "cn=ada"]);
        lab.references.note(&lab.roster, place, "member", ["cn=ada"].into_iter());
        lab.references.note(&lab.roster, place, "manager", ["cn=ada"; 9].into_iter());
        let mut other = Lab { roster: lab.roster, references: lab.references };
        other.references.members_left(place, "member", 1);
        other.references.note(&other.roster, place, "member", ["cn=ada"].into_iter());
        let findings = other.found(2);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].error, findings[0].value.as_str()), (FindingKind::Members, "3"));
    }
}
