//! Whatever happens to random objects, against what follows from them in the plainest way.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{Dn, Entry, EntryChange, ImportItem, Value, ValueChange};
use provisor_space::{MEMBER_OF, NESTED_MEMBER_OF, Space, SpaceError};

use crate::lab::{Store, Thing, by_id, dirty, id, import, key, members};

/// All that rules and the target get to see of an object and that hangs on others.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    members: BTreeSet<u128>,
    direct: Vec<String>,
    nested: Vec<String>,
    in_scope: bool,
}

/// What the source holds, and what follows from it, worked out in the plainest way.
#[derive(Clone, Default)]
struct Lab {
    things: BTreeMap<u128, Thing>,
    /// Where units stand that were renamed.
    units: BTreeMap<u128, u128>,
}

impl Lab {
    /// Who is in which group, as far as both are there.
    fn edges(&self) -> BTreeSet<(u128, u128)> {
        let mut edges = BTreeSet::new();
        for (own, thing) in &self.things {
            let there = thing.members.iter().filter(|member| self.things.contains_key(member));
            edges.extend(there.map(|member| (*own, *member)));
            let mut holders = self.things.iter().filter(|(_, other)| other.rid.is_some() && other.rid == thing.primary);
            if let (Some((group, _)), None) = (holders.next(), holders.next()) {
                edges.insert((*group, *own));
            }
        }
        edges
    }

    fn is_group(&self, own: u128) -> bool {
        self.things.get(&own).is_some_and(|thing| thing.group)
    }

    fn reached(&self, first: BTreeSet<u128>, next: impl Fn(u128) -> Vec<u128>) -> BTreeSet<u128> {
        let (mut reached, mut open) = (first.clone(), first.into_iter().collect::<Vec<_>>());
        while let Some(one) = open.pop() {
            if self.is_group(one) {
                open.extend(next(one).into_iter().filter(|other| reached.insert(*other)));
            }
        }
        reached
    }

    fn seen(&self, own: u128, flat: bool, roots: &[u128], nested_scope: bool) -> Seen {
        let edges = self.edges();
        let below = |group: u128| edges.iter().filter(|(g, _)| *g == group).map(|(_, m)| *m).collect::<Vec<_>>();
        let over = |member: u128| edges.iter().filter(|(_, m)| *m == member).map(|(g, _)| *g).collect::<Vec<_>>();
        let mut members: BTreeSet<u128> = below(own).into_iter().collect();
        if flat {
            members = self.reached(members, below);
            members.retain(|member| !self.is_group(*member));
        }
        let names = |groups: BTreeSet<u128>| {
            let groups = groups.into_iter().filter(|group| *group != own && self.is_group(*group));
            groups.map(|group| self.things[&group].dn(&self.units)).collect::<BTreeSet<_>>().into_iter().collect()
        };
        let direct: BTreeSet<u128> = over(own).into_iter().collect();
        // The scope goes by who has members, whatever the object class.
        let mut groups: BTreeSet<u128> = roots.iter().copied().collect();
        if nested_scope {
            let holders: BTreeSet<u128> = edges.iter().map(|(group, _)| *group).collect();
            let inner = |groups: &BTreeSet<u128>| {
                let inner = edges.iter().filter(|(group, member)| groups.contains(group) && holders.contains(member));
                inner.map(|(_, member)| *member).collect::<BTreeSet<_>>()
            };
            while !inner(&groups).is_subset(&groups) {
                groups.extend(inner(&groups));
            }
        }
        let in_scope = groups.contains(&own) || over(own).iter().any(|group| groups.contains(group));
        Seen { members, nested: names(self.reached(direct.clone(), over)), direct: names(direct), in_scope }
    }
}

/// Numbers that look drawn at random, the same for a seed each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u128 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u128::from((self.0 >> 33) % bound)
    }

    fn thing(&mut self, own: u128) -> Thing {
        let members = (0..self.below(4)).map(|_| 1 + self.below(THINGS)).collect();
        let rid = (self.below(3) == 0).then(|| self.below(3));
        let primary = (self.below(2) == 0).then(|| self.below(3));
        Thing { group: self.below(3) > 0, name: own + 100 * self.below(2), unit: self.below(2), members, rid, primary }
    }

    /// Something that happens in the source, and how the feed tells of it. A feed has every object where it stands in the
    /// end, so only the first event may move others.
    fn event(&mut self, lab: &mut Lab, first: bool) -> ImportItem {
        let own = 1 + self.below(THINGS);
        let thing = self.thing(own);
        match (self.below(8), lab.things.get_mut(&own)) {
            (0, _) => {
                lab.things.remove(&own);
                ImportItem::Delete(id(own))
            }
            (1, _) => {
                lab.things.remove(&own);
                ImportItem::Excluded(id(own))
            }
            (2, _) if first => {
                let unit = self.below(2);
                let name = unit + 10 * self.below(3);
                lab.units.insert(unit, name);
                let dn: Dn = format!("ou=u{name},dc=lab").parse().unwrap();
                let entry = Thing::new(false, 0).entry(1000 + unit, &BTreeMap::new());
                ImportItem::Upsert(Entry { dn, ..entry })
            }
            (3..6, Some(known)) => {
                let (more, fewer) = (1 + self.below(THINGS), 1 + self.below(THINGS));
                known.members.remove(&fewer);
                known.members.insert(more);
                known.primary = thing.primary;
                known.name = thing.name;
                let primary = thing.primary.map(|primary| Value::Text(primary.to_string()));
                let edited = ValueChange::Edited { added: vec![by_id(more)], removed: vec![by_id(fewer)] };
                let primary = ValueChange::Replaced(primary.into_iter().collect());
                let dn = Some(known.dn(&lab.units).parse().unwrap());
                let attributes = vec![("member".into(), edited), ("primaryGroupID".into(), primary)];
                ImportItem::Changed(EntryChange {
                    source_id: id(own),
                    dn,
                    anchor: None,
                    object_class: None,
                    attributes,
                })
            }
            _ => {
                lab.things.insert(own, thing.clone());
                ImportItem::Upsert(thing.entry(own, &lab.units))
            }
        }
    }
}

/// How many objects there are in the random labs.
const THINGS: u64 = 9;

fn found(space: &Space, own: u128, (direct, nested): (bool, bool)) -> Seen {
    let stored = space.entry_by_source_id(&id(own)).unwrap().unwrap();
    let texts = |name: &str, asked: bool| {
        let held = stored.entry.attributes.values(&name.into());
        let held: Vec<String> = held.iter().map(|value| value.as_text().unwrap().to_owned()).collect();
        let all = space.member_of(stored.key, name == NESTED_MEMBER_OF).unwrap();
        assert_eq!(held, if asked { all.clone() } else { vec![] });
        held
    };
    Seen {
        members: members(space, own),
        direct: texts(MEMBER_OF, direct),
        nested: texts(NESTED_MEMBER_OF, nested),
        in_scope: space.in_scope_groups(stored.key).unwrap(),
    }
}

#[test]
fn whatever_happens_memberships_are_right_and_whoever_sees_others_is_evaluated_again() {
    for seed in 0..32_u64 {
        let mut numbers = Numbers(seed);
        let (flat, direct, nested) = (seed & 1 != 0, seed & 2 != 0, seed & 4 != 0);
        let nested_scope = seed & 8 != 0;
        let mut store = Store::new(flat, direct, nested);
        store
            .space
            .atomically(|space| -> Result<(), SpaceError> {
                let mut lab = Lab::default();
                let units = (0..2).map(|unit| Entry {
                    dn: format!("ou=u{unit},dc=lab").parse().unwrap(),
                    ..Thing::new(false, 0).entry(1000 + unit, &BTreeMap::new())
                });
                let mut items: Vec<ImportItem> = units.map(ImportItem::Upsert).collect();
                // The scope's groups stay.
                lab.things.insert(50, Thing::group(50, &[1, 2]).with_rid(2));
                items.push(ImportItem::Upsert(lab.things[&50].entry(50, &lab.units)));
                import(space, &items);
                let mut before: BTreeMap<u128, Seen> = BTreeMap::new();
                for round in 0..60 {
                    let count = 1 + numbers.below(4);
                    let items: Vec<ImportItem> = (0..count).map(|place| numbers.event(&mut lab, place == 0)).collect();
                    import(space, &items);
                    let roots = [key(space, 50)];
                    space.settle_scope_groups(&roots, nested_scope, &BTreeSet::from(["member".into()]))?;
                    let marked = dirty(space);
                    for own in lab.things.keys() {
                        let seen = found(space, *own, (direct, nested));
                        let mut wanted = lab.seen(*own, flat, &[50], nested_scope);
                        wanted.direct.retain(|_| direct);
                        wanted.nested.retain(|_| nested);
                        assert_eq!(seen, wanted, "seed {seed}, round {round}, {own}: {items:?}");
                        let changed = before.insert(*own, seen.clone()).is_none_or(|before| before != seen);
                        assert!(!changed || marked.contains(own), "seed {seed}, round {round}, {own}: {items:?}");
                    }
                    before.retain(|own, _| lab.things.contains_key(own));
                }
                Ok(())
            })
            .unwrap();
    }
}
