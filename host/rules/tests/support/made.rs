//! Components made in the test: of a core module in text, with something in the place of its marks.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use std::fs;
use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile"))
}

/// A component as it stands in the folder of hostile ones.
pub fn written(name: &str) -> Vec<u8> {
    let file = folder().join(format!("{name}.wat"));
    wat::parse_str(fs::read_to_string(&file).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The mapping by hand, with these texts in the place of these marks.
pub fn mapping(changes: &[(&str, &str)]) -> Vec<u8> {
    encode(core("mapping", changes), "mapping-plugin")
}

/// A mapping that excludes who is asked about in an even call, but for the batches of four that the gate makes up.
pub fn counting() -> Vec<u8> {
    mapping(&[
        ("module", "(global $calls (mut i32) (i32.const 0))"),
        (
            "transform",
            "(if (i32.ne (local.get $count) (i32.const 4)) (then
               (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
               (i32.store8 (i32.const 4096) (i32.eqz (i32.and (global.get $calls) (i32.const 1))))
               (i32.store (i32.const 4100) (i32.const 1024))
               (i32.store (i32.const 4104) (select (i32.const 0) (i32.const 7)
                 (i32.and (global.get $calls) (i32.const 1))))))",
        ),
    ])
}

/// The filter by hand, likewise.
pub fn filter(changes: &[(&str, &str)]) -> Vec<u8> {
    encode(core("filter", changes), "filter-plugin")
}

/// A core module by hand.
fn core(name: &str, changes: &[(&str, &str)]) -> Vec<u8> {
    let mut text = fs::read_to_string(folder().join(format!("{name}.wat"))).unwrap();
    for (mark, change) in changes {
        let mark = format!("(;@@{mark};)");
        assert!(text.contains(&mark), "no mark {mark}");
        text = text.replace(&mark, change);
    }
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// The mapping by hand, with its lines in the debugging information.
pub fn mapping_with_lines(mark: &str, change: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder().join("mapping.wat")).unwrap();
    let text = text.replace(&format!("(;@@{mark};)"), change);
    let parsed = wat::Parser::new()
        .generate_dwarf(wat::GenerateDwarf::Full)
        .parse_str(Some("/home/eve/rules/mapping.wat".as_ref()), &text);
    encode(parsed.unwrap(), "mapping-plugin")
}

/// The mapping by hand, which may also import what its language's library would of WASI.
pub fn mapping_with_wasi(changes: &[(&str, &str)]) -> Vec<u8> {
    encode(core("mapping", changes), "with-wasi")
}

/// What is imported of WASI here.
const WASI: [(&str, &str); 4] = [
    ("io.wit", "package wasi:io@0.2.6; interface streams { resource output-stream; }"),
    (
        "cli.wit",
        "package wasi:cli@0.2.6; interface stdout { use wasi:io/streams@0.2.6.{output-stream}; get-stdout: func() -> \
         output-stream; }",
    ),
    ("random.wit", "package wasi:random@0.2.6; interface random { get-random-bytes: func(length: u64) -> list<u8>; }"),
    (
        "worlds.wit",
        "package test:worlds; world with-wasi { include provisor:rules/mapping-plugin@0.1.0-draft.2; import \
         wasi:cli/stdout@0.2.6; import wasi:random/random@0.2.6; }",
    ),
];

fn encode(mut module: Vec<u8>, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/draft");
    let (rules, _) = resolve.push_path(wit).unwrap();
    let more = WASI.map(|(name, text)| resolve.push_str(name, text).unwrap());
    let package = if world == "with-wasi" { more[3] } else { rules };
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default().module(&module).unwrap();
    encoder.encode().unwrap_or_else(|error| panic!("{error:#}"))
}

/// A rule in any number of generations, which differ in nothing but the number that each writes into one attribute.
pub struct Generations {
    component: Vec<u8>,
    /// Where the number stands in it.
    number: std::ops::Range<usize>,
}

impl Generations {
    /// Rules that write this attribute. The one that is `first` in a chain also says what kind of resource there is.
    pub fn of(attribute: &str, first: bool) -> Self {
        let mark = "generation-00000000";
        // The name of the attribute, the text, and the one edit that all answers share.
        let data = format!(
            "(data (i32.const 1536) {attribute:?}) (data (i32.const 1664) {mark:?}) (data (i32.const 1792) \
             \"\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\80\\06\\00\\00\\13\\00\\00\\00\")"
        );
        let kind = if first { "" } else { "(i32.store8 (i32.const 220) (i32.const 0))" };
        let contract = format!(
            "{kind} (i32.store (i32.const 352) (i32.const 1536)) (i32.store (i32.const 356) (i32.const {}))",
            attribute.len()
        );
        let each = "(loop $each (i32.store (i32.add (i32.const 4060) (i32.mul (local.get $count) (i32.const 40))) \
                    (i32.const 1792)) (i32.store (i32.add (i32.const 4064) (i32.mul (local.get $count) (i32.const 40))) \
                    (i32.const 1)) (local.set $count (i32.sub (local.get $count) (i32.const 1))) (br_if $each (local.get \
                    $count)))";
        let component = mapping(&[("module", &data), ("contract", &contract), ("transform", each)]);
        let end = component.windows(mark.len()).position(|window| window == mark.as_bytes()).unwrap() + mark.len();
        Self { component, number: end - 8..end }
    }

    /// The component of this number, of at most eight digits.
    pub fn component(&self, number: usize) -> Vec<u8> {
        let mut component = self.component.clone();
        component[self.number.clone()].copy_from_slice(format!("{number:08}").as_bytes());
        component
    }
}

/// A component with a custom section at its end.
pub fn with_section(component: &[u8], name: &str, data: &[u8]) -> Vec<u8> {
    let number = |mut number: usize| {
        let mut octets = Vec::new();
        while number >= 0x80 {
            octets.push(u8::try_from(number & 0x7f).unwrap() | 0x80);
            number >>= 7;
        }
        octets.push(u8::try_from(number).unwrap());
        octets
    };
    let content = [&number(name.len()), name.as_bytes(), data].concat();
    [component, &[0], &number(content.len()), &content].concat()
}
