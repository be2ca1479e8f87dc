//! The test cases that a plugin carries: an entry, the settings, and what the rule has to answer.
//!
//! They lie in custom sections of the file, as JSON: of the component itself, or of a core module in it, where linkers of
//! most languages put them. The same text, in files, is what authors write.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use provisor_model::{Attributes, Entry, IdSyntax, Plain, SourceId, TargetPath, Value};
use serde::Deserialize;
use serde_json::Value as Json;
use wasmparser::{Parser, Payload};

use crate::fault::{is_legible, legible, shorten};
use crate::surface::PluginKind;

/// The custom section that holds them; there may be several.
const SECTION: &str = "provisor:cases";
/// The most cases of a plugin.
const MAX_CASES: usize = 256;
/// The most octets of them all.
const MAX_OCTETS: usize = 1 << 20;
/// The longest name of a case, in octets.
const MAX_NAME: usize = 200;
/// What every entry has, whatever its directory.
const OF_ENTRIES: [&str; 3] = ["dn", "anchor", "object-class"];

/// A test case as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The settings, as `config` of a rule has them.
    #[serde(default)]
    pub(crate) config: Json,
    /// As what it is asked; it may be left out where the plugin is of one kind.
    pub(crate) kind: Option<PluginKind>,
    /// Values by attribute: a text, `{"base64": "..."}`, or a list of these.
    #[serde(default)]
    entry: BTreeMap<String, Json>,
    /// What plugins before this one set, by path.
    #[serde(default)]
    built: BTreeMap<String, Json>,
    /// The cycle's time, in seconds since 1970.
    #[serde(default)]
    pub(crate) time: i64,
    pub(crate) expected: Expected,
    /// When the answer may change by time alone; not looked at where it is left out.
    pub(crate) valid_until: Option<i64>,
}

/// The decision that is expected: a reason by its code, edits by path.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Expected {
    Keep,
    Drop(String),
    Exclude(String),
    Failed(String),
    Edits(BTreeMap<String, Json>),
}

/// Reads the cases of a component that was validated.
///
/// # Errors
/// A sentence for the operator: what is wrong with which case.
pub(crate) fn read(component: &[u8]) -> Result<Vec<Case>, String> {
    let (mut cases, mut octets) = (Vec::new(), 0_usize);
    for payload in Parser::new(0).parse_all(component) {
        let Ok(Payload::CustomSection(section)) = payload else { continue };
        if section.name() != SECTION {
            continue;
        }
        octets = octets.saturating_add(section.data().len());
        if octets > MAX_OCTETS {
            return Err(format!("its test cases have more than the {MAX_OCTETS} octets allowed: make them fewer"));
        }
        let wrong = |error: serde_json::Error| format!("its test cases (the section {SECTION}) are wrong: {error}");
        let read: Vec<Case> = serde_json::from_slice(section.data()).map_err(wrong)?;
        cases.extend(read);
    }
    if cases.len() > MAX_CASES {
        return Err(format!("it has {} test cases, and {MAX_CASES} are allowed", cases.len()));
    }
    let mut names = BTreeSet::new();
    for Case { name, .. } in &cases {
        if name.trim().is_empty() || name.len() > MAX_NAME || !name.chars().all(is_legible) {
            let mut name = legible(name);
            shorten(&mut name, MAX_NAME);
            return Err(format!("a test case has no name that a person can read: \"{name}\""));
        }
        if !names.insert(name) {
            return Err(format!("two of its test cases are named \"{name}\""));
        }
    }
    Ok(cases)
}

impl Case {
    /// The entry, as an import would have left it. `object_class` is what it is of where the case does not say.
    pub(crate) fn entry(&self, object_class: &str) -> Result<Entry, String> {
        let mut attributes = Attributes::new();
        for (name, given) in self.entry.iter().filter(|(name, _)| !OF_ENTRIES.contains(&name.as_str())) {
            let values = list(given).iter().map(|one| value(one)).collect::<Option<Vec<_>>>();
            let expected = || format!("entry.{name} is neither text nor {{\"base64\": \"...\"}} nor a list of these");
            attributes.set(name.as_str().into(), values.ok_or_else(expected)?);
        }
        let dn = self.text("dn")?.unwrap_or("cn=case,dc=example");
        let dn = dn.parse().map_err(|error: provisor_model::DnError| format!("entry.dn: {error}"))?;
        let anchor = self.text("anchor")?.unwrap_or("case");
        let anchor = SourceId::new(IdSyntax::Text, anchor.as_bytes());
        let source_id = anchor.map_err(|error| format!("entry.anchor: {error}"))?;
        let object_class = self.text("object-class")?.unwrap_or(object_class).to_owned();
        Ok(Entry { anchor: source_id.clone().into(), source_id, dn, object_class, attributes })
    }

    /// What plugins before this one set.
    pub(crate) fn built(&self) -> Result<BTreeMap<TargetPath, Vec<Plain>>, String> {
        let built = |(path, given): (&String, &Json)| {
            let values = list(given).iter().map(|one| plain(one)).collect::<Option<Vec<_>>>();
            let expected = || format!("built.{path} is no text, truth value or number, nor a list of these");
            let path: TargetPath = path.parse().map_err(|error| format!("built: {error}"))?;
            Ok((path, values.ok_or_else(expected)?))
        };
        self.built.iter().map(built).collect()
    }

    /// The text of what every entry has.
    fn text(&self, name: &str) -> Result<Option<&str>, String> {
        let Some(given) = self.entry.get(name) else { return Ok(None) };
        match list(given).as_slice() {
            [Json::String(text)] => Ok(Some(text)),
            _ => Err(format!("entry.{name} is no text")),
        }
    }
}

/// One value or several.
fn list(given: &Json) -> Vec<&Json> {
    given.as_array().map_or_else(|| vec![given], |list| list.iter().collect())
}

fn value(given: &Json) -> Option<Value> {
    match given {
        Json::String(text) => Some(Value::Text(text.clone())),
        Json::Object(object) if object.len() == 1 => {
            BASE64_STANDARD.decode(object.get("base64")?.as_str()?).ok().map(Value::Binary)
        }
        _ => None,
    }
}

fn plain(given: &Json) -> Option<Plain> {
    match given {
        Json::String(text) => Some(Plain::Text(text.clone())),
        Json::Bool(flag) => Some(Plain::Boolean(*flag)),
        Json::Number(number) => number.as_i64().map(Plain::Integer).or_else(|| number.as_f64().map(Plain::Decimal)),
        _ => None,
    }
}
