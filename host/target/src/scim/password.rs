//! Initial passwords: made at random for one request, kept nowhere.

use rand::seq::{IndexedRandom as _, SliceRandom as _};

/// The sorts of characters of which each password has some; none that look alike.
const SORTS: [&[u8]; 4] = [b"abcdefghijkmnpqrstuvwxyz", b"ABCDEFGHJKLMNPQRSTUVWXYZ", b"23456789", b"!#$%&*+-./=?_~"];

/// How many characters of each sort a password has: 32 together, some 180 bits.
const OF_EACH: usize = 8;

/// A password that nobody can guess, with characters of every sort that rules for passwords ask for.
pub(crate) fn random() -> String {
    let mut generator = rand::rng();
    let mut octets: Vec<u8> = Vec::with_capacity(SORTS.len() * OF_EACH);
    for sort in SORTS {
        octets.extend((0..OF_EACH).filter_map(|_| sort.choose(&mut generator)));
    }
    octets.shuffle(&mut generator);
    octets.into_iter().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_have_all_sorts_and_never_repeat() {
        let (one, two) = (random(), random());
        assert_ne!(one, two);
        assert_eq!(one.len(), 32);
        for sort in SORTS {
            assert_eq!(one.bytes().filter(|octet| sort.contains(octet)).count(), OF_EACH, "{one}");
        }
    }
}
