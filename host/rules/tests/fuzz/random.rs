//! Numbers that look random and are the same for the same seed.

/// A source of numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// A number below this one, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end as u64).unwrap()
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub fn octet(&mut self) -> u8 {
        u8::try_from(self.number() & 0xff).unwrap()
    }

    pub fn one_of<'t, T>(&mut self, those: &'t [T]) -> &'t T {
        &those[self.below(those.len())]
    }

    /// A number at which something may go wrong: small, at an edge, a place in memory that is in use, or any.
    pub fn word(&mut self) -> u32 {
        let small = u32::try_from(self.below(10)).unwrap();
        match self.below(20) {
            0..9 => small,
            9..15 => ARENA + 8 * u32::try_from(self.below(512)).unwrap(),
            15..17 => u32::try_from(self.below(80)).unwrap(),
            17 => 1 << self.below(32),
            18 => u32::MAX - small,
            _ => u32::try_from(self.number() >> 32).unwrap(),
        }
    }
}

/// Where the answers of made-up components keep what they point to: 4,096 octets from here.
pub const ARENA: u32 = 8192;
