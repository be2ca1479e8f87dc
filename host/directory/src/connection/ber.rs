//! Basic encoding rules as LDAP uses them (RFC 4511, section 5.1): lengths are definite, and every part is bounded.

use std::cell::Cell;

use super::fault::Fault;

/// The most octets a message may have. A group of 500,000 members of 100 octets each fits.
pub(crate) const MAX_MESSAGE: usize = 64 * 1024 * 1024;
/// The most parts that a message may have: each costs the LDAP library some hundred octets, however short it is. Such a
/// group fits, each member being a part, with all that is said of it besides.
pub(crate) const MAX_PARTS: usize = 512 * 1024;
/// How deep parts that nobody reads may be nested; the messages themselves need seven levels.
const MAX_DEPTH: usize = 12;

/// The tag of a sequence.
pub(crate) const SEQUENCE: u8 = 0x30;
/// The tag of a set.
pub(crate) const SET: u8 = 0x31;
/// The tag of an octet string.
pub(crate) const OCTETS: u8 = 0x04;
/// The tag of an integer.
pub(crate) const INTEGER: u8 = 0x02;
/// The tag of an enumerated value.
pub(crate) const ENUMERATED: u8 = 0x0a;
/// The tag of a truth value.
pub(crate) const BOOLEAN: u8 = 0x01;

/// The bit of a tag that says: made of parts.
const CONSTRUCTED: u8 = 0x20;

/// The octets of the first part of these, its head included; none while its head is not complete.
///
/// # Errors
/// Where what is there of the head cannot be one, or says that the part is longer than any message may be.
fn measure(octets: &[u8]) -> Result<Option<(u8, usize, usize)>, Fault> {
    let [tag, first, rest @ ..] = octets else { return Ok(None) };
    // Tags of several octets do not occur in LDAP.
    if tag & 0x1f == 0x1f {
        return Err(Fault::NotLdap);
    }
    let (head, length) = match *first {
        short @ 0..0x80 => (2, u64::from(short)),
        0x80 => return Err(Fault::Indefinite),
        long => {
            let count = usize::from(long & 0x7f);
            if count > 8 {
                return Err(Fault::NotLdap);
            }
            let Some(octets) = rest.get(..count) else { return Ok(None) };
            (2 + count, octets.iter().fold(0, |length, octet| (length << 8) | u64::from(*octet)))
        }
    };
    match usize::try_from(length) {
        Ok(length) if length <= MAX_MESSAGE => Ok(Some((*tag, head, length))),
        _ => Err(Fault::TooLong(length)),
    }
}

/// How long the message is that begins here; none while that cannot be said.
///
/// # Errors
/// Where no LDAP message begins here, or one that is too long.
pub(crate) fn message_length(octets: &[u8]) -> Result<Option<usize>, Fault> {
    match octets.first() {
        None => return Ok(None),
        Some(&SEQUENCE) => {}
        Some(_) => return Err(Fault::NotLdap),
    }
    Ok(measure(octets)?.map(|(_, head, length)| head + length))
}

/// A tag and what it stands before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub tag: u8,
    pub content: &'a [u8],
}

/// The parts of something, one after the other. All readers of one message share one count of parts.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'a, 'c> {
    rest: &'a [u8],
    count: &'c Cell<usize>,
}

impl<'a, 'c> Parts<'a, 'c> {
    /// The parts in these octets.
    pub fn new(octets: &'a [u8], count: &'c Cell<usize>) -> Self {
        Self { rest: octets, count }
    }

    /// The parts of a part.
    pub fn within(&self, part: Part<'a>) -> Self {
        Self { rest: part.content, count: self.count }
    }

    /// The next part; none at the end.
    ///
    /// # Errors
    /// Where it does not end within these octets, or there are too many.
    pub fn next(&mut self) -> Result<Option<Part<'a>>, Fault> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let count = self.count.get() + 1;
        if count > MAX_PARTS {
            return Err(Fault::TooManyParts);
        }
        self.count.set(count);
        let (tag, head, length) = measure(self.rest)?.ok_or(Fault::NotLdap)?;
        let content = self.rest.get(head..head + length).ok_or(Fault::NotLdap)?;
        self.rest = self.rest.get(head + length..).unwrap_or_default();
        Ok(Some(Part { tag, content }))
    }

    /// The next part, which must be there and have this tag.
    ///
    /// # Errors
    /// As for [`Self::next`], and where it is not so.
    pub fn expect(&mut self, tag: u8) -> Result<Part<'a>, Fault> {
        self.next()?.filter(|part| part.tag == tag).ok_or(Fault::NotLdap)
    }

    /// The next part, if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Part<'a>>, Fault> {
        if self.rest.first() == Some(&tag) { self.next() } else { Ok(None) }
    }

    /// Says that nothing may follow.
    pub fn end(&self) -> Result<(), Fault> {
        if self.rest.is_empty() { Ok(()) } else { Err(Fault::NotLdap) }
    }

    /// Walks through a part that nobody reads, so that whoever parses it all the same meets no surprise.
    pub fn walk(&self, part: Part<'a>) -> Result<(), Fault> {
        self.walk_at(part, MAX_DEPTH)
    }

    fn walk_at(&self, part: Part<'a>, depth: usize) -> Result<(), Fault> {
        if part.tag & CONSTRUCTED == 0 {
            return Ok(());
        }
        let Some(depth) = depth.checked_sub(1) else { return Err(Fault::TooDeep) };
        let mut parts = self.within(part);
        while let Some(part) = parts.next()? {
            self.walk_at(part, depth)?;
        }
        Ok(())
    }
}

impl<'a> Part<'a> {
    /// The part's octets as text.
    pub fn text(self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.content).map_err(|_| Fault::NotLdap)
    }

    /// The part's octets as a whole number that is not negative: message ids, result codes.
    pub fn number(self) -> Result<u32, Fault> {
        match self.content {
            [first, ..] if self.content.len() <= 4 && *first < 0x80 => {
                Ok(self.content.iter().fold(0, |number, octet| (number << 8) | u32::from(*octet)))
            }
            _ => Err(Fault::NotLdap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_read_in_every_definite_form() {
        for head in [&[0x30, 5][..], &[0x30, 0x81, 5], &[0x30, 0x84, 0, 0, 0, 5], &[0x30, 0x88, 0, 0, 0, 0, 0, 0, 0, 5]]
        {
            assert_eq!(message_length(head), Ok(Some(head.len() + 5)), "{head:?}");
            for cut in 0..head.len() {
                assert_eq!(message_length(&head[..cut]), Ok(None), "{head:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_length_that_no_message_has_is_refused_before_its_octets_come() {
        assert_eq!(message_length(&[0x30, 0x80]), Err(Fault::Indefinite));
        assert_eq!(message_length(&[0x30, 0x84, 0x40, 0, 0, 0]), Err(Fault::TooLong(1 << 30)));
        assert_eq!(message_length(&[0x30, 0x88, 0xff, 0, 0, 0, 0, 0, 0, 0]), Err(Fault::TooLong(0xff << 56)));
        assert_eq!(message_length(&[0x30, 0x89]), Err(Fault::NotLdap));
        assert_eq!(message_length(b"HTTP/1.1"), Err(Fault::NotLdap));
    }

    #[test]
    fn deep_nests_and_many_parts_are_refused() {
        let mut nest = vec![0x04, 0];
        for _ in 0..50 {
            nest = [vec![0x30, u8::try_from(nest.len()).unwrap()], nest].concat();
        }
        let count = Cell::new(0);
        let mut parts = Parts::new(&nest, &count);
        let part = parts.next().unwrap().unwrap();
        assert_eq!(parts.walk(part), Err(Fault::TooDeep));
        let many = [4, 0].repeat(MAX_PARTS + 1);
        let count = Cell::new(0);
        let mut parts = Parts::new(&many, &count);
        let last = loop {
            match parts.next() {
                Ok(Some(_)) => {}
                other => break other.map(drop),
            }
        };
        assert_eq!(last, Err(Fault::TooManyParts));
    }
}
