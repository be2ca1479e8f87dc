//! The cookie of DirSync, as Windows makes it: which database, how far in it, and how far in all others.

use std::collections::BTreeMap;

use super::guid::Guid;

/// How far a client has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cookie {
    /// The database that it comes from.
    pub invocation: Guid,
    /// The last change of an object that was told.
    pub objects: u64,
    /// The last change of a value that was told.
    pub properties: u64,
    /// How far in each database.
    pub vector: BTreeMap<Guid, u64>,
}

const SIGNATURE: &[u8] = b"MSDS";
const VERSION: u32 = 3;

impl Cookie {
    pub fn write(&self) -> Vec<u8> {
        let mut octets = SIGNATURE.to_vec();
        octets.extend(VERSION.to_le_bytes());
        // When it was made, which no clock of this server tells, and a field that nobody uses.
        octets.extend([0; 16]);
        let count = u64::try_from(self.vector.len()).unwrap_or_default();
        octets.extend(u32::try_from(16 + 24 * count).unwrap_or_default().to_le_bytes());
        for usn in [self.objects, 0, self.properties] {
            octets.extend(usn.to_le_bytes());
        }
        octets.extend(self.invocation.octets());
        octets.extend(1u64.to_le_bytes());
        octets.extend(count.to_le_bytes());
        for (database, usn) in &self.vector {
            octets.extend(database.octets());
            octets.extend(usn.to_le_bytes());
        }
        octets
    }

    /// Reads one; none where it is not one of a controller's.
    pub fn read(octets: &[u8]) -> Option<Self> {
        let mut rest = octets.strip_prefix(SIGNATURE)?.strip_prefix(&VERSION.to_le_bytes())?;
        take(&mut rest, 20)?;
        let objects = number(&mut rest)?;
        number(&mut rest)?;
        let properties = number(&mut rest)?;
        let invocation = guid(&mut rest)?;
        number(&mut rest)?;
        let count = number(&mut rest)?;
        let mut vector = BTreeMap::new();
        for _ in 0..count {
            let database = guid(&mut rest)?;
            vector.insert(database, number(&mut rest)?);
        }
        rest.is_empty().then_some(Self { invocation, objects, properties, vector })
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, further) = rest.split_at_checked(count)?;
    *rest = further;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    take(rest, 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn guid(rest: &mut &[u8]) -> Option<Guid> {
    take(rest, 16)?.try_into().ok().map(Guid)
}
