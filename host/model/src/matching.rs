//! When two values of a source attribute are the same: the matching rules of LDAP (RFC 4517, section 4.2).

use serde::{Deserialize, Serialize};

use crate::dn::Dn;
use crate::text::prepared;

/// How the values of an attribute are compared for equality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchingRule {
    /// Text without regard to letter case and runs of blanks: `caseIgnoreMatch` and its kin.
    CaseIgnore,
    /// Text with letter case: `caseExactMatch` and its kin.
    CaseExact,
    /// Digits; blanks mean nothing: `numericStringMatch`.
    Numeric,
    /// Telephone numbers: blanks, hyphens and letter case mean nothing.
    Telephone,
    /// Whole numbers of any length.
    Integer,
    /// `TRUE` or `FALSE`.
    Boolean,
    /// Points in time: the same moment is the same, however it is written.
    GeneralizedTime,
    /// Distinguished names.
    Dn,
    /// Octets: every one counts.
    Octets,
}

impl MatchingRule {
    /// The rule that a schema names by its name or OID, where it is one that is known here.
    pub fn of_schema(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "caseignorematch"
            | "2.5.13.2"
            | "caseignoreia5match"
            | "1.3.6.1.4.1.1466.109.114.2"
            | "caseignorelistmatch"
            | "2.5.13.11"
            | "objectidentifiermatch"
            | "2.5.13.0"
            | "uuidmatch"
            | "1.3.6.1.1.16.2" => Self::CaseIgnore,
            "caseexactmatch" | "2.5.13.5" | "caseexactia5match" | "1.3.6.1.4.1.1466.109.114.1" => Self::CaseExact,
            "numericstringmatch" | "2.5.13.8" => Self::Numeric,
            "telephonenumbermatch" | "2.5.13.20" => Self::Telephone,
            "integermatch" | "2.5.13.14" => Self::Integer,
            "booleanmatch" | "2.5.13.13" => Self::Boolean,
            "generalizedtimematch" | "2.5.13.27" => Self::GeneralizedTime,
            "distinguishednamematch" | "2.5.13.1" | "uniquemembermatch" | "2.5.13.23" => Self::Dn,
            "octetstringmatch" | "2.5.13.17" => Self::Octets,
            _ => return None,
        })
    }

    /// The normal form of a value: equal for two values exactly when the rule takes them for the same. A value that the
    /// rule's syntax does not allow is compared by its octets.
    pub fn key(self, value: &[u8]) -> Vec<u8> {
        self.text_key(value).map_or_else(|| value.to_vec(), String::into_bytes)
    }

    fn text_key(self, value: &[u8]) -> Option<String> {
        let text = std::str::from_utf8(value).ok()?;
        Some(match self {
            Self::CaseIgnore => prepared(text, true),
            Self::CaseExact => prepared(text, false),
            Self::Numeric => prepared(text, false).replace(' ', ""),
            Self::Telephone => prepared(text, true).chars().filter(|one| !is_blank_or_hyphen(*one)).collect(),
            Self::Integer => integer(text)?,
            Self::Boolean => text.trim().to_ascii_uppercase(),
            Self::GeneralizedTime => moment(text)?,
            Self::Dn => return text.parse::<Dn>().ok().map(|dn| dn.key().to_text()),
            Self::Octets => return None,
        })
    }
}

/// The hyphens that RFC 4518, section 2.6.3, names.
fn is_blank_or_hyphen(one: char) -> bool {
    matches!(one, ' ' | '-' | '\u{58a}' | '\u{2010}' | '\u{2011}' | '\u{2212}' | '\u{fe63}' | '\u{ff0d}')
}

/// A whole number without what does not change it: a plus sign, zeros in front, the sign of zero.
fn integer(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") })
}

/// A point in time (RFC 4517, section 3.3.13) as seconds since a fixed day, and what follows the point.
fn moment(text: &str) -> Option<String> {
    let (digits, rest) = text.split_at_checked(text.find(|one: char| !one.is_ascii_digit())?)?;
    let number = |from: usize, to: usize| digits.get(from..to)?.parse::<i64>().ok();
    let (year, month, day, hour) = (number(0, 4)?, number(4, 6)?, number(6, 8)?, number(8, 10)?);
    let minute = if digits.len() >= 12 { number(10, 12)? } else { 0 };
    let second = if digits.len() >= 14 { number(12, 14)? } else { 0 };
    if !matches!(digits.len(), 10 | 12 | 14) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let zone_at = rest.find(['Z', '+', '-'])?;
    let (fraction, zone) = rest.split_at_checked(zone_at)?;
    let fraction = match fraction.strip_prefix(['.', ',']) {
        Some(fraction) if !fraction.is_empty() && fraction.bytes().all(|octet| octet.is_ascii_digit()) => {
            fraction.get(..fraction.len().min(9))?
        }
        None if fraction.is_empty() => "",
        _ => return None,
    };
    // The fraction is of the smallest unit that is written: of an hour, a minute or a second.
    let unit: i64 = match digits.len() {
        10 => 3_600,
        12 => 60,
        _ => 1,
    };
    let billionths = format!("{fraction:0<9}").parse::<i64>().ok()? * unit;
    let seconds = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second - offset(zone)?;
    Some(format!("{}.{:09}", seconds + billionths / 1_000_000_000, billionths % 1_000_000_000))
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let hours: i64 = digits.get(..2)?.parse().ok()?;
    let minutes: i64 = match digits.get(2..)? {
        "" => 0,
        minutes if minutes.len() == 2 => minutes.parse().ok()?,
        _ => return None,
    };
    Some(sign * (hours * 3_600 + minutes * 60))
}

/// Days since the first of March of year 0, by which leap days come last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn same(rule: MatchingRule, one: &str, other: &str) -> bool {
        rule.key(one.as_bytes()) == rule.key(other.as_bytes())
    }

    #[test]
    fn values_are_the_same_as_their_rule_has_it() {
        for (rule, one, other) in [
            (MatchingRule::CaseIgnore, " Ada  LOVELACE", "ada lovelace"),
            (MatchingRule::CaseExact, "/home/Ada ", "/home/Ada"),
            (MatchingRule::Numeric, "12 34", "1234"),
            (MatchingRule::Telephone, "+1 555-0100", "+15550100"),
            (MatchingRule::Integer, "007", "7"),
            (MatchingRule::Integer, "-0", "0"),
            (MatchingRule::Boolean, "true", "TRUE"),
            (MatchingRule::GeneralizedTime, "20260101120000Z", "202601011200Z"),
            (MatchingRule::GeneralizedTime, "20260101130000+0100", "20260101120000.000Z"),
            (MatchingRule::GeneralizedTime, "2026010112.5Z", "20260101123000Z"),
            (MatchingRule::GeneralizedTime, "20240229235959-01", "20240301005959Z"),
            (MatchingRule::Dn, "CN=Ada , dc=Lab", "cn=ada,DC=lab"),
            (MatchingRule::Octets, "\u{0}a", "\u{0}a"),
        ] {
            assert!(same(rule, one, other), "{rule:?} {one} {other}");
        }
        for (rule, one, other) in [
            (MatchingRule::CaseIgnore, "ab", "a b"),
            (MatchingRule::CaseExact, "/home/Ada", "/home/ada"),
            (MatchingRule::Integer, "-7", "7"),
            (MatchingRule::Integer, "seven", "Seven"),
            (MatchingRule::GeneralizedTime, "20260101120000Z", "20260101120000.1Z"),
            (MatchingRule::GeneralizedTime, "20250301000000Z", "20250229000000Z0"),
            (MatchingRule::Dn, "cn=a", "cn=b"),
            (MatchingRule::Octets, "A", "a"),
        ] {
            assert!(!same(rule, one, other), "{rule:?} {one} {other}");
        }
        assert_ne!(MatchingRule::CaseIgnore.key(&[0xff]), MatchingRule::CaseIgnore.key(&[0xfe]));
    }

    #[test]
    fn rules_are_known_by_name_and_by_number() {
        assert_eq!(MatchingRule::of_schema("caseExactMatch"), Some(MatchingRule::CaseExact));
        assert_eq!(MatchingRule::of_schema("2.5.13.20"), Some(MatchingRule::Telephone));
        assert_eq!(MatchingRule::of_schema("wordMatch"), None);
    }

    proptest! {
        #[test]
        fn no_value_makes_a_rule_fail_hard(octets in proptest::collection::vec(any::<u8>(), 0..24), text in "[0-9]{8,16}[.,0-9]{0,12}(Z|[+-][0-9]{0,5})") {
            for rule in [
                MatchingRule::CaseIgnore, MatchingRule::Telephone, MatchingRule::Integer, MatchingRule::Boolean,
                MatchingRule::GeneralizedTime, MatchingRule::Dn, MatchingRule::Octets,
            ] {
                let (_, _) = (rule.key(&octets), rule.key(text.as_bytes()));
            }
        }

        #[test]
        fn a_time_is_the_same_in_every_zone(day in 1u32..29, month in 1u32..13, hour in 0u32..24, ahead in 0u32..14) {
            let there = format!("2024{month:02}{day:02}{hour:02}30+{ahead:02}00");
            let shifted = i64::from(hour) - i64::from(ahead);
            let here = format!("2024{month:02}{day:02}{:02}30Z", shifted.rem_euclid(24));
            // The day before, where the clock here is behind midnight.
            let day_before = shifted < 0;
            let equal = MatchingRule::GeneralizedTime.key(there.as_bytes()) == MatchingRule::GeneralizedTime.key(here.as_bytes());
            prop_assert_eq!(equal, !day_before);
        }
    }
}
