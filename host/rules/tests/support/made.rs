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
    let mut text = fs::read_to_string(folder().join("mapping.wat")).unwrap();
    for (mark, change) in changes {
        let mark = format!("(;@@{mark};)");
        assert!(text.contains(&mark), "no mark {mark}");
        text = text.replace(&mark, change);
    }
    component(&text)
}

fn component(core: &str) -> Vec<u8> {
    encode(wat::parse_str(core).unwrap_or_else(|error| panic!("{error}")))
}

/// The mapping by hand, with its lines in the debugging information.
pub fn mapping_with_lines(mark: &str, change: &str) -> Vec<u8> {
    let text = fs::read_to_string(folder().join("mapping.wat")).unwrap();
    let text = text.replace(&format!("(;@@{mark};)"), change);
    let parsed = wat::Parser::new()
        .generate_dwarf(wat::GenerateDwarf::Full)
        .parse_str(Some("/home/eve/rules/mapping.wat".as_ref()), &text);
    encode(parsed.unwrap())
}

fn encode(mut module: Vec<u8>) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/draft");
    let (package, _) = resolve.push_path(wit).unwrap();
    let world = resolve.select_world(&[package], Some("mapping-plugin")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    let mut encoder = ComponentEncoder::default().module(&module).unwrap();
    encoder.encode().unwrap_or_else(|error| panic!("{error:#}"))
}
