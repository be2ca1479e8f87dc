//! What is kept of an Active Directory between imports: where its changes go on, and how far its controllers had come.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cookie::Vector;
use super::domain::Controller;
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

    /// Why everything is read though there is a mark, where this is how this controller is read now: the beginning of a
    /// sentence for an administrator.
    pub fn why_whole(&self, way: Way, controller: &Controller, now: u64) -> &'static str {
        match (self.way, way) {
            (Way::DirSyncOfVisible, Way::DirSync) => "The account was given more rights",
            (Way::ChangeNumbers, Way::DirSync | Way::DirSyncOfVisible) => "Changes are told by DirSync now",
            (Way::DirSync | Way::DirSyncOfVisible, Way::ChangeNumbers) => "Changes are found by their numbers now",
            (Way::DirSync, Way::DirSyncOfVisible) => "The account has less rights",
            (Way::ChangeNumbers, _) if self.whole_is_due(now) => "A day has passed since all was read",
            (_, _) if self.whole_is_due(now) => "A week has passed since all was read",
            (Way::ChangeNumbers, _) if self.invocation != controller.invocation => {
                "Another controller is read, which counts changes by itself, or the same one was restored"
            }
            _ => "The controller does not know how far all was read, or was restored",
        }
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
    fn why_all_is_read_is_told() {
        let mark = |way| Mark {
            way,
            cookie: Vec::new(),
            invocation: Some("a".into()),
            number: Some(7),
            deletions_told: true,
            listed: 1_000,
            whole: 1_000,
        };
        let controller = |invocation: &str| Controller {
            domain: "DC=lab".into(),
            domain_id: "17".into(),
            invocation: Some(invocation.into()),
            newest_change: Some(9),
            host_name: None,
            dir_sync: true,
            heard: Vector::default(),
            alone: None,
        };
        let why = |from, to, time| mark(from).why_whole(to, &controller("b"), time);
        assert!(why(Way::DirSyncOfVisible, Way::DirSync, 1_001).contains("more rights"));
        assert!(why(Way::ChangeNumbers, Way::DirSync, 1_001).contains("by DirSync"));
        assert!(why(Way::DirSync, Way::ChangeNumbers, 1_001).contains("by their numbers"));
        assert!(why(Way::DirSync, Way::DirSync, 1_000 + WHOLE_BY_DIR_SYNC).contains("A week"));
        assert!(why(Way::ChangeNumbers, Way::ChangeNumbers, 1_000 + WHOLE_EVERY).contains("A day"));
        assert!(why(Way::ChangeNumbers, Way::ChangeNumbers, 1_001).contains("Another controller"));
        assert!(why(Way::DirSync, Way::DirSync, 1_001).contains("does not know"), "the cookie was refused");
        let back = mark(Way::ChangeNumbers).why_whole(Way::ChangeNumbers, &controller("a"), 1_001);
        assert!(back.contains("restored"), "its numbers went back: {back}");
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
