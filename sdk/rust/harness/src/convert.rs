//! Entries of tests as the host has them, and what the host makes of answers as tests read it.

use provisor_model::{AttributeName, Attributes, DraftValue, Entry as HostEntry, IdSyntax, Plain, SourceId, Value};
use provisor_rules::{Contracts, Shape};
use provisor_sdk::testing::Entry;
use serde_json::{Value as Json, json};

use crate::HarnessError;

/// Where an entry of a test stands that does not say where.
const SOMEWHERE: &str = "cn=entry,dc=test";

/// An entry as an import would have left it. No schema says which attributes are octets, so the contract does.
pub(crate) fn host_entry(entry: &Entry, contracts: Option<&Contracts>) -> Result<HostEntry, HarnessError> {
    let wrong = |name: &str, why: String| HarnessError::Entry(format!("{name}: {why}"));
    let single = |name: &str| entry.values(name).first();
    let text = |name: &str| single(name).map(|octets| String::from_utf8_lossy(octets).into_owned());
    let dn = text("dn").unwrap_or_else(|| SOMEWHERE.to_owned());
    let dn = dn.parse().map_err(|error: provisor_model::DnError| wrong("dn", error.to_string()))?;
    let octets = single("anchor").map_or(b"entry".as_slice(), Vec::as_slice);
    let syntax = if std::str::from_utf8(octets).is_ok() { IdSyntax::Text } else { IdSyntax::Octets };
    let source_id = SourceId::new(syntax, octets).map_err(|error| wrong("anchor", error.to_string()))?;
    let mut attributes = Attributes::new();
    for (name, values) in entry.attributes() {
        if ["dn", "anchor", "object-class"].iter().any(|own| own.eq_ignore_ascii_case(name)) {
            continue;
        }
        let binary = is_binary(name, contracts);
        let value = |octets: &Vec<u8>| match std::str::from_utf8(octets) {
            Ok(text) if !binary => Value::Text(text.to_owned()),
            _ => Value::Binary(octets.clone()),
        };
        attributes.set(AttributeName::new(name), values.iter().map(value).collect());
    }
    let object_class = text("object-class").unwrap_or_default();
    Ok(HostEntry { anchor: source_id.clone().into(), source_id, dn, object_class, attributes })
}

fn is_binary(name: &str, contracts: Option<&Contracts>) -> bool {
    let reads = contracts.into_iter().flat_map(|contracts| {
        let filter = contracts.filter.iter().flat_map(|filter| &filter.reads);
        filter.chain(contracts.mapping.iter().flat_map(|mapping| &mapping.reads))
    });
    reads
        .filter(|read| read.name.eq_ignore_ascii_case(name))
        .any(|read| matches!(read.shape, Shape::Binary | Shape::Binaries))
}

/// What an attribute is set to, in the form of [`provisor_sdk::testing::Answer`].
pub(crate) fn shown(value: Option<&DraftValue>, entry: &Entry) -> Json {
    match value {
        None => Json::Null,
        Some(DraftValue::Plain(value)) => plain(value),
        Some(DraftValue::List(values)) => values.iter().map(plain).collect(),
        Some(DraftValue::Rows(rows)) => rows
            .iter()
            .map(|row| Json::Object(row.iter().map(|(name, value)| (name.to_string(), plain(value))).collect()))
            .collect(),
        Some(DraftValue::Reference(dn)) => json!({ "reference": dn }),
        Some(DraftValue::ReferenceBy { attribute, value }) => {
            json!({ "reference-by": { attribute.as_str(): value } })
        }
        Some(DraftValue::ReferencesOf(attribute)) => {
            let names: Vec<_> =
                entry.values(attribute.as_str()).iter().map(|name| String::from_utf8_lossy(name)).collect();
            json!({ "references": names })
        }
        Some(DraftValue::FirstUnique(candidates)) => json!({ "first-unique": candidates }),
    }
}

fn plain(value: &Plain) -> Json {
    match value {
        Plain::Text(text) => json!(text),
        Plain::Binary(octets) => json!(octets),
        Plain::Boolean(flag) => json!(flag),
        Plain::Integer(number) => json!(number),
        Plain::Decimal(number) => json!(number),
    }
}
