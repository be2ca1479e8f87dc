//! What rules see of Active Directory's own kinds of values: each kind is decoded here and nowhere else. A view is an
//! attribute with an option that only this host knows, such as `objectSid;text`.

use std::fmt::Write as _;

use provisor_model::{AttributeName, AttributeSyntax, IdSyntax, Schema, SourceId};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// A way to read the values of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// A security identifier as text: `S-1-5-21-...` (MS-DTYP, section 2.4.2.1).
    SidText,
    /// The last part of a security identifier, which is unique within the domain.
    SidRid,
    /// A GUID as text.
    GuidText,
    /// A time in UTC (RFC 3339), of a number of 100 nanoseconds since 1601 (MS-DTYP, section 2.3.3); none for "never".
    FileTime,
    /// A time in UTC (RFC 3339), of a generalised time (RFC 4517, section 3.3.13).
    GeneralisedTime,
    /// The names of the bits of userAccountControl (MS-ADTS, section 2.2.16).
    AccountFlags,
    /// The names of the bits of groupType (section 2.2.12).
    GroupFlags,
    /// The e-mail addresses among proxy addresses.
    Smtp,
    /// The primary one of them.
    PrimarySmtp,
}

/// Each attribute, option and view.
const VIEWS: &[(&str, &str, View)] = &[
    ("objectSid", "text", View::SidText),
    ("objectSid", "rid", View::SidRid),
    ("sIDHistory", "text", View::SidText),
    ("mS-DS-CreatorSID", "text", View::SidText),
    ("securityIdentifier", "text", View::SidText),
    ("objectGUID", "text", View::GuidText),
    ("mS-DS-ConsistencyGuid", "text", View::GuidText),
    ("msExchMailboxGuid", "text", View::GuidText),
    ("accountExpires", "time", View::FileTime),
    ("pwdLastSet", "time", View::FileTime),
    ("lockoutTime", "time", View::FileTime),
    ("lastLogonTimestamp", "time", View::FileTime),
    ("whenCreated", "time", View::GeneralisedTime),
    ("userAccountControl", "flags", View::AccountFlags),
    ("groupType", "flags", View::GroupFlags),
    ("proxyAddresses", "smtp", View::Smtp),
    ("proxyAddresses", "primary-smtp", View::PrimarySmtp),
];

/// The bits of userAccountControl.
const ACCOUNT_FLAGS: &[(u32, &str)] = &[
    (0x0000_0001, "SCRIPT"),
    (0x0000_0002, "ACCOUNTDISABLE"),
    (0x0000_0008, "HOMEDIR_REQUIRED"),
    (0x0000_0010, "LOCKOUT"),
    (0x0000_0020, "PASSWD_NOTREQD"),
    (0x0000_0040, "PASSWD_CANT_CHANGE"),
    (0x0000_0080, "ENCRYPTED_TEXT_PWD_ALLOWED"),
    (0x0000_0100, "TEMP_DUPLICATE_ACCOUNT"),
    (0x0000_0200, "NORMAL_ACCOUNT"),
    (0x0000_0800, "INTERDOMAIN_TRUST_ACCOUNT"),
    (0x0000_1000, "WORKSTATION_TRUST_ACCOUNT"),
    (0x0000_2000, "SERVER_TRUST_ACCOUNT"),
    (0x0001_0000, "DONT_EXPIRE_PASSWORD"),
    (0x0002_0000, "MNS_LOGON_ACCOUNT"),
    (0x0004_0000, "SMARTCARD_REQUIRED"),
    (0x0008_0000, "TRUSTED_FOR_DELEGATION"),
    (0x0010_0000, "NOT_DELEGATED"),
    (0x0020_0000, "USE_DES_KEY_ONLY"),
    (0x0040_0000, "DONT_REQ_PREAUTH"),
    (0x0080_0000, "PASSWORD_EXPIRED"),
    (0x0100_0000, "TRUSTED_TO_AUTH_FOR_DELEGATION"),
    (0x0400_0000, "PARTIAL_SECRETS_ACCOUNT"),
];

/// The bits of groupType.
const GROUP_FLAGS: &[(u32, &str)] = &[
    (0x0000_0001, "BUILTIN_LOCAL_GROUP"),
    (0x0000_0002, "ACCOUNT_GROUP"),
    (0x0000_0004, "RESOURCE_GROUP"),
    (0x0000_0008, "UNIVERSAL_GROUP"),
    (0x0000_0010, "APP_BASIC_GROUP"),
    (0x0000_0020, "APP_QUERY_GROUP"),
    (0x8000_0000, "SECURITY_ENABLED"),
];

/// The views that somebody asked for, by the attribute in lower case.
#[derive(Debug, Default)]
pub(crate) struct WantedViews(Vec<(String, String, View)>);

impl WantedViews {
    /// Those among these attributes.
    pub fn among<'a>(attributes: impl IntoIterator<Item = &'a AttributeName>) -> Self {
        let found = |name: &AttributeName| {
            let same = |(attribute, option, view): &(&str, &str, View)| {
                let full = format!("{attribute};{option}");
                full.eq_ignore_ascii_case(name.as_str()).then(|| (attribute.to_ascii_lowercase(), full, *view))
            };
            VIEWS.iter().find_map(same)
        };
        Self(attributes.into_iter().filter_map(found).collect())
    }

    /// The views of this attribute, each with its name.
    pub fn of<'s>(&'s self, attribute: &'s str) -> impl Iterator<Item = (&'s str, View)> {
        let same = |(own, ..): &&(String, String, View)| own.eq_ignore_ascii_case(attribute);
        self.0.iter().filter(same).map(|(_, name, view)| (name.as_str(), *view))
    }
}

/// Whether a name is one of a view.
pub(crate) fn is_view(name: &AttributeName) -> bool {
    let same = |(attribute, option, _): &(&str, &str, View)| {
        let own = name.as_str().split_once(';');
        own.is_some_and(|(base, rest)| base.eq_ignore_ascii_case(attribute) && rest.eq_ignore_ascii_case(option))
    };
    VIEWS.iter().any(same)
}

/// Adds the views of the attributes that the schema has: all are text. So is what this host works out besides.
pub(crate) fn add_to(schema: &mut Schema) {
    schema.set(AttributeName::from("primaryGroupToken"), AttributeSyntax::Text);
    for (attribute, option, _) in VIEWS {
        if schema.knows(&AttributeName::from(*attribute)) {
            schema.set(AttributeName::new(format!("{attribute};{option}")), AttributeSyntax::Text);
        }
    }
}

impl View {
    /// What the values come to. One that is not of its kind is left out: there is nothing that could be said of it.
    pub fn of(self, values: &[&[u8]]) -> Vec<Vec<u8>> {
        match self {
            Self::PrimarySmtp => {
                values.iter().find_map(|value| value.strip_prefix(b"SMTP:")).into_iter().map(own).collect()
            }
            Self::Smtp => values.iter().filter_map(|value| smtp(value)).map(own).collect(),
            Self::AccountFlags | Self::GroupFlags => {
                let names = if self == Self::AccountFlags { ACCOUNT_FLAGS } else { GROUP_FLAGS };
                let Some(bits) = values.first().and_then(|value| bits(value)) else { return Vec::new() };
                let set = names.iter().filter(|(bit, _)| bits & bit != 0);
                set.map(|(_, name)| name.as_bytes().to_vec()).collect()
            }
            _ => values.iter().filter_map(|value| self.of_one(value)).map(String::into_bytes).collect(),
        }
    }

    fn of_one(self, value: &[u8]) -> Option<String> {
        match self {
            Self::SidText => sid_text(value),
            Self::SidRid => Some(
                value
                    .last_chunk::<4>()
                    .filter(|_| sid_text(value).is_some())
                    .map(|rid| u32::from_le_bytes(*rid))?
                    .to_string(),
            ),
            Self::GuidText => Some(SourceId::new(IdSyntax::Guid, value).ok()?.to_string()),
            Self::FileTime => file_time(value),
            Self::GeneralisedTime => generalised_time(value),
            Self::AccountFlags | Self::GroupFlags | Self::Smtp | Self::PrimarySmtp => None,
        }
    }
}

fn own(value: &[u8]) -> Vec<u8> {
    value.to_vec()
}

/// The address behind `smtp:`, whatever its letter case.
fn smtp(value: &[u8]) -> Option<&[u8]> {
    let (prefix, address) = value.split_at_checked(5)?;
    prefix.eq_ignore_ascii_case(b"smtp:").then_some(address)
}

/// The bits of a number that is written with its sign.
fn bits(value: &[u8]) -> Option<u32> {
    let number: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    u32::try_from(number).ok().or_else(|| i32::try_from(number).ok().map(i32::cast_unsigned))
}

/// A security identifier: its revision, the count of its parts, its authority in six octets, its parts in four each.
fn sid_text(sid: &[u8]) -> Option<String> {
    let (&[revision, count], rest) = sid.split_first_chunk::<2>()?;
    let (authority, parts) = rest.split_first_chunk::<6>()?;
    if revision != 1 || parts.len() != usize::from(count) * 4 {
        return None;
    }
    let authority = authority.iter().fold(0u64, |sum, octet| (sum << 8) | u64::from(*octet));
    let mut text = format!("S-1-{authority}");
    for part in parts.chunks_exact(4) {
        // Writing into a string does not fail.
        let _ = write!(text, "-{}", u32::from_le_bytes(part.try_into().ok()?));
    }
    Some(text)
}

fn file_time(value: &[u8]) -> Option<String> {
    let ticks: i64 = std::str::from_utf8(value).ok()?.parse().ok()?;
    // Nothing has happened, or nothing ever will.
    if ticks <= 0 || ticks == i64::MAX {
        return None;
    }
    let since = Duration::microseconds(ticks / 10);
    let epoch = OffsetDateTime::from_unix_timestamp(-11_644_473_600).ok()?;
    to_text(epoch.checked_add(since)?)
}

fn generalised_time(value: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(value).ok()?.strip_suffix('Z')?;
    let (whole, _) = text.split_once('.').unwrap_or((text, ""));
    if whole.len() != 14 || !whole.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| whole.get(from..to)?.parse::<u16>().ok();
    let small = |from: usize| part(from, from + 2).and_then(|number| u8::try_from(number).ok());
    let month = time::Month::try_from(small(4)?).ok()?;
    let date = time::Date::from_calendar_date(i32::from(part(0, 4)?), month, small(6)?).ok()?;
    let time = time::Time::from_hms(small(8)?, small(10)?, small(12)?).ok()?;
    to_text(OffsetDateTime::new_utc(date, time))
}

/// To the second: what is finer differs between controllers and helps nobody.
fn to_text(time: OffsetDateTime) -> Option<String> {
    time.replace_nanosecond(0).ok()?.format(&Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(view: View, values: &[&[u8]]) -> Vec<String> {
        view.of(values).into_iter().map(|value| String::from_utf8(value).unwrap()).collect()
    }

    const SID: &[u8] = &[
        1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0xea, 5, 0xbb, 0x65, 0x18, 0xfe, 0x75, 0xf2, 0x77, 0x30, 0x17, 0xbc, 0x50,
        4, 0, 0,
    ];

    #[test]
    fn a_sid_is_shown_as_everybody_writes_it() {
        assert_eq!(seen(View::SidText, &[SID]), ["S-1-5-21-1706755562-4067819032-3155636343-1104"]);
        assert_eq!(seen(View::SidRid, &[SID]), ["1104"]);
        assert_eq!(seen(View::SidText, &[&SID[..27], b"", &[2, 0, 0, 0, 0, 0, 0, 5]]), [""; 0]);
        assert_eq!(seen(View::SidText, &[&[1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]]), ["S-1-1-0"], "everyone");
    }

    #[test]
    fn a_guid_is_shown_with_its_first_fields_reversed() {
        let guid = [0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
        assert_eq!(seen(View::GuidText, &[&guid, b"short"]), ["00112233-4455-6677-8899-aabbccddeeff"]);
    }

    #[test]
    fn times_are_shown_in_one_form_and_never_is_none() {
        assert_eq!(seen(View::FileTime, &[b"133485408000000000"]), ["2024-01-01T00:00:00Z"]);
        assert_eq!(seen(View::FileTime, &[b"116444736000000000"]), ["1970-01-01T00:00:00Z"]);
        let never: [&[u8]; 6] = [b"0", b"9223372036854775807", b"-1", b"x", b"", b"9223372036854775806"];
        assert_eq!(seen(View::FileTime, &never[..5]), [""; 0]);
        assert_eq!(seen(View::FileTime, &never[5..]), [""; 0], "a time that no calendar has");
        assert_eq!(
            seen(View::GeneralisedTime, &[b"20261123052644.0Z", b"20261340000000Z", b"2026"]),
            ["2026-11-23T05:26:44Z"]
        );
    }

    #[test]
    fn bits_are_shown_by_their_names() {
        assert_eq!(seen(View::AccountFlags, &[b"66050"]), ["ACCOUNTDISABLE", "NORMAL_ACCOUNT", "DONT_EXPIRE_PASSWORD"]);
        assert_eq!(seen(View::GroupFlags, &[b"-2147483646"]), ["ACCOUNT_GROUP", "SECURITY_ENABLED"]);
        assert_eq!(seen(View::GroupFlags, &[b"8"]), ["UNIVERSAL_GROUP"]);
        assert_eq!(seen(View::GroupFlags, &[b"many"]), [""; 0]);
    }

    #[test]
    fn addresses_are_shown_without_their_prefix() {
        let values: [&[u8]; 5] = [b"smtp:b@x.example", b"SMTP:a@x.example", b"X500:/o=x", b"sip:a@x", b"smt"];
        assert_eq!(seen(View::Smtp, &values), ["b@x.example", "a@x.example"]);
        assert_eq!(seen(View::PrimarySmtp, &values), ["a@x.example"]);
    }

    #[test]
    fn views_are_found_whatever_the_letter_case() {
        let names = ["OBJECTSID;Text", "objectSid", "cn;text"].map(AttributeName::from);
        let wanted = WantedViews::among(&names);
        assert_eq!(wanted.of("objectsid").map(|(name, _)| name).collect::<Vec<_>>(), ["objectSid;text"]);
        assert!(is_view(&names[0]) && !is_view(&names[1]) && !is_view(&names[2]));
    }

    proptest! {
        #[test]
        fn no_value_makes_it_panic(value: Vec<u8>, digits in "-?[0-9]{0,25}(\\.0)?Z?") {
            for (_, _, view) in VIEWS {
                let _ = view.of(&[&value, digits.as_bytes()]);
            }
        }
    }
}
