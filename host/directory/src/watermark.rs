//! The watermark: where a source's change feed stands, and what the imports that led there had read.

use std::collections::BTreeSet;

use provisor_model::AttributeName;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where a source's change feed stands. The octets are for the source alone to understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watermark(Vec<u8>);

impl Watermark {
    /// A watermark from the octets that [`Self::octets`] gave. Any octets are allowed: what is no watermark of the
    /// source only leads to a full import.
    pub fn from_octets(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets to keep.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// What the last completed import found out about its source, which stays true where its watermark is given up: how
/// entries are identified, and how far which server had come. The octets are for the source alone to understand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known(Vec<u8>);

impl Known {
    /// From the octets that [`Self::octets`] gave. Any octets are allowed: what is not understood is not known.
    pub fn from_octets(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The octets to keep.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }
}

/// What a watermark holds, with the mark `M` of the source's own kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position<M = String> {
    /// What the entries were read with, apart from the attributes; other options need another reading.
    fingerprint: String,
    /// The attributes that were read, by their keys.
    attributes: BTreeSet<String>,
    /// The source's own mark, such as a file's digest; none where each import must read everything.
    pub mark: Option<M>,
}

impl<M: Serialize + DeserializeOwned> Position<M> {
    /// A position that was reached by reading these attributes.
    pub fn new(fingerprint: String, attributes: &BTreeSet<AttributeName>, mark: Option<M>) -> Self {
        Self { fingerprint, attributes: attributes.iter().map(AttributeName::to_key).collect(), mark }
    }

    /// The mark to go on from, where the watermark was made with the same options and covers these attributes.
    pub fn resume(watermark: Option<&Watermark>, fingerprint: &str, attributes: &BTreeSet<AttributeName>) -> Option<M> {
        Self::resume_or_why(watermark, fingerprint, attributes).ok()
    }

    /// The same; where there is none, why, as the beginning of a sentence for an administrator.
    pub fn resume_or_why(
        watermark: Option<&Watermark>,
        fingerprint: &str,
        attributes: &BTreeSet<AttributeName>,
    ) -> Result<M, &'static str> {
        let position = Self::read(watermark).ok_or("What was kept of the last import cannot be understood")?;
        if position.fingerprint != fingerprint {
            return Err("The directory or its settings under [source] are others than at the last import");
        }
        if !attributes.iter().all(|name| position.attributes.contains(&name.to_key())) {
            return Err("More attributes are read than at the last import");
        }
        position.mark.ok_or("The last import left nothing to go on from")
    }

    /// The position that a watermark holds, if it is one of this kind of source.
    pub fn read(watermark: Option<&Watermark>) -> Option<Self> {
        serde_json::from_slice(&watermark?.0).ok()
    }

    /// Whether the entries were read with what this is the fingerprint of.
    pub fn was_made_with(&self, fingerprint: &str) -> bool {
        self.fingerprint == fingerprint
    }

    /// The watermark that holds this position.
    pub fn to_watermark(&self) -> Watermark {
        // Strings, numbers and lists of them: there is nothing in them that JSON could refuse.
        Watermark(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// A digest over the options that decide what an entry looks like once it is read.
pub(crate) fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    hexadecimal(&digest.finalize())
}

/// Octets in hexadecimal digits.
pub(crate) fn hexadecimal(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> BTreeSet<AttributeName> {
        list.iter().map(|name| AttributeName::from(*name)).collect()
    }

    #[test]
    fn a_watermark_serves_where_it_covers_what_is_asked_for() {
        let position: Position = Position::new("options".into(), &names(&["cn", "mail"]), Some("mark".into()));
        let watermark = position.to_watermark();
        let resume = |fingerprint, attributes: &[&str]| {
            Position::<String>::resume(Some(&watermark), fingerprint, &names(attributes))
        };
        assert_eq!(resume("options", &["CN"]).as_deref(), Some("mark"));
        assert_eq!(resume("options", &["cn", "sn"]), None, "sn was never read");
        assert_eq!(resume("others", &["cn"]), None, "the options changed");
    }

    #[test]
    fn why_a_watermark_does_not_serve_is_told() {
        let watermark = |mark| Position::new("options".into(), &names(&["cn"]), mark).to_watermark();
        let why = |watermark: &Watermark, fingerprint, attributes: &[&str]| {
            Position::<String>::resume_or_why(Some(watermark), fingerprint, &names(attributes)).unwrap_err()
        };
        let whole = watermark(Some("mark".to_owned()));
        assert!(why(&whole, "others", &["cn"]).contains("settings"));
        assert!(why(&whole, "options", &["cn", "sn"]).contains("attributes"));
        assert!(why(&watermark(None), "options", &["cn"]).contains("nothing to go on from"));
        assert!(why(&Watermark::from_octets(b"{}".to_vec()), "options", &["cn"]).contains("cannot be understood"));
    }

    #[test]
    fn what_is_no_watermark_does_not_serve() {
        for octets in [&b""[..], b"{}", b"\xff\x00", b"{\"fingerprint\":\"f\"}"] {
            let watermark = Watermark::from_octets(octets.to_vec());
            assert_eq!(Position::<String>::resume(Some(&watermark), "f", &BTreeSet::new()), None);
        }
    }

    #[test]
    fn the_parts_of_a_fingerprint_do_not_run_together() {
        assert_ne!(fingerprint(["ab", "c"]), fingerprint(["a", "bc"]));
    }
}
