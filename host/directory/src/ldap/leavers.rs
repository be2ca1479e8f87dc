//! Deletions that are held back until all bases have been read, because what left one may have come into another.

use std::collections::{BTreeSet, HashMap};

use provisor_model::{ImportItem, SourceId};

/// The deletions that a feed has named so far.
#[derive(Debug, Default)]
pub(crate) struct Leavers {
    gone: BTreeSet<SourceId>,
    /// Below which base an entry came.
    came: HashMap<SourceId, usize>,
}

impl Leavers {
    /// Takes what a base's feed brought, and gives back all but the deletions. Below one base what comes later counts;
    /// who came below one has not left by leaving another.
    pub fn hold_back(&mut self, base: usize, items: Vec<ImportItem>) -> Vec<ImportItem> {
        let mut others = Vec::with_capacity(items.len());
        for item in items {
            match item {
                ImportItem::Delete(id) => self.leave(base, id),
                item => {
                    if let Some(id) = item.brings() {
                        self.gone.remove(id);
                        self.came.insert(id.clone(), base);
                    }
                    others.push(item);
                }
            }
        }
        others
    }

    /// Takes in that an entry is not below a base any more.
    pub fn leave(&mut self, base: usize, id: SourceId) {
        match self.came.get(&id) {
            Some(other) if *other != base => {}
            _ => {
                self.came.remove(&id);
                self.gone.insert(id);
            }
        }
    }

    /// Some of those that have left, to be looked at; none when there are no more.
    pub fn take(&mut self, count: usize) -> Vec<SourceId> {
        std::iter::from_fn(|| self.gone.pop_first()).take(count).collect()
    }
}

#[cfg(test)]
mod tests {
    use provisor_model::{Anchor, Attributes, Entry, IdSyntax};

    use super::*;

    fn id(number: u8) -> SourceId {
        SourceId::new(IdSyntax::Octets, &[number]).unwrap()
    }

    fn upsert(number: u8) -> ImportItem {
        ImportItem::Upsert(Entry {
            source_id: id(number),
            anchor: Anchor::from(id(number)),
            dn: "dc=example".parse().unwrap(),
            object_class: String::new(),
            attributes: Attributes::default(),
        })
    }

    #[test]
    fn who_moves_from_one_base_to_another_has_not_left_whichever_is_read_first() {
        let mut leavers = Leavers::default();
        assert_eq!(leavers.hold_back(0, vec![upsert(1), ImportItem::Delete(id(2))]).len(), 1);
        assert_eq!(leavers.hold_back(1, vec![ImportItem::Delete(id(1)), upsert(2)]).len(), 1);
        assert_eq!(leavers.take(10), []);
    }

    #[test]
    fn below_one_base_what_comes_later_counts() {
        let mut leavers = Leavers::default();
        leavers.hold_back(0, vec![upsert(1), ImportItem::Delete(id(1)), ImportItem::Delete(id(2)), upsert(2)]);
        assert_eq!(leavers.take(10), [id(1)]);
        assert_eq!(leavers.take(10), []);
    }
}
