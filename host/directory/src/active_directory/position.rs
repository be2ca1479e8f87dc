//! What is kept of an Active Directory between imports: where its changes go on, and how far its controllers had come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cookie::Vector;
use crate::watermark::Known;

/// How changes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// By the numbers of changes (uSNChanged), which each controller has of its own.
    ChangeNumbers,
    /// By DirSync, as far as the account sees.
    DirSyncOfVisible,
    /// By DirSync, with the right to replicate.
    DirSync,
}

/// Where changes go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub way: Way,
    /// DirSync's cookie; empty where it is not used.
    pub cookie: Vec<u8>,
    /// The life of the controller whose numbers these are.
    pub invocation: Option<String>,
    /// Its newest change, before anything was read.
    pub number: Option<u64>,
    /// Whether the controller tells of deletions.
    pub deletions_told: bool,
    /// When all that is there was listed or read last, in seconds since 1970 by this host's clock.
    pub listed: u64,
    /// When all was read last, whole.
    pub whole: u64,
}

/// What stays known of a domain when its watermark is given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// For each address that was read, what its controller knew then.
    servers: BTreeMap<String, Vector>,
}

impl Standing {
    /// What is known of the controllers that are configured: one that is gone for good takes along what it alone knew.
    pub fn read(known: Option<&Known>, urls: &[String]) -> Option<Self> {
        let mut standing: Self = serde_json::from_slice(known?.octets()).ok()?;
        standing.servers.retain(|server, _| urls.contains(server));
        (!standing.servers.is_empty()).then_some(standing)
    }

    /// What the controller behind an address has shown to know.
    pub fn learn(&mut self, server: &str, vector: &Vector) {
        let known = self.servers.entry(server.to_owned()).or_default();
        *known = std::mem::take(known).merged(vector);
    }

    /// All that is known anywhere.
    pub fn vector(&self) -> Vector {
        self.servers.values().fold(Vector::default(), Vector::merged)
    }

    /// In the form in which it is kept.
    pub fn to_known(&self) -> Known {
        // Strings and numbers: there is nothing in them that JSON could refuse.
        Known::from_octets(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// How long changes are read by their numbers, which do not tell all, before everything is read; and how long by DirSync,
/// which does not tell of memberships that end by themselves.
const WHOLE_EVERY: u64 = 24 * 3600;
const WHOLE_BY_DIR_SYNC: u64 = 7 * 24 * 3600;

impl Mark {
    /// Whether it is time to read everything.
    pub fn whole_is_due(&self, now: u64) -> bool {
        let every = if self.way == Way::ChangeNumbers { WHOLE_EVERY } else { WHOLE_BY_DIR_SYNC };
        !(self.whole..self.whole.saturating_add(every)).contains(&now)
    }

    /// Whether it is time to list all that is there, `every` so many seconds.
    pub fn listing_is_due(&self, now: u64, every: u64) -> bool {
        // Also where the clock was set back.
        !(self.listed..self.listed.saturating_add(every)).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_controller_that_is_not_configured_any_more_takes_along_what_it_knew() {
        let (one, two) = ("ldaps://one".to_owned(), "ldaps://two".to_owned());
        let mut standing = Standing::default();
        standing.learn(&one, &Vector::of_one("a", 7));
        let known = standing.to_known();
        assert_eq!(Standing::read(Some(&known), &[two.clone(), one.clone()]), Some(standing.clone()));
        assert_eq!(Standing::read(Some(&known), std::slice::from_ref(&two)), None);
        standing.learn(&two, &Vector::of_one("b", 9));
        standing.learn(&two, &Vector::of_one("b", 8));
        let all = Vector::of_one("a", 7).merged(&Vector::of_one("b", 9));
        assert_eq!(standing.vector(), all, "what was known stays known");
        let left = Standing::read(Some(&standing.to_known()), &[two]).unwrap();
        assert_eq!(left.vector(), Vector::of_one("b", 9), "whatever was read since");
    }

    #[test]
    fn all_is_listed_again_after_a_while_or_when_the_clock_was_set_back() {
        let mark = Mark {
            way: Way::DirSync,
            cookie: Vec::new(),
            invocation: None,
            number: None,
            deletions_told: true,
            listed: 1_000,
            whole: 1_000,
        };
        assert!(!mark.listing_is_due(1_000, 600) && !mark.listing_is_due(1_599, 600));
        assert!(mark.listing_is_due(1_600, 600) && mark.listing_is_due(999, 600));
        assert!(mark.listing_is_due(1_000, 0));
    }
}
