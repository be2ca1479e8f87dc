//! Who will have a resource once everything is done: one octet for each entry, for all threads.

use std::sync::atomic::{AtomicU8, Ordering};

use provisor_space::{EntryKey, Space};

use crate::SyncError;

/// Not known yet.
const UNKNOWN: u8 = 0;
/// It will have a resource in use.
const THERE: u8 = 1;
/// It will have none.
const NOT_THERE: u8 = 2;
/// It will have a resource in use, but is not in the source, or not among what is read of it: nobody refers to it.
const AWAY: u8 = 3;

/// What is known of who will have a resource, by the numbers of the entries.
pub(crate) struct Prospects(Vec<AtomicU8>);

impl Prospects {
    /// Nothing is known of the entries up to the highest number.
    pub fn new(space: &Space) -> Result<Self, SyncError> {
        let last = usize::try_from(space.last_key()?.number()).unwrap_or_default();
        Ok(Self((0..=last).map(|_| AtomicU8::new(UNKNOWN)).collect()))
    }

    fn of(&self, key: EntryKey) -> Option<&AtomicU8> {
        self.0.get(usize::try_from(key.number()).ok()?)
    }

    /// Whether this entry will have a resource in use; none where that is not known yet.
    pub fn known(&self, key: EntryKey) -> Option<bool> {
        match self.of(key)?.load(Ordering::Relaxed) {
            THERE | AWAY => Some(true),
            NOT_THERE => Some(false),
            _ => None,
        }
    }

    /// Whether a reference to this entry will lead to a resource in use; none where that is not known yet.
    pub fn in_reach(&self, key: EntryKey) -> Option<bool> {
        match self.of(key)?.load(Ordering::Relaxed) {
            THERE => Some(true),
            NOT_THERE | AWAY => Some(false),
            _ => None,
        }
    }

    /// Keeps whether this entry, which is in the source, will have a resource in use.
    pub fn set(&self, key: EntryKey, there: bool) {
        self.set_standing(key, there, true);
    }

    /// Keeps whether this entry will have a resource in use, and whether it is in the source.
    pub fn set_standing(&self, key: EntryKey, there: bool, in_source: bool) {
        if let Some(place) = self.of(key) {
            let known = match (there, in_source) {
                (true, true) => THERE,
                (true, false) => AWAY,
                (false, _) => NOT_THERE,
            };
            place.store(known, Ordering::Relaxed);
        }
    }

    /// The same, asked of the space where it is not known: then it is as it is now, and as the stored plan has it.
    pub fn ask(&self, space: &Space, key: EntryKey) -> Result<bool, SyncError> {
        match self.known(key) {
            Some(there) => Ok(there),
            None => Ok(space.standing_of(key)?.provisioned),
        }
    }
}
