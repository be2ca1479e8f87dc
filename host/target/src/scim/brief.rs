//! Reading as much of a resource as names it: what a service repeats of what it was just sent is passed over.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The members that name a resource, and say where it is and in which version.
const NAMES: [&str; 4] = ["id", "externalId", "meta", "schemas"];

/// Reads those members of a document; none where it is no object with an id.
pub(crate) fn read(document: &[u8]) -> Option<Value> {
    let Brief(members) = serde_json::from_slice(document).ok()?;
    members.keys().any(|name| name.eq_ignore_ascii_case("id")).then_some(Value::Object(members))
}

struct Brief(Map<String, Value>);

impl<'de> Deserialize<'de> for Brief {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members).map(Self)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Map<String, Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a resource")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut given: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some(Name(name)) = given.next_key()? {
            match name {
                Some(name) => drop(members.insert(name, given.next_value()?)),
                None => drop(given.next_value::<IgnoredAny>()?),
            }
        }
        Ok(members)
    }
}

/// The name of a member where it is one that counts, as it is spelled.
struct Name(Option<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Spelled).map(Self)
    }
}

struct Spelled;

impl Visitor<'_> for Spelled {
    type Value = Option<String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(NAMES.iter().any(|known| known.eq_ignore_ascii_case(name)).then(|| name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_names_a_resource_is_read() {
        let document =
            br#"{"schemas":["x"],"ID":"7","userName":"a","name":{"id":"no"},"meta":{"version":"W/1"},"externalid":"e"}"#;
        let expected = json!({"schemas": ["x"], "ID": "7", "meta": {"version": "W/1"}, "externalid": "e"});
        assert_eq!(read(document), Some(expected));
    }

    #[test]
    fn what_names_no_resource_is_left_to_be_read_whole() {
        for document in
            [&b"{}"[..], b"[]", b"", b"7", br#"{"id":"7""#, br#"{"userName":"a","meta":{}}"#, br#"{"id":"7"} x"#]
        {
            assert_eq!(read(document), None, "{}", String::from_utf8_lossy(document));
        }
    }
}
