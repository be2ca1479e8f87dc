//! What an inspection finds: what is wrong with which value of which object, and what may be done about it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The most findings that are kept with all they say; of the others only how many there are.
const MOST: usize = 50_000;

/// The most findings of one sort that are kept, so that one mistake made everywhere does not hide the others.
const MOST_OF_A_SORT: usize = 10_000;

/// The most octets of text that are kept in all: what is kept must fit into one answer.
const MOST_OCTETS: usize = 32 * 1024 * 1024;

/// The longest value that is shown whole, in characters.
const SHOWN: usize = 256;

/// What is wrong. The words are those that administrators know from IdFix, and some for what it did not look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A character that may not stand in the value.
    Character,
    /// The value is not of the form it should have.
    Format,
    /// A mail domain that the Internet does not know.
    TopLevelDomain,
    /// What is behind the at sign is no domain.
    DomainPart,
    /// What is before the at sign cannot stand there.
    LocalPart,
    /// The value is too long.
    Length,
    /// Another object has the value too.
    Duplicate,
    /// There is nothing where something has to be.
    Blank,
    /// Two attributes that have to be the same are not.
    MailMatch,
    /// The target has the value already, on a resource that is not this object's.
    Conflict,
    /// A reference leads to what is not read.
    Unreachable,
    /// A group has more members than services take.
    Members,
    /// Two objects would be one and the same to the target.
    Anchor,
}

impl FindingKind {
    /// The word for tables and files; the same as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Character => "character",
            Self::Format => "format",
            Self::TopLevelDomain => "top-level-domain",
            Self::DomainPart => "domain-part",
            Self::LocalPart => "local-part",
            Self::Length => "length",
            Self::Duplicate => "duplicate",
            Self::Blank => "blank",
            Self::MailMatch => "mail-match",
            Self::Conflict => "conflict",
            Self::Unreachable => "unreachable",
            Self::Members => "members",
            Self::Anchor => "anchor",
        }
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Something that is wrong with a value of an object, or with the lack of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The object.
    pub dn: String,
    /// Its source id.
    pub id: String,
    /// Its object class, as the configuration calls it.
    pub class: String,
    /// The attribute.
    pub attribute: String,
    /// What is wrong.
    pub error: FindingKind,
    /// The value, cut where it is long; empty where there is none.
    pub value: String,
    /// What is wrong with it, in words.
    pub explanation: String,
    /// What could stand there; none where that is for a person to know. It is never written by itself.
    pub suggestion: Option<String>,
}

/// How many findings of one sort there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingCount {
    /// What is wrong.
    pub error: FindingKind,
    /// The attribute.
    pub attribute: String,
    /// How many.
    pub count: u64,
}

/// What has been found so far: all of it counted, and kept as far as there is room.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    kept: Vec<Finding>,
    octets: usize,
    counts: BTreeMap<(FindingKind, &'static str), u64>,
}

impl Findings {
    /// Counts a finding, and keeps what `words` says of it where there is room.
    pub fn add(&mut self, error: FindingKind, attribute: &'static str, words: impl FnOnce() -> Finding) {
        let count = self.counts.entry((error, attribute)).or_default();
        *count += 1;
        if *count > MOST_OF_A_SORT as u64 || self.kept.len() >= MOST || self.octets >= MOST_OCTETS {
            return;
        }
        let finding = words();
        self.octets += finding.octets();
        self.kept.push(finding);
    }

    /// How many there are in all.
    pub fn found(&self) -> u64 {
        self.counts.values().sum()
    }

    /// What was found, object by object, and how many there are of each sort.
    pub fn finish(mut self) -> (Vec<Finding>, Vec<FindingCount>) {
        self.kept.sort_unstable();
        let count = |((error, attribute), count): (&(FindingKind, &'static str), &u64)| FindingCount {
            error: *error,
            attribute: (*attribute).to_owned(),
            count: *count,
        };
        let counts = self.counts.iter().map(count).collect();
        (self.kept, counts)
    }
}

impl Finding {
    /// How much text it holds, about.
    fn octets(&self) -> usize {
        let texts = [&self.dn, &self.id, &self.class, &self.attribute, &self.value, &self.explanation];
        let suggestion = self.suggestion.as_ref().map_or(0, String::len);
        texts.into_iter().map(String::len).sum::<usize>() + suggestion
    }
}

/// A value as it is shown: of bearable length, and without what could steer a terminal.
pub(crate) fn shown(value: &str) -> String {
    let plain = |one: char| if one.is_control() { '\u{fffd}' } else { one };
    let mut text: String = value.chars().take(SHOWN).map(plain).collect();
    if value.chars().nth(SHOWN).is_some() {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(dn: &str) -> Finding {
        Finding {
            dn: dn.into(),
            id: String::new(),
            class: "user".into(),
            attribute: "mail".into(),
            error: FindingKind::Length,
            value: String::new(),
            explanation: String::new(),
            suggestion: None,
        }
    }

    #[test]
    fn one_mistake_made_everywhere_does_not_hide_the_others() {
        let mut findings = Findings::default();
        for _ in 0..MOST_OF_A_SORT + 5 {
            findings.add(FindingKind::Length, "mail", || finding("cn=a"));
        }
        findings.add(FindingKind::Blank, "displayName", || finding("cn=b"));
        assert_eq!(findings.found(), MOST_OF_A_SORT as u64 + 6);
        let (kept, counts) = findings.finish();
        assert_eq!(kept.len(), MOST_OF_A_SORT + 1);
        assert_eq!(counts.iter().map(|count| count.count).collect::<Vec<_>>(), [MOST_OF_A_SORT as u64 + 5, 1]);
    }

    #[test]
    fn what_is_kept_is_bounded_by_its_octets_and_the_rest_is_counted() {
        let mut findings = Findings::default();
        let long = "x".repeat(MOST_OCTETS / 4);
        for _ in 0..9 {
            findings.add(FindingKind::Length, "mail", || finding(&long));
        }
        assert_eq!(findings.found(), 9);
        assert_eq!(findings.finish().0.len(), 4);
    }

    #[test]
    fn a_shown_value_is_cut_and_steers_no_terminal() {
        assert_eq!(shown("a\u{1b}[2J"), "a\u{fffd}[2J");
        assert_eq!(shown(&"é".repeat(SHOWN)), "é".repeat(SHOWN));
        assert_eq!(shown(&"é".repeat(SHOWN + 1)), "é".repeat(SHOWN) + "…");
    }

    #[test]
    fn the_words_of_tables_are_those_of_json() {
        for kind in [FindingKind::Character, FindingKind::TopLevelDomain, FindingKind::MailMatch, FindingKind::Anchor] {
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }
}
