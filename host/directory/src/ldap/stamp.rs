//! The times at which a server says that entries were changed (RFC 4512, section 3.4): what narrows a search to changes.

use serde::{Deserialize, Serialize};
use time::{Date, Month, PrimitiveDateTime, Time};

use crate::reading::Raw;
use crate::search::few::texts;

/// When an entry was last modified.
const MODIFIED: &str = "modifyTimestamp";

/// The attributes that hold them.
pub(crate) const STAMPS: &[&str] = &[MODIFIED, "createTimestamp"];

/// How much earlier than the newest change that was seen the next search begins: what the clocks of servers that
/// replicate may differ by, together with the time that a change takes from one to the other.
const MARGIN: time::Duration = time::Duration::minutes(15);

/// A time, to the second, in UTC: fourteen digits, which sort by time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Stamp(String);

impl Stamp {
    /// Reads a GeneralizedTime (RFC 4517, section 3.3.13) in UTC; the part of a second is left out.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.get(..14).filter(|digits| digits.bytes().all(|octet| octet.is_ascii_digit()))?;
        let rest = text.get(14..)?.strip_suffix('Z')?;
        let fraction = rest.strip_prefix(['.', ',']).unwrap_or(rest);
        let plain = fraction.bytes().all(|octet| octet.is_ascii_digit());
        let stamp = Self(digits.to_owned());
        (plain && stamp.time().is_some()).then_some(stamp)
    }

    /// This host's time.
    pub fn now() -> Self {
        Self::of(time::OffsetDateTime::now_utc())
    }

    /// The filter for what was changed since, with the margin.
    pub fn filter(&self) -> Option<String> {
        let from = self.time()?.checked_sub(MARGIN)?;
        let Self(from) = Self::of(from.assume_utc());
        let parts: String = STAMPS.iter().map(|attribute| format!("({attribute}>={from}Z)")).collect();
        Some(format!("(|{parts})"))
    }

    fn of(time: time::OffsetDateTime) -> Self {
        let (date, clock) = (time.date(), time.time());
        Self(format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}",
            date.year(),
            u8::from(date.month()),
            date.day(),
            clock.hour(),
            clock.minute(),
            clock.second()
        ))
    }

    fn time(&self) -> Option<PrimitiveDateTime> {
        let part = |from: usize, to: usize| self.0.get(from..to)?.parse::<u8>().ok();
        let year = self.0.get(..4)?.parse().ok()?;
        let date = Date::from_calendar_date(year, Month::try_from(part(4, 6)?).ok()?, part(6, 8)?).ok()?;
        // A leap second is the one before it.
        let clock = Time::from_hms(part(8, 10)?, part(10, 12)?, part(12, 14)?.min(59)).ok()?;
        Some(PrimitiveDateTime::new(date, clock))
    }
}

impl std::fmt::Display for Stamp {
    /// As a GeneralizedTime, the way the server shows it.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}Z", self.0)
    }
}

/// The newest of the stamps that were seen, and whether they show every change.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    newest: Option<Stamp>,
    /// The newest that is not still to come.
    shown: Option<Stamp>,
    /// When it was begun to look; later times are still to come.
    began: Option<Stamp>,
    missing: bool,
    /// Whether any entry was seen.
    any: bool,
    /// Whether any entry showed when it was last modified: where only the times of creation can be read, no search
    /// finds a modification.
    modified: bool,
}

impl Stamps {
    /// None yet, at this time.
    pub fn beginning(began: Stamp) -> Self {
        Self { began: Some(began), ..Self::default() }
    }

    /// Takes the stamps of an entry in.
    pub fn note(&mut self, raw: &impl Raw) {
        self.any = true;
        self.modified |= texts(raw, MODIFIED).any(|text| Stamp::parse(text).is_some());
        let all = || STAMPS.iter().flat_map(|attribute| texts(raw, attribute)).filter_map(Stamp::parse);
        let past = all().filter(|stamp| self.began.as_ref().is_none_or(|began| stamp <= began)).max();
        self.shown = self.shown.take().max(past);
        let own = all().max();
        match own {
            None => self.missing = true,
            own if own > self.newest => self.newest = own,
            Some(_) => {}
        }
    }

    /// Takes a stamp of earlier in.
    pub fn at_least(&mut self, stamp: &Stamp) {
        if self.newest.as_ref() < Some(stamp) {
            self.newest = Some(stamp.clone());
        }
    }

    /// The newest change that entries showed. A time that is still to come, on an entry of a server whose clock was wrong,
    /// shows nothing.
    pub fn shown(&self) -> Option<&Stamp> {
        self.shown.as_ref()
    }

    /// From when on changes are to be asked for; none where not every entry shows its times, or none its modification. A time that is still to
    /// come, on an entry of a server whose clock was wrong, does not hide what changes until then.
    pub fn from(&self, now: Stamp) -> Option<Stamp> {
        if self.missing || (self.any && !self.modified) {
            None
        } else {
            self.newest.clone().map(|newest| newest.min(now))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::{RawAttribute, RawEntry};

    fn stamp(text: &str) -> Stamp {
        Stamp::parse(text).unwrap()
    }

    fn entry(attributes: &[(&str, &str)]) -> RawEntry {
        let attribute = |(name, value): &(&str, &str)| RawAttribute {
            name: (*name).to_owned(),
            values: vec![value.as_bytes().to_vec()],
        };
        RawEntry { dn: "dc=example".into(), attributes: attributes.iter().map(attribute).collect() }
    }

    #[test]
    fn a_time_is_read_to_the_second() {
        assert_eq!(stamp("20260131235959.123456Z"), stamp("20260131235959Z"));
        for text in ["", "20260131235959", "20261331000000Z", "20260131235959+0100", "20260131Z", "2026013123595éZ"] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_search_begins_some_minutes_before_the_newest_change() {
        let filter = stamp("20260101000959Z").filter().unwrap();
        assert_eq!(filter, "(|(modifyTimestamp>=20251231235459Z)(createTimestamp>=20251231235459Z))");
    }

    #[test]
    fn the_newest_change_counts_but_none_that_is_still_to_come() {
        let mut stamps = Stamps::default();
        stamps.note(&entry(&[("modifytimestamp", "20260102000000Z"), ("createTimestamp", "20250101000000Z")]));
        stamps.note(&entry(&[("createTimestamp", "20260101000000Z")]));
        let now = stamp("20260601000000Z");
        assert_eq!(stamps.from(now.clone()), Some(stamp("20260102000000Z")));
        stamps.at_least(&stamp("20260301000000Z"));
        stamps.at_least(&stamp("20260201000000Z"));
        assert_eq!(stamps.from(now.clone()), Some(stamp("20260301000000Z")));
        stamps.note(&entry(&[("modifyTimestamp", "20990101000000Z")]));
        assert_eq!(stamps.from(now.clone()), Some(now.clone()));
        stamps.note(&entry(&[("cn", "x")]));
        assert_eq!(stamps.from(now), None, "an entry that shows no time may change unseen");
    }

    #[test]
    fn a_time_that_is_still_to_come_does_not_show_how_far_a_server_has_come() {
        let mut stamps = Stamps::beginning(stamp("20260601000000Z"));
        stamps.note(&entry(&[("modifyTimestamp", "20990101000000Z"), ("createTimestamp", "20250101000000Z")]));
        assert_eq!(stamps.shown(), Some(&stamp("20250101000000Z")));
        stamps.note(&entry(&[("modifyTimestamp", "20260102000000Z")]));
        stamps.at_least(&stamp("20260501000000Z"));
        assert_eq!(
            stamps.shown(),
            Some(&stamp("20260102000000Z")),
            "what was told earlier is not shown by this server"
        );
    }

    #[test]
    fn times_of_creation_alone_do_not_show_modifications() {
        let now = stamp("20260601000000Z");
        let mut stamps = Stamps::default();
        stamps.at_least(&stamp("20260101000000Z"));
        assert!(stamps.from(now.clone()).is_some(), "an increment in which nothing changed");
        stamps.note(&entry(&[("createTimestamp", "20260102000000Z")]));
        assert_eq!(stamps.from(now.clone()), None);
        stamps.note(&entry(&[("modifyTimestamp", "20260102000000Z")]));
        assert!(stamps.from(now).is_some());
    }
}
