//! Components that are whole and do what nobody has thought of: with functions at random, or with answers at random.

use std::fmt::Write as _;
use std::ops::Range;

use super::random::{ARENA, Random};
use crate::support::made::mapping;

/// The marks in the mapping by hand at which a function that gives back a number begins.
const FUNCTIONS: [&str; 6] = ["describe", "configure", "summary", "contract", "transform", "realloc"];

/// A mapping in which some functions begin with statements at random.
pub fn code(random: &mut Random) -> Vec<u8> {
    let mut changes: Vec<(&str, String)> = Vec::new();
    for mark in FUNCTIONS {
        if random.once_in(3) {
            changes.push((mark, statements(random, 3, true)));
        }
    }
    let first = if random.once_in(6) { statements(random, 2, false) } else { String::new() };
    changes.push(("module", format!("(func $first {first}) (start $first)")));
    let changes: Vec<(&str, &str)> = changes.iter().map(|(mark, change)| (*mark, change.as_str())).collect();
    mapping(&changes)
}

fn statements(random: &mut Random, depth: usize, gives_back: bool) -> String {
    (0..=random.below(3)).map(|_| statement(random, depth, gives_back)).collect()
}

fn statement(random: &mut Random, depth: usize, gives_back: bool) -> String {
    let number = |random: &mut Random| number(random, depth);
    if depth > 0 && random.once_in(4) {
        let condition = number(random);
        let within = statements(random, depth - 1, gives_back);
        return match random.below(3) {
            0 => format!("(if {condition} (then {within}))"),
            1 => format!("(block {within} (br_if 0 {condition}) {within})"),
            _ => format!("(loop {within} (br_if 0 {condition}))"),
        };
    }
    let [one, two, three] = std::array::from_fn(|_| number(random));
    match random.below(16) {
        0..4 => format!("(i32.store {one} {two})"),
        4 => format!("(i32.store8 {one} {two})"),
        5 => format!("(i64.store {one} (i64.const {}))", random.number() as i64),
        6 => format!("(drop (memory.grow {one}))"),
        7 => format!("(drop (table.grow $table (ref.null func) {one}))"),
        8 => format!("(memory.fill {one} {two} {three})"),
        9 => format!("(memory.copy {one} {two} {three})"),
        10 | 11 => format!("(call $emit (i32.const {}) {one} {two} {three} {})", random.below(5), number(random)),
        12 => format!("(global.set $free {one})"),
        13 => format!("(drop (call_indirect $table (param i32) (result i32) {one} {two}))"),
        14 if gives_back => format!("(return {one})"),
        15 if random.once_in(3) => "(unreachable)".to_owned(),
        _ => format!("(drop {one})"),
    }
}

fn number(random: &mut Random, depth: usize) -> String {
    if depth == 0 || random.once_in(2) {
        return format!("(i32.const {})", random.word() as i32);
    }
    let mut inner = || number(random, depth - 1);
    let [one, two, three] = [inner(), inner(), inner()];
    match random.below(10) {
        0..3 => format!("(i32.load {one})"),
        3 => format!("(i32.load8_u {one})"),
        4 => "(memory.size)".to_owned(),
        5 => "(global.get $free)".to_owned(),
        6 => format!("(select {one} {two} {three})"),
        7 => format!("(i32.trunc_f64_s (f64.div (f64.convert_i32_s {one}) (f64.convert_i32_s {two})))"),
        _ => {
            let operation = random.one_of(&["add", "sub", "mul", "and", "shl", "div_u", "rem_s", "lt_u", "eq"]);
            format!("(i32.{operation} {one} {two})")
        }
    }
}

/// A mapping that answers from its memory, and where in its octets that memory is.
pub struct Answering {
    component: Vec<u8>,
    /// One answer for each of 64 entries, which are 40 octets each.
    answers: Range<usize>,
    /// What they point to.
    arena: Range<usize>,
    /// What it says of itself and of its contract.
    told: Vec<Range<usize>>,
}

impl Answering {
    pub fn new() -> Self {
        // Names, then what is written (3 times 12 octets), then what is read.
        let names = "userNameemailsmanageruidmailmember";
        let words = |words: &[u32]| {
            words.iter().flat_map(|word| word.to_le_bytes()).fold(String::new(), |mut text, octet| {
                write!(text, "\\{octet:02x}").unwrap();
                text
            })
        };
        let writes = words(&[2048, 8, 0, 2056, 6, 0, 2062, 7, 1]);
        let reads = words(&[2069, 3, 0, 2072, 4, 1, 2076, 6, 8]);
        let (answer, content) = ("ANSWERS!".repeat(320), "CONTENT!".repeat(512));
        let data = format!(
            "(data (i32.const 2048) {names:?}) (data (i32.const 2304) \"{writes}\") (data (i32.const 2368) \"{reads}\") \
             (data (i32.const 4096) {answer:?}) (data (i32.const {ARENA}) {content:?})"
        );
        let contract = "(i32.store (i32.const 204) (i32.const 2368)) (i32.store (i32.const 208) (i32.const 3)) (i32.store \
                        (i32.const 232) (i32.const 2304)) (i32.store (i32.const 236) (i32.const 3))";
        let component = mapping(&[("module", &data), ("contract", contract)]);
        let find = |octets: &[u8]| {
            let start = component.windows(octets.len()).position(|window| window == octets).unwrap();
            start..start + octets.len()
        };
        let told = vec![
            find(b"hostile1.0.0{}uidUseruserName"),
            find(names.as_bytes()),
            find(&[2048, 8, 0, 2056, 6, 0, 2062, 7, 1].map(u32::to_le_bytes).concat()),
            find(&[2069, 3, 0, 2072, 4, 1, 2076, 6, 8].map(u32::to_le_bytes).concat()),
            // The manifest's pointers, and the contract behind them.
            find(&[1024, 7, 1031, 5, 1036, 2, 0, 0].map(u32::to_le_bytes).concat()),
            find(&[1, 0, 0, 320, 1, 0, 0, 1, 1041, 4, 352, 1].map(u32::to_le_bytes).concat()),
        ];
        Self { answers: find(answer.as_bytes()), arena: find(content.as_bytes()), told, component }
    }

    /// One whose answers are at random, and now and then what it says of itself.
    pub fn one(&self, random: &mut Random) -> Vec<u8> {
        let mut component = self.component.clone();
        let mut answer = [0; 40];
        fill(random, &mut answer);
        // An outcome that there is, mostly: edits, to be excluded, or failed.
        if !random.once_in(10) {
            answer[..4].copy_from_slice(&u32::try_from(random.below(3)).unwrap().to_le_bytes());
            let content = ARENA + 8 * u32::try_from(random.below(64)).unwrap();
            answer[4..8].copy_from_slice(&content.to_le_bytes());
            answer[8..12].copy_from_slice(&u32::try_from(random.below(4)).unwrap().to_le_bytes());
            answer[24] = u8::try_from(random.below(2)).unwrap();
        }
        // All alike, or else the order of the entries would make a difference, and the gate refuses that.
        component[self.answers.clone()].chunks_mut(answer.len()).for_each(|place| place.copy_from_slice(&answer));
        fill(random, &mut component[self.arena.clone()]);
        while random.once_in(3) {
            let told = random.one_of(&self.told).clone();
            let place = told.start + random.below(told.len() / 4) * 4;
            let word = random.word().to_le_bytes();
            let octets = 1 + random.below(4);
            component[place..place + octets].copy_from_slice(&word[..octets]);
        }
        component
    }
}

/// Fills memory with numbers that may be lengths, places in the arena, marks of variants or characters.
fn fill(random: &mut Random, memory: &mut [u8]) {
    for place in memory.chunks_mut(4) {
        let word = random.word().to_le_bytes();
        let length = place.len();
        place.copy_from_slice(&word[..length]);
    }
}
