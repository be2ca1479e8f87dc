//! What the watermark of an LDAP directory holds: for each base, where its changes go on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::csn::Csns;
use super::doubt::Pending;
use super::stamp::Stamp;
use crate::watermark::Known;

/// How long changes may be read by what does not prove to be complete, such as timestamps, before everything is read.
const WHOLE_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Where the changes go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    /// The attribute that identified entries.
    pub source_id: String,
    /// When everything was read last, in seconds since 1970 by this host's clock.
    pub whole: u64,
    /// The server whose marks these are: what only it understands is not sent to others.
    #[serde(default)]
    pub server: String,
    /// For each base.
    pub bases: BTreeMap<String, Mark>,
}

/// Where the changes below one base go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mark {
    /// Behind this cookie of RFC 4533.
    Cookie(String),
    /// Behind a cookie that is no text.
    Octets(Vec<u8>),
    /// At what was changed since, on this server.
    Since {
        /// The newest change that was seen.
        time: Stamp,
        /// Whose time that is.
        server: String,
    },
}

/// What stays known of a directory when its watermark is given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The attribute that identified entries.
    pub source_id: String,
    /// The server that the last complete import was made from.
    pub server: String,
    /// All that were configured then: where none of them is now, this is about another directory.
    pub urls: Vec<String>,
    /// Each base, and where its changes went on.
    pub bases: BTreeMap<String, Option<Mark>>,
    /// The newest change that any server has shown.
    pub newest: Option<Stamp>,
    /// What is waited for before who is missing on that server counts as deleted.
    pub pending: Option<Pending>,
}

impl Standing {
    /// What is known of the directory that these servers keep.
    pub fn read(known: Option<&Known>, urls: &[String]) -> Option<Self> {
        let standing: Self = serde_json::from_slice(known?.octets()).ok()?;
        urls.iter().any(|url| standing.urls.contains(url)).then_some(standing)
    }

    /// Where changes of these bases go on, but not before where they went on already.
    pub fn bases_with(&self, bases: BTreeMap<String, Option<Mark>>) -> BTreeMap<String, Option<Mark>> {
        let merged = |base: &String, mark: Option<Mark>| {
            let earlier = self.bases.get(base).cloned().flatten();
            match (Mark::numbers(earlier.as_ref()), Mark::numbers(mark.as_ref())) {
                (Some(earlier), Some(now)) => Some(Mark::Cookie(earlier.merged(&now).to_cookie())),
                (Some(_), None) => earlier,
                _ => mark,
            }
        };
        bases.into_iter().map(|(base, mark)| (base.clone(), merged(&base, mark))).collect()
    }

    /// In the form in which it is kept.
    pub fn to_known(&self) -> Known {
        // Strings, numbers and lists of them: there is nothing in them that JSON could refuse.
        Known::from_octets(serde_json::to_vec(self).unwrap_or_default())
    }
}

impl Mark {
    /// The mark for a cookie.
    pub fn of_cookie(cookie: Vec<u8>) -> Self {
        match String::from_utf8(cookie) {
            Ok(text) => Self::Cookie(text),
            Err(error) => Self::Octets(error.into_bytes()),
        }
    }

    /// The numbers in an OpenLDAP cookie.
    pub fn numbers(mark: Option<&Self>) -> Option<Csns> {
        match mark {
            Some(Self::Cookie(cookie)) => Csns::from_cookie(cookie),
            _ => None,
        }
    }

    /// The cookie, if it is one.
    pub fn cookie(&self) -> Option<&[u8]> {
        match self {
            Self::Cookie(text) => Some(text.as_bytes()),
            Self::Octets(octets) => Some(octets),
            Self::Since { .. } => None,
        }
    }
}

impl Marks {
    /// Whether it is time to read everything again.
    pub fn whole_is_due(&self, now: u64) -> bool {
        // Also where the clock was set back.
        !(self.whole..self.whole.saturating_add(WHOLE_EVERY.as_secs())).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_again_after_a_day_or_when_the_clock_was_set_back() {
        let marks =
            Marks { source_id: "entryUUID".into(), whole: 1_000_000, server: String::new(), bases: BTreeMap::new() };
        assert!(!marks.whole_is_due(1_000_000));
        assert!(!marks.whole_is_due(1_086_399));
        assert!(marks.whole_is_due(1_086_400));
        assert!(marks.whole_is_due(999_999));
    }

    #[test]
    fn a_cookie_is_kept_octet_by_octet() {
        for cookie in [&b"rid=000,csn=a"[..], b"", b"\xff\x00"] {
            let mark = Mark::of_cookie(cookie.to_vec());
            let stored = serde_json::to_vec(&mark).unwrap();
            let read: Mark = serde_json::from_slice(&stored).unwrap();
            assert_eq!(read.cookie(), Some(cookie));
        }
    }
}
