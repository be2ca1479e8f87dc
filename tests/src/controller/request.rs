//! What a client asks (RFC 4511, section 4), and the controls it asks with.

use anyhow::{Context, Result, bail};

use super::ber::{BOOLEAN, ENUMERATED, INTEGER, OCTETS, Parts, SEQUENCE, number, text};
use super::filter::Filter;

pub(super) const PAGED: &str = "1.2.840.113556.1.4.319";
pub(super) const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
pub(super) const EXTENDED_DN: &str = "1.2.840.113556.1.4.529";
pub(super) const DIRSYNC: &str = "1.2.840.113556.1.4.841";
pub(super) const DOMAIN_SCOPE: &str = "1.2.840.113556.1.4.1339";
pub(super) const SHOW_RECYCLED: &str = "1.2.840.113556.1.4.2064";
/// The controls that the double says it knows, and obeys.
pub(super) const SUPPORTED: [&str; 6] = [PAGED, SHOW_DELETED, EXTENDED_DN, DIRSYNC, DOMAIN_SCOPE, SHOW_RECYCLED];

pub(super) const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
pub(super) const WHO_AM_I: &str = "1.3.6.1.4.1.4203.1.11.3";

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    pub id: i64,
    pub operation: Operation,
    pub controls: Vec<Control>,
}

#[derive(Debug)]
pub(super) enum Operation {
    /// A simple bind: who, and the password.
    Bind(String, String),
    /// A bind by a mechanism.
    Sasl(String),
    Unbind,
    Search(Search),
    Abandon,
    /// By its OID.
    Extended(String),
    /// Anything that writes; the tag of the answer to it.
    Write(u8),
}

#[derive(Debug)]
pub(super) struct Search {
    pub base: String,
    pub scope: Scope,
    pub size_limit: usize,
    pub filter: Filter,
    pub attributes: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Base,
    OneLevel,
    Subtree,
}

#[derive(Debug)]
pub(super) struct Control {
    pub oid: String,
    pub critical: bool,
    pub value: Vec<u8>,
}

/// The value of a DirSync control in a request.
#[derive(Debug)]
pub(super) struct DirSync {
    pub flags: u32,
    pub max_octets: usize,
    pub cookie: Vec<u8>,
}

impl Request {
    /// Reads a message.
    pub fn read(message: &[u8]) -> Result<Self> {
        let mut parts = Parts(Parts(message).expect(SEQUENCE)?);
        let id = parts.number(INTEGER)?;
        let (tag, content) = parts.next()?.context("a message without an operation")?;
        let operation = Operation::read(tag, content)?;
        let mut controls = Vec::new();
        let mut list = Parts(parts.optional(0xa0)?.unwrap_or_default());
        while !list.0.is_empty() {
            let mut control = Parts(list.expect(SEQUENCE)?);
            let oid = control.text()?;
            let critical = control.optional(BOOLEAN)?.is_some_and(|flag| flag != [0]);
            let value = control.optional(OCTETS)?.unwrap_or_default().to_vec();
            controls.push(Control { oid, critical, value });
        }
        Ok(Self { id, operation, controls })
    }

    pub fn control(&self, oid: &str) -> Option<&Control> {
        self.controls.iter().find(|control| control.oid == oid)
    }
}

impl Operation {
    fn read(tag: u8, content: &[u8]) -> Result<Self> {
        let mut parts = Parts(content);
        Ok(match tag {
            0x60 => {
                parts.number(INTEGER)?;
                let name = parts.text()?;
                match parts.next()?.context("a bind without credentials")? {
                    (0x80, password) => Self::Bind(name, text(password)),
                    (_, mechanism) => Self::Sasl(Parts(mechanism).text()?),
                }
            }
            0x42 => Self::Unbind,
            0x50 => Self::Abandon,
            0x63 => Self::Search(Search::read(parts)?),
            0x77 => Self::Extended(text(parts.expect(0x80)?)),
            0x66 | 0x68 | 0x6c | 0x6e => Self::Write(tag + 1),
            0x4a => Self::Write(0x6b),
            _ => bail!("an unknown operation {tag:#x}"),
        })
    }
}

impl Search {
    fn read(mut parts: Parts<'_>) -> Result<Self> {
        let base = parts.text()?;
        let scope = match parts.number(ENUMERATED)? {
            0 => Scope::Base,
            1 => Scope::OneLevel,
            _ => Scope::Subtree,
        };
        parts.number(ENUMERATED)?;
        let size_limit = usize::try_from(parts.number(INTEGER)?).unwrap_or(0);
        parts.number(INTEGER)?;
        parts.expect(BOOLEAN)?;
        let (tag, content) = parts.next()?.context("a search without a filter")?;
        let filter = Filter::read(tag, content)?;
        let mut attributes = Vec::new();
        let mut list = Parts(parts.expect(SEQUENCE)?);
        while !list.0.is_empty() {
            attributes.push(list.text()?);
        }
        Ok(Self { base, scope, size_limit, filter, attributes })
    }
}

impl Control {
    /// The size and the cookie of a request for a page.
    pub fn paged(&self) -> Result<(usize, Vec<u8>)> {
        let mut parts = Parts(Parts(&self.value).expect(SEQUENCE)?);
        let size = usize::try_from(parts.number(INTEGER)?).unwrap_or(0);
        Ok((size, parts.expect(OCTETS)?.to_vec()))
    }

    /// The parts of a request for a synchronisation. The flags may come as a negative number.
    pub fn dirsync(&self) -> Result<DirSync> {
        let mut parts = Parts(Parts(&self.value).expect(SEQUENCE)?);
        let flags = u32::try_from(parts.number(INTEGER)? & 0xffff_ffff)?;
        let max_octets = usize::try_from(parts.number(INTEGER)?).unwrap_or(0);
        Ok(DirSync { flags, max_octets, cookie: parts.expect(OCTETS)?.to_vec() })
    }

    /// Whether ids in names are to be text (flag 1 of the extended DN control).
    pub fn wants_text(&self) -> bool {
        let flag = || Parts(Parts(&self.value).expect(SEQUENCE).ok()?).expect(INTEGER).ok().map(number);
        flag() == Some(1)
    }
}
