//! What is kept of an Active Directory between imports: where its changes go on, and how far its controllers had come.

use serde::{Deserialize, Serialize};

use super::cookie::Vector;
use crate::watermark::Known;

/// How changes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Way {
    /// By DirSync, with the right to replicate.
    DirSync,
    /// By DirSync, as far as the account sees.
    DirSyncOfVisible,
    /// By the numbers of changes (uSNChanged), which each controller has of its own.
    ChangeNumbers,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The controller that was read last.
    pub server: String,
    /// All changes that were known to whichever controller was read.
    pub vector: Vector,
}

impl Standing {
    /// What is known, as long as the controller that it was learnt from is among those that are configured: one that is
    /// gone for good takes along what it alone knew.
    pub fn read(known: Option<&Known>, urls: &[String]) -> Option<Self> {
        let standing: Self = serde_json::from_slice(known?.octets()).ok()?;
        urls.contains(&standing.server).then_some(standing)
    }

    /// In the form in which it is kept.
    pub fn to_known(&self) -> Known {
        // Strings and numbers: there is nothing in them that JSON could refuse.
        Known::from_octets(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// How long changes are read by their numbers, which do not tell all, before everything is read.
const WHOLE_EVERY: u64 = 24 * 3600;

impl Mark {
    /// Whether it is time to read everything, where numbers alone tell what changed.
    pub fn whole_is_due(&self, now: u64) -> bool {
        !(self.whole..self.whole.saturating_add(WHOLE_EVERY)).contains(&now)
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
        let standing = Standing { server: "ldaps://one".into(), vector: Vector::of_one("a", 7) };
        let known = standing.to_known();
        assert_eq!(Standing::read(Some(&known), &["ldaps://two".into(), "ldaps://one".into()]), Some(standing));
        assert_eq!(Standing::read(Some(&known), &["ldaps://two".into()]), None);
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
