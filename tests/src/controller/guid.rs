//! Ids as Windows writes them: GUIDs in their two text forms, and SIDs.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// An `objectGUID`, or the id of a controller's database.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Guid(pub(super) [u8; 16]);

impl Guid {
    /// One that no other object of this process has.
    #[must_use]
    pub fn fresh() -> Self {
        static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mut octets = [0; 16];
        octets[..8].copy_from_slice(&SEED.hash_one(count).to_be_bytes());
        // The count itself makes it unique, whatever the hash does.
        octets[8..].copy_from_slice(&count.to_be_bytes());
        octets[7] = 0x40 | (octets[7] & 0x0f);
        octets[8] |= 0x80;
        Self(octets)
    }

    /// Its octets, as the attribute has them.
    #[must_use]
    pub fn octets(&self) -> [u8; 16] {
        self.0
    }

    /// The octets in hexadecimal digits, in the order in which the attribute has them.
    #[must_use]
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads either form: with dashes, or the octets in hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|sign| *sign != '-').collect();
        let mut octets = [0; 16];
        if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        for (octet, at) in octets.iter_mut().zip((0..32).step_by(2)) {
            *octet = u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()?;
        }
        Some(if text.contains('-') { Self(swapped(octets)) } else { Self(octets) })
    }
}

/// The form with dashes, whose first three groups are numbers with their lowest octet first.
impl std::fmt::Display for Guid {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = hex(&swapped(self.0));
        let groups: Vec<&str> =
            [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().filter_map(|at| digits.get(at)).collect();
        out.write_str(&groups.join("-"))
    }
}

impl std::fmt::Debug for Guid {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{self}")
    }
}

fn swapped(mut octets: [u8; 16]) -> [u8; 16] {
    octets[..4].reverse();
    octets[4..6].reverse();
    octets[6..8].reverse();
    octets
}

/// Octets in hexadecimal digits.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The SID of an account of the domain, or of the domain itself.
pub(super) fn sid(domain: [u32; 3], rid: Option<u32>) -> Vec<u8> {
    let authorities: Vec<u32> = [21].into_iter().chain(domain).chain(rid).collect();
    let mut octets = vec![1, if rid.is_some() { 5 } else { 4 }, 0, 0, 0, 0, 0, 5];
    authorities.iter().for_each(|authority| octets.extend(authority.to_le_bytes()));
    octets
}

/// A SID as text, `S-1-5-21-...`.
pub(super) fn sid_text(sid: &[u8]) -> String {
    let authorities = sid.get(8..).unwrap_or_default().chunks_exact(4);
    authorities.fold("S-1-5".to_owned(), |text, octets| {
        let number = octets.iter().rev().fold(0u32, |number, octet| (number << 8) | u32::from(*octet));
        format!("{text}-{number}")
    })
}
