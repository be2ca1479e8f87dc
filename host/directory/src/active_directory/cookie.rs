//! How far controllers have come: numbers of changes by the life of the controller that made them (MS-ADTS, section
//! 3.1.1.1.9), as DirSync's cookies show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::watermark::hexadecimal;

/// More lives of controllers than any domain has had.
const MAX_LIVES: u32 = 10_000;

/// For each life of a controller (invocationId in hexadecimal digits), up to which of its changes all is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Vector(BTreeMap<String, u64>);

impl Vector {
    /// What is known of one controller alone.
    pub fn of_one(invocation: &str, number: u64) -> Self {
        Self(BTreeMap::from([(invocation.to_owned(), number)]))
    }

    /// What a cookie shows; none where it is written in a way that is not known here. To go on from a cookie, nobody has
    /// to understand it.
    pub fn of_cookie(cookie: &[u8]) -> Option<Self> {
        let mut rest = Octets(cookie.strip_prefix(b"MSDS")?);
        if rest.u32()? != 3 {
            return None;
        }
        // When it was made, and two numbers that say nothing.
        rest.take(16)?;
        let length = rest.u32()?;
        rest.take(16)?;
        let own = rest.u64()?;
        let invocation = hexadecimal(rest.take(16)?);
        let mut vector = BTreeMap::from([(invocation, own)]);
        let others = rest.take(usize::try_from(length).ok()?)?;
        if !others.is_empty() {
            vector = Self(vector).merged(&Self::of_replication(others)?).0;
        }
        Some(Self(vector))
    }

    /// What a controller has learnt from others (replUpToDateVector).
    pub fn of_replication(octets: &[u8]) -> Option<Self> {
        let mut others = Octets(octets);
        let mut vector: BTreeMap<String, u64> = BTreeMap::new();
        // The second form has the time of the last synchronisation behind each number.
        let behind = match others.u32()? {
            1 => 0,
            2 => 8,
            _ => return None,
        };
        others.take(4)?;
        let count = others.u32()?;
        if count > MAX_LIVES {
            return None;
        }
        others.take(4)?;
        for _ in 0..count {
            let invocation = hexadecimal(others.take(16)?);
            let number = others.u64()?;
            others.take(behind)?;
            let known = vector.entry(invocation).or_default();
            *known = (*known).max(number);
        }
        Some(Self(vector))
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number that is known of this controller's life.
    pub fn of(&self, invocation: &str) -> Option<u64> {
        self.0.get(invocation).copied()
    }

    /// Whether this one knows all that another knows.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(invocation, number)| self.of(invocation).is_some_and(|own| own >= *number))
    }

    /// What either of two knows.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        for (invocation, number) in &other.0 {
            let known = self.0.entry(invocation.clone()).or_default();
            *known = (*known).max(*number);
        }
        self
    }
}

/// Octets that are read from the front, numbers with their lowest octet first.
struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A cookie as controllers write it.
    fn cookie(own: (u8, u64), others: &[(u8, u64)], form: u32) -> Vec<u8> {
        let mut extra = Vec::new();
        if form > 0 {
            extra.extend(form.to_le_bytes());
            extra.extend([0; 4]);
            extra.extend(u32::try_from(others.len()).unwrap().to_le_bytes());
            extra.extend([0; 4]);
            for (invocation, number) in others {
                extra.extend([*invocation; 16]);
                extra.extend(number.to_le_bytes());
                extra.extend(vec![0xaa; if form == 2 { 8 } else { 0 }]);
            }
        }
        let mut octets = b"MSDS\x03\0\0\0".to_vec();
        octets.extend([0; 16]);
        octets.extend(u32::try_from(extra.len()).unwrap().to_le_bytes());
        octets.extend([0; 16]);
        octets.extend(own.1.to_le_bytes());
        octets.extend([own.0; 16]);
        octets.extend(extra);
        octets
    }

    fn life(number: u8) -> String {
        hexadecimal(&[number; 16])
    }

    #[test]
    fn a_cookie_shows_how_far_its_controller_has_come_and_what_it_knows_of_others() {
        for form in [1, 2] {
            let vector = Vector::of_cookie(&cookie((1, 70), &[(1, 60), (2, 900)], form)).unwrap();
            assert_eq!((vector.of(&life(1)), vector.of(&life(2)), vector.of(&life(3))), (Some(70), Some(900), None));
        }
        assert_eq!(Vector::of_cookie(&cookie((1, 70), &[], 0)).unwrap(), Vector::of_one(&life(1), 70));
        assert_eq!(Vector::of_cookie(b"opaque"), None);
        assert_eq!(Vector::of_cookie(&cookie((1, 70), &[(2, 5)], 3)), None, "a form of the future");
    }

    #[test]
    fn a_controller_has_caught_up_when_it_knows_the_changes_of_all() {
        let known = Vector::of_one("a", 70).merged(&Vector::of_one("b", 5));
        assert!(known.covers(&known));
        assert!(known.clone().merged(&Vector::of_one("a", 71)).covers(&known));
        assert!(!known.covers(&known.clone().merged(&Vector::of_one("a", 71))));
        assert!(!Vector::of_one("a", 1_000).covers(&known));
        assert!(known.covers(&Vector::default()));
    }

    proptest! {
        #[test]
        fn no_cookie_makes_it_panic(cut in 0usize..120, place in 0usize..120, octet: u8) {
            let mut octets = cookie((1, 70), &[(1, 60), (2, 900)], 1);
            octets.truncate(octets.len().saturating_sub(cut));
            if let Some(damaged) = octets.get_mut(place) {
                *damaged = octet;
            }
            let _ = Vector::of_cookie(&octets);
        }
    }
}
