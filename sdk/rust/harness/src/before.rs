//! What stands for the rules before the one under test: a mapping that sets the same for every entry, made on the spot.
//!
//! Its answers never change, so they are laid out in memory beforehand (the layouts are those of the component model's
//! canonical ABI), and the code only gives their addresses.

use provisor_sdk::testing::Entry;
use provisor_sdk::{INTERFACE, INTERFACE_VERSION};
use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::HarnessError;

/// The world of the component.
const WORLD: &str = "mapping-plugin";
/// Where the memory image begins; no address is null.
const START: usize = 1024;
/// What every entry of a test has, and no resource.
const OF_ENTRIES: [&str; 3] = ["dn", "anchor", "object-class"];
/// The size of one answer to one entry.
const ANSWER: usize = 40;
/// The size of a write of a contract, of an edit, and of a value in a list.
const WRITE: usize = 12;
const EDIT: usize = 32;
const VALUE: usize = 16;

/// A component that decides that entries become this kind of resource, and sets these attributes of it.
pub(crate) fn before(kind: &str, built: &Entry) -> Result<Vec<u8>, HarnessError> {
    let wrong = |error: String| HarnessError::Before(error);
    let mut core = wat::parse_str(module(kind, built)).map_err(|error| wrong(error.to_string()))?;
    let mut resolve = Resolve::default();
    let world = resolve
        .push_str("rules.wit", INTERFACE)
        .and_then(|package| resolve.select_world(&[package], Some(WORLD)))
        .map_err(|error| wrong(format!("{error:#}")))?;
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| wrong(format!("{error:#}")))?;
    provisor_plugin_build::componentize(&core).map_err(|error| wrong(format!("{error:#}")))
}

fn module(kind: &str, built: &Entry) -> String {
    let mut image = Image(Vec::new());
    let manifest = {
        let name = image.text("before");
        let version = image.text("0.0.0");
        let schema = image.text(r#"{"type":"object"}"#);
        image.put(&[name, version, schema, [0; 8]].concat())
    };
    let nothing = image.put(&[0; 16]);
    let attributes: Vec<(&str, &[Vec<u8>])> =
        built.attributes().filter(|(name, values)| !values.is_empty() && !OF_ENTRIES.contains(name)).collect();
    let contract = contract(&mut image, kind, &attributes);
    let answer = {
        let edits: Vec<u8> =
            attributes.iter().enumerate().flat_map(|(place, (_, values))| edit(&mut image, place, values)).collect();
        let edits = image.list(&edits, EDIT);
        // The outcome `edits`, which is the first case; no time until when it is valid.
        image.put(&[number(0).as_slice(), &edits, &[0; ANSWER - 12]].concat())
    };
    let result = image.put(&[0; 12]);
    let (octets, end) = (image.escaped(), (START + image.0.len()).next_multiple_of(8));
    let pages = end / 65536 + 1;
    let interface = |name: &str| format!("provisor:rules/{name}@{INTERFACE_VERSION}");
    let (lifecycle, mapping) = (interface("lifecycle"), interface("mapping"));
    format!(
        r#"(module
  (memory (export "memory") {pages})
  (global $next (mut i32) (i32.const {end}))
  (data (i32.const {START}) "{octets}")
  (func $take (export "cabi_realloc") (param $old i32) (param $old_length i32) (param $align i32) (param $length i32) (result i32)
    (local $start i32)
    (local.set $start (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.set $next (i32.add (local.get $start) (local.get $length)))
    (block $enough (loop $grow
      (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $grow (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
      unreachable))
    (local.get $start))
  (func (export "{lifecycle}#describe") (result i32) (i32.const {manifest}))
  (func (export "{lifecycle}#configure") (param i32 i32) (result i32) (i32.const {nothing}))
  (func (export "{lifecycle}#summary") (result i32) (i32.const {nothing}))
  (func (export "{mapping}#describe-contract") (result i32) (i32.const {contract}))
  (func (export "{mapping}#transform")
    (param i32 i64) (param $count i32) (param i32 i32 i32 i32) (param i32 i32 i32 i32 i32) (result i32)
    (local $answers i32) (local $at i32) (local $end i32)
    (local.set $answers (call $take (i32.const 0) (i32.const 0) (i32.const 8) (i32.mul (local.get $count) (i32.const {ANSWER}))))
    (local.set $at (local.get $answers))
    (local.set $end (i32.add (local.get $answers) (i32.mul (local.get $count) (i32.const {ANSWER}))))
    (block $done (loop $next_entry
      (br_if $done (i32.ge_u (local.get $at) (local.get $end)))
      (memory.copy (local.get $at) (i32.const {answer}) (i32.const {ANSWER}))
      (local.set $at (i32.add (local.get $at) (i32.const {ANSWER})))
      (br $next_entry)))
    (i32.store offset=4 (i32.const {result}) (local.get $answers))
    (i32.store offset=8 (i32.const {result}) (local.get $count))
    (i32.const {result}))
  (func (export "cabi_post_{mapping}#transform") (param i32) (global.set $next (i32.const {end}))))"#
    )
}

/// The contract, in an option that has one: every object class, no reads, one write for each attribute.
fn contract(image: &mut Image, kind: &str, attributes: &[(&str, &[Vec<u8>])]) -> usize {
    let writes: Vec<u8> =
        attributes.iter().flat_map(|(name, _)| [image.text(name).as_slice(), &number(0)].concat()).collect();
    let writes = image.list(&writes, WRITE);
    let kind = image.text(kind);
    image.put(&[number(1).as_slice(), &[0; 24], &number(1), &kind, &writes, &number(0)].concat())
}

/// An edit that sets these texts: one as it is, several as a list.
fn edit(image: &mut Image, place: usize, values: &[Vec<u8>]) -> Vec<u8> {
    let mut texts = values.iter().map(|octets| {
        let text = image.text(&String::from_utf8_lossy(octets));
        [[0; 8].as_slice(), &text].concat()
    });
    let value = match (texts.next(), values.len()) {
        (Some(only), 1) => [[0; 8].as_slice(), &only].concat(),
        (first, _) => {
            let texts: Vec<u8> = first.into_iter().chain(texts).flatten().collect();
            let list = image.list(&texts, VALUE);
            [number(1).as_slice(), &[0; 4], &list, &[0; 8]].concat()
        }
    };
    [number(place).as_slice(), &[0; 4], &value].concat()
}

/// Little-endian octets of an address or a length.
fn number(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

/// What the memory holds from [`START`] on.
struct Image(Vec<u8>);

impl Image {
    /// Appends octets at a multiple of eight; gives their address.
    fn put(&mut self, octets: &[u8]) -> usize {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let address = START + self.0.len();
        self.0.extend_from_slice(octets);
        address
    }

    /// Appends the elements of a list, each of this size; gives what stands for the list.
    fn list(&mut self, elements: &[u8], size: usize) -> [u8; 8] {
        let address = self.put(elements);
        let mut pair = [0; 8];
        pair[..4].copy_from_slice(&number(address));
        pair[4..].copy_from_slice(&number(elements.len() / size));
        pair
    }

    fn text(&mut self, text: &str) -> [u8; 8] {
        self.list(text.as_bytes(), 1)
    }

    fn escaped(&self) -> String {
        self.0.iter().map(|octet| format!("\\{octet:02x}")).collect()
    }
}
