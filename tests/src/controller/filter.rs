//! Search filters (RFC 4511, section 4.5.1.7), with the matching rules that Active Directory adds.

use std::collections::BTreeSet;

use anyhow::{Result, bail};

use super::ber::{Parts, text};
use super::guid::Guid;
use super::read::{NameForm, comparable};
use super::replica::{Object, Replica};
use super::schema::{self, Attribute, Kind, Syntax};

const BITS_AND: &str = "1.2.840.113556.1.4.803";
const BITS_OR: &str = "1.2.840.113556.1.4.804";
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// A filter.
#[derive(Clone, Debug)]
pub(super) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Equal(String, Vec<u8>),
    /// Pieces of text: at the beginning, anywhere in this order, at the end.
    Pieces(String, Vec<(u8, String)>),
    AtLeast(String, Vec<u8>),
    AtMost(String, Vec<u8>),
    Present(String),
    /// A matching rule by its OID.
    Rule(String, String, String),
}

impl Filter {
    /// Reads a filter.
    pub fn read(tag: u8, content: &[u8]) -> Result<Self> {
        let mut parts = Parts(content);
        let mut assertion =
            || -> Result<(String, Vec<u8>)> { Ok((parts.text()?, parts.expect(super::ber::OCTETS)?.to_vec())) };
        Ok(match tag {
            0xa0 => Self::And(Self::list(content)?),
            0xa1 => Self::Or(Self::list(content)?),
            0xa2 => match Self::list(content)?.pop() {
                Some(inner) => Self::Not(Box::new(inner)),
                None => bail!("a negation of nothing"),
            },
            0xa3 => assertion().map(|(name, value)| Self::Equal(name, value))?,
            0xa4 => Self::pieces(content)?,
            0xa5 => assertion().map(|(name, value)| Self::AtLeast(name, value))?,
            0xa6 => assertion().map(|(name, value)| Self::AtMost(name, value))?,
            0x87 => Self::Present(text(content)),
            // Active Directory takes approximate matches for equal ones.
            0xa8 => assertion().map(|(name, value)| Self::Equal(name, value))?,
            0xa9 => Self::rule(content)?,
            _ => bail!("an unknown filter {tag:#x}"),
        })
    }

    fn list(content: &[u8]) -> Result<Vec<Self>> {
        let mut parts = Parts(content);
        let mut list = Vec::new();
        while let Some((tag, content)) = parts.next()? {
            list.push(Self::read(tag, content)?);
        }
        Ok(list)
    }

    fn pieces(content: &[u8]) -> Result<Self> {
        let mut parts = Parts(content);
        let name = parts.text()?;
        let mut inner = Parts(parts.expect(super::ber::SEQUENCE)?);
        let mut pieces = Vec::new();
        while let Some((tag, piece)) = inner.next()? {
            pieces.push((tag, text(piece).to_lowercase()));
        }
        Ok(Self::Pieces(name, pieces))
    }

    fn rule(content: &[u8]) -> Result<Self> {
        let mut parts = Parts(content);
        let rule = parts.optional(0x81)?.map(text).unwrap_or_default();
        let name = parts.optional(0x82)?.map(text).unwrap_or_default();
        Ok(Self::Rule(rule, name, text(parts.expect(0x83)?)))
    }

    /// Whether an object meets it; none where that cannot be said. An attribute without values is not equal to
    /// anything, so that the negation is true; one that the schema does not know leaves both undecided.
    pub fn is_met(&self, replica: &Replica, object: &Object) -> Option<bool> {
        match self {
            Self::And(all) => decide(all.iter().map(|one| one.is_met(replica, object)), false),
            Self::Or(any) => decide(any.iter().map(|one| one.is_met(replica, object)), true),
            Self::Not(inner) => inner.is_met(replica, object).map(|met| !met),
            Self::Present(name) => {
                let attribute = schema::find(name)?;
                Some(!replica.values(object, attribute, NameForm::Plain).is_empty())
            }
            Self::Equal(name, value) => Some(equal(replica, object, schema::find(name)?, value)),
            Self::Pieces(name, pieces) => {
                let values = replica.values(object, schema::find(name)?, NameForm::Plain);
                Some(values.iter().any(|value| has_pieces(&text(value).to_lowercase(), pieces)))
            }
            Self::AtLeast(name, value) => compare(replica, object, schema::find(name)?, value, true),
            Self::AtMost(name, value) => compare(replica, object, schema::find(name)?, value, false),
            Self::Rule(rule, name, value) => by_rule(replica, object, rule, schema::find(name)?, value),
        }
    }
}

/// All or any of these: one that has the deciding value decides, else one that is undecided does.
fn decide(parts: impl Iterator<Item = Option<bool>>, deciding: bool) -> Option<bool> {
    let mut result = Some(!deciding);
    for part in parts {
        match part {
            Some(value) if value == deciding => return part,
            None => result = None,
            Some(_) => {}
        }
    }
    result
}

fn equal(replica: &Replica, object: &Object, attribute: &'static Attribute, value: &[u8]) -> bool {
    let wanted = text(value);
    match attribute.kind {
        Kind::Forward => {
            return replica
                .find(&wanted)
                .is_some_and(|target| replica.linked(object.guid, attribute.name).any(|guid| guid == target));
        }
        Kind::Back(forward) => {
            return replica
                .find(&wanted)
                .is_some_and(|source| replica.linked_from(object.guid, forward).contains(&source));
        }
        _ => {}
    }
    if attribute.name == "objectGUID" {
        return value == object.guid.octets() || Guid::parse(&wanted) == Some(object.guid);
    }
    let values = replica.values(object, attribute, NameForm::Plain);
    let is_equal = |found: &Vec<u8>| match attribute.syntax {
        Syntax::Octets if attribute.name == "objectSid" => {
            *found == value || super::guid::sid_text(found).eq_ignore_ascii_case(&wanted)
        }
        Syntax::Octets | Syntax::Descriptor => *found == value,
        // A category may be asked for by the name of its class alone.
        Syntax::Name if attribute.name == "objectCategory" && !wanted.contains('=') => {
            text(found).split([',', '=']).nth(1).is_some_and(|name| name.eq_ignore_ascii_case(&wanted))
        }
        Syntax::Name => {
            comparable(&text(found))
                == comparable(&replica.find(&wanted).map_or(wanted.clone(), |guid| replica.dn(guid)))
        }
        _ => text(found).to_lowercase() == wanted.to_lowercase(),
    };
    values.iter().any(is_equal)
}

fn has_pieces(value: &str, pieces: &[(u8, String)]) -> bool {
    let mut rest = value;
    pieces.iter().all(|(tag, piece)| {
        let after = match tag {
            0x80 => rest.strip_prefix(piece.as_str()),
            0x82 => rest.strip_suffix(piece.as_str()).map(|_| ""),
            _ => rest.split_once(piece.as_str()).map(|(_, after)| after),
        };
        after.inspect(|after| rest = after).is_some()
    })
}

fn compare(
    replica: &Replica,
    object: &Object,
    attribute: &'static Attribute,
    bound: &[u8],
    at_least: bool,
) -> Option<bool> {
    let values = replica.values(object, attribute, NameForm::Plain);
    let ordered = |value: &Vec<u8>| match attribute.syntax {
        Syntax::Integer | Syntax::LargeInteger => {
            let (value, bound): (i64, i64) = (text(value).parse().ok()?, text(bound).parse().ok()?);
            Some(value.cmp(&bound))
        }
        _ => Some(text(value).to_lowercase().cmp(&text(bound).to_lowercase())),
    };
    Some(values.iter().filter_map(ordered).any(|order| if at_least { order.is_ge() } else { order.is_le() }))
}

fn by_rule(replica: &Replica, object: &Object, rule: &str, attribute: &'static Attribute, value: &str) -> Option<bool> {
    let bits = || {
        let bits: i64 = value.parse().ok()?;
        let values = replica.values(object, attribute, NameForm::Plain);
        Some((bits, values.iter().filter_map(|value| text(value).parse().ok()).collect::<Vec<i64>>()))
    };
    match rule {
        BITS_AND => bits().map(|(bits, values)| values.iter().any(|value| value & bits == bits)),
        BITS_OR => bits().map(|(bits, values)| values.iter().any(|value| value & bits != 0)),
        IN_CHAIN => replica.find(value).map(|wanted| is_in_chain(replica, object.guid, attribute, wanted)),
        _ => None,
    }
}

/// Whether a linked attribute leads from one object to another, over any number of others.
fn is_in_chain(replica: &Replica, from: Guid, attribute: &'static Attribute, wanted: Guid) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(at) = open.pop() {
        let next: Vec<Guid> = match attribute.kind {
            Kind::Back(forward) => replica.linked_from(at, forward),
            _ => replica.linked(at, attribute.name).collect(),
        };
        if next.contains(&wanted) {
            return true;
        }
        open.extend(next.into_iter().filter(|guid| seen.insert(*guid)));
    }
    false
}
