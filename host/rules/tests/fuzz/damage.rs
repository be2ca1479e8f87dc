//! Components with damages: to their octets, or to their sections, whose lengths are put right again so that what is within
//! them is reached.

use super::random::Random;

/// A component or module, taken apart.
#[derive(Clone)]
struct Whole {
    /// Magic number, version and layer.
    head: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    Section {
        id: u8,
        content: Vec<u8>,
    },
    /// A module or component within a component.
    Nested {
        id: u8,
        whole: Whole,
    },
}

/// A copy with up to four damages to its octets, wherever they are.
pub fn octets(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..how_many(random) {
        spoil(random, &mut bytes);
    }
    bytes
}

/// A copy with up to four damages to its sections, or within them.
pub fn sections(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut whole = Whole::parse(bytes).unwrap();
    for _ in 0..how_many(random) {
        whole.damage(random);
    }
    whole.encode()
}

fn how_many(random: &mut Random) -> usize {
    if random.once_in(2) { 1 } else { 1 + random.below(4) }
}

/// Sets, turns, takes out, puts in, repeats or cuts off octets.
fn spoil(random: &mut Random, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return bytes.push(random.octet());
    }
    let place = random.below(bytes.len());
    match random.below(16) {
        0 => bytes[place] = random.octet(),
        1 => bytes[place] ^= 1 << random.below(8),
        2 => drop(bytes.remove(place)),
        3 => bytes.insert(place, random.octet()),
        // A small number more or less: another index, another type, another count.
        4 => bytes[place] = bytes[place].wrapping_add(1),
        5 => bytes[place] = bytes[place].wrapping_sub(1),
        6 => {
            let piece = bytes[place..(place + 1 + random.below(40)).min(bytes.len())].to_vec();
            let at = random.below(bytes.len());
            bytes.splice(at..at, piece);
        }
        7 if random.once_in(8) => bytes.truncate(place),
        7 => {
            let number = leb(random.word());
            let end = (place + number.len()).min(bytes.len());
            bytes.splice(place..end, number);
        }
        8..12 => bytes[place] = *random.one_of(&[0, 1, 2, 0x7f, 0x80, 0xff]),
        _ => bytes[place] ^= 1 << random.below(3),
    }
}

impl Part {
    /// Roughly how large it is; never 0.
    fn octets(&self) -> usize {
        match self {
            Self::Section { content, .. } => 1 + content.len(),
            Self::Nested { whole, .. } => 1 + whole.parts.iter().map(Self::octets).sum::<usize>(),
        }
    }
}

impl Whole {
    /// None where the octets are no sequence of sections.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_at_checked(8)?;
        let is_component = head[6] != 0;
        let mut parts = Vec::new();
        while let [id, after @ ..] = rest {
            let (length, after) = read_leb(after)?;
            let (content, after) = after.split_at_checked(length)?;
            let nested = (is_component && matches!(id, 1 | 4)).then(|| Self::parse(content)).flatten();
            parts.push(match nested {
                Some(whole) => Part::Nested { id: *id, whole },
                None => Part::Section { id: *id, content: content.to_vec() },
            });
            rest = after;
        }
        Some(Self { head: head.to_vec(), parts })
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        for part in &self.parts {
            let (id, content) = match part {
                Part::Section { id, content } => (*id, content.clone()),
                Part::Nested { id, whole } => (*id, whole.encode()),
            };
            bytes.push(id);
            bytes.extend(leb(u32::try_from(content.len()).unwrap()));
            bytes.extend(content);
        }
        bytes
    }

    fn damage(&mut self, random: &mut Random) {
        if self.parts.is_empty() {
            return self.parts.push(Part::Section { id: random.octet() % 14, content: Vec::new() });
        }
        let (mut place, other) = (random.below(self.parts.len()), random.below(self.parts.len()));
        // The larger ones more often: in the small ones hardly anything can be another without all being wrong.
        if !random.once_in(4) {
            let mut octet = random.below(self.parts.iter().map(Part::octets).sum());
            place = 0;
            while octet >= self.parts[place].octets() {
                octet -= self.parts[place].octets();
                place += 1;
            }
        }
        match random.below(24) {
            0 => drop(self.parts.remove(place)),
            1 => self.parts.insert(place, self.parts[other].clone()),
            2 => self.parts.swap(place, other),
            3 => {
                // A note with a name that may be none.
                let content = (0..random.below(40)).map(|_| random.octet()).collect();
                self.parts.insert(place, Part::Section { id: 0, content });
            }
            _ => match &mut self.parts[place] {
                Part::Nested { whole, .. } if !random.once_in(20) => whole.damage(random),
                Part::Nested { id, .. } => *id = random.octet() % 14,
                Part::Section { id, .. } if random.once_in(20) => *id = random.octet() % 14,
                // Functions lie in the section with a length of their own.
                Part::Section { id: 10, content } if self.head[6] == 0 && !random.once_in(4) => {
                    if let Some(code) = damaged_function(random, content) {
                        *content = code;
                    }
                }
                Part::Section { content, .. } => spoil(random, content),
            },
        }
    }
}

/// A code section in which one function is damaged; none where it is none by now.
fn damaged_function(random: &mut Random, content: &[u8]) -> Option<Vec<u8>> {
    let (count, mut rest) = read_leb(content)?;
    let mut bodies = Vec::new();
    for _ in 0..count {
        let (length, after) = read_leb(rest)?;
        let (body, after) = after.split_at_checked(length)?;
        bodies.push(body.to_vec());
        rest = after;
    }
    if bodies.is_empty() {
        return None;
    }
    let damaged = random.below(bodies.len());
    spoil(random, &mut bodies[damaged]);
    let mut code = leb(u32::try_from(bodies.len()).unwrap());
    for body in bodies {
        code.extend(leb(u32::try_from(body.len()).unwrap()));
        code.extend(body);
    }
    Some(code)
}

fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}

fn read_leb(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(5).position(|octet| octet & 0x80 == 0)?;
    let (number, rest) = bytes.split_at(end + 1);
    let number = number.iter().rev().fold(0_u64, |sum, octet| (sum << 7) | u64::from(octet & 0x7f));
    Some((usize::try_from(number).ok()?, rest))
}
