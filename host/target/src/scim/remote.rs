//! A resource as the service shows it, and its values read as ours, so that the two can be compared.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_model::{Plain, ResourceId, Row, TargetPath, TargetValue};
use reqwest::Url;
use serde_json::Value;

use crate::scim::document::is_chosen;
use crate::scim::json;

/// A resource as the service shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteResource {
    /// What the service calls it.
    pub id: ResourceId,
    /// Our name for it, where it has one.
    pub external_id: Option<String>,
    /// All that was shown.
    pub document: Value,
}

impl RemoteResource {
    /// Reads a resource; none where it has no id that can stand in a URL. One that leaves its id out is called by the
    /// end of its location.
    pub(crate) fn parse(document: Value) -> Option<Self> {
        let id = match json::get(&document, "id") {
            Some(id) => id.as_str().filter(|id| is_usable(id)).map(str::to_owned)?,
            None => located(&document)?,
        };
        Some(Self {
            id: ResourceId::new(id),
            external_id: json::text(&document, "externalId").map(str::to_owned),
            document,
        })
    }

    /// What stands at a path, read as a value of the same sort as `like`, so that the two are equal where they mean the
    /// same: text for a boolean, and only those parts of a row that `like` sets. None where nothing stands there.
    pub fn attribute(&self, path: &TargetPath, like: &TargetValue<ResourceId>) -> Option<TargetValue<ResourceId>> {
        let attribute = json::get(self.holder(path)?, path.attribute())?;
        let several = matches!(like, TargetValue::List(_) | TargetValue::Rows(_) | TargetValue::References(_));
        let place = match (path.filter(), path.sub_attribute()) {
            (Some(filter), part) => {
                let row = json::items(attribute).iter().find(|row| is_chosen(row, filter))?;
                part.map_or(Some(row), |part| json::get(row, part))?
            }
            (None, Some(part)) if !several && attribute.is_array() => {
                json::items(attribute).iter().find_map(|row| json::get(row, part))?
            }
            (None, Some(part)) if !attribute.is_array() => json::get(attribute, part)?,
            (None, _) => attribute,
        };
        read_like(place, like)
    }

    /// The texts at a path, as a search compares them: of all rows where the path chooses none.
    pub fn texts(&self, path: &TargetPath) -> Vec<String> {
        let attribute = self.holder(path).and_then(|holder| json::get(holder, path.attribute()));
        let items = attribute.map_or(&[][..], json::items);
        let chosen = items.iter().filter(|item| path.filter().is_none_or(|filter| is_chosen(item, filter)));
        let part = path.sub_attribute().unwrap_or("value");
        chosen.filter_map(|item| as_text(json::get(item, part).unwrap_or(item))).collect()
    }

    /// Whether the row, or the attribute, that a path is about is there; its parts may not be.
    pub(crate) fn has_place(&self, path: &TargetPath) -> bool {
        let attribute = self.holder(path).and_then(|holder| json::get(holder, path.attribute()));
        let mut items = attribute.map_or(&[][..], json::items).iter();
        items.any(|item| path.filter().is_none_or(|filter| is_chosen(item, filter)))
    }

    /// Whether the list at a path is shown, be it empty.
    pub(crate) fn has_list(&self, path: &TargetPath) -> bool {
        self.holder(path).and_then(|holder| json::get(holder, path.attribute())).is_some_and(Value::is_array)
    }

    /// The name of the resource for people: its user name, display name or external id, else its id.
    pub fn display(&self) -> &str {
        let names = ["userName", "displayName", "externalId"];
        names.into_iter().find_map(|name| json::text(&self.document, name)).unwrap_or(self.id.as_str())
    }

    /// The version for `If-Match`, where the service gives one.
    pub(crate) fn version(&self) -> Option<&str> {
        json::get(&self.document, "meta").and_then(|meta| json::text(meta, "version"))
    }

    /// The object that holds the attribute of a path: the extension that it names, or the resource itself.
    fn holder(&self, path: &TargetPath) -> Option<&Value> {
        let Some(urn) = path.schema() else { return Some(&self.document) };
        // A path may name the core schema, whose attributes stand in the resource itself.
        json::get(&self.document, urn).or_else(|| self.lists_schema(urn).then_some(&self.document))
    }

    /// Whether the resource is of this schema, and the schema is no extension with an object of its own.
    fn lists_schema(&self, urn: &str) -> bool {
        let schemas = json::get(&self.document, "schemas").map_or(&[][..], json::items);
        urn.to_ascii_lowercase().contains(":schemas:core:")
            && schemas.iter().filter_map(Value::as_str).any(|present| present.eq_ignore_ascii_case(urn))
    }
}

/// The last segment of a resource's location, absolute or relative.
fn located(document: &Value) -> Option<String> {
    let location = json::text(json::get(document, "meta")?, "location")?;
    // Only the path matters, so that any base will do.
    let url = Url::parse("http://relative.invalid/").ok()?.join(location).ok()?;
    let segment = url.path_segments()?.rfind(|segment| !segment.is_empty())?.to_owned();
    let id = percent_decoded(&segment)?;
    is_usable(&id).then_some(id)
}

/// The text behind the escapes of a URL; none where they are no text.
fn percent_decoded(escaped: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(octet) = rest.next() {
        if octet == b'%' {
            let digit = |octet: Option<u8>| octet.and_then(|octet| char::from(octet).to_digit(16));
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            octets.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            octets.push(octet);
        }
    }
    String::from_utf8(octets).ok()
}

/// Whether an id can be the last segment of a URL's path without changing which resource is meant.
pub(crate) fn is_usable(id: &str) -> bool {
    !matches!(id, "" | "." | "..") && id.len() <= 2048
}

fn read_like(value: &Value, like: &TargetValue<ResourceId>) -> Option<TargetValue<ResourceId>> {
    match like {
        TargetValue::Plain(like) => single(value, like).map(TargetValue::Plain),
        TargetValue::Reference(_) => json::items(value).iter().find_map(reference).map(TargetValue::Reference),
        TargetValue::List(like) => {
            let like = like.first()?;
            let values: BTreeSet<Plain> = json::items(value).iter().filter_map(|item| single(item, like)).collect();
            (!values.is_empty()).then_some(TargetValue::List(values))
        }
        TargetValue::Rows(like) => {
            let rows: BTreeSet<Row> =
                json::items(value).iter().map(|item| row_like(item, like)).filter(|row| !row.is_empty()).collect();
            (!rows.is_empty()).then_some(TargetValue::Rows(rows))
        }
        TargetValue::References(_) => {
            Some(TargetValue::References(json::items(value).iter().filter_map(reference).collect()))
        }
    }
}

fn reference(item: &Value) -> Option<ResourceId> {
    item.as_str().or_else(|| json::text(item, "value")).map(ResourceId::new)
}

/// A single value of the same sort as `like`, or of its own sort where it cannot be read so. An object stands for its
/// `value`.
fn single(value: &Value, like: &Plain) -> Option<Plain> {
    let value = match value {
        Value::Object(_) => json::get(value, "value")?,
        Value::Array(items) => return items.first().and_then(|first| single(first, like)),
        other => other,
    };
    let read = match like {
        Plain::Text(_) => as_text(value).map(Plain::Text),
        Plain::Boolean(_) => json::as_flag(value).map(Plain::Boolean),
        Plain::Integer(_) => value.as_i64().or_else(|| value.as_str()?.parse().ok()).map(Plain::Integer),
        Plain::Decimal(_) => value.as_f64().or_else(|| value.as_str()?.parse().ok()).map(Plain::Decimal),
        Plain::Binary(_) => value.as_str().and_then(|text| STANDARD.decode(text).ok()).map(Plain::Binary),
    };
    read.or_else(|| as_text(value).map(Plain::Text))
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The parts of a row that ours set: those of the row of ours that it equals, else those that any of ours has.
fn row_like(item: &Value, ours: &BTreeSet<Row>) -> Row {
    let restricted = |like: &Row| -> Row {
        like.iter().filter_map(|(name, like)| Some((name.clone(), single(json::get(item, name)?, like)?))).collect()
    };
    if let Some(equal) = ours.iter().find(|like| restricted(like) == **like) {
        return equal.clone();
    }
    let all: BTreeMap<String, Plain> = ours.iter().flatten().map(|(name, like)| (name.clone(), like.clone())).collect();
    restricted(&all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(document: Value) -> RemoteResource {
        RemoteResource::parse(document).unwrap()
    }

    fn path(text: &str) -> TargetPath {
        text.parse().unwrap()
    }

    fn text(value: &str) -> TargetValue<ResourceId> {
        TargetValue::Plain(Plain::Text(value.into()))
    }

    #[test]
    fn values_are_read_as_the_sort_they_are_compared_with() {
        let resource = resource(json!({
            "id": "1", "active": "True", "age": "17", "score": 2, "number": 5, "photo": "AAE=", "name": {"GivenName": "Ada"}
        }));
        let flag = |value| TargetValue::Plain(Plain::Boolean(value));
        assert_eq!(resource.attribute(&path("active"), &flag(false)), Some(flag(true)));
        assert_eq!(resource.attribute(&path("active"), &text("x")), Some(text("True")));
        let integer = TargetValue::Plain(Plain::Integer(17));
        assert_eq!(resource.attribute(&path("age"), &TargetValue::Plain(Plain::Integer(0))), Some(integer));
        let decimal = TargetValue::Plain(Plain::Decimal(2.0));
        assert_eq!(resource.attribute(&path("score"), &TargetValue::Plain(Plain::Decimal(1.0))), Some(decimal));
        assert_eq!(resource.attribute(&path("number"), &text("")), Some(text("5")));
        let octets = TargetValue::Plain(Plain::Binary(vec![0, 1]));
        assert_eq!(resource.attribute(&path("photo"), &TargetValue::Plain(Plain::Binary(vec![]))), Some(octets));
        assert_eq!(resource.attribute(&path("name.givenName"), &text("")), Some(text("Ada")));
        assert_eq!(resource.attribute(&path("name.familyName"), &text("")), None);
        assert_eq!(
            resource.attribute(&path("active"), &TargetValue::Plain(Plain::Integer(1))),
            Some(text("True")),
            "differs, as it should"
        );
    }

    #[test]
    fn a_row_is_chosen_by_its_filter() {
        let resource =
            resource(json!({"id": "1", "emails": [{"type": "home", "value": "h"}, {"type": "Work", "value": "w"}]}));
        assert_eq!(resource.attribute(&path(r#"emails[type eq "work"].value"#), &text("")), Some(text("w")));
        assert_eq!(resource.attribute(&path(r#"emails[type eq "other"].value"#), &text("")), None);
        assert_eq!(resource.texts(&path("emails.value")), ["h", "w"]);
        assert_eq!(resource.texts(&path(r#"emails[type eq "home"].value"#)), ["h"]);
    }

    #[test]
    fn what_the_service_adds_to_rows_is_no_difference() {
        let row = |pairs: &[(&str, Plain)]| -> Row {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
        };
        let word = |value: &str| Plain::Text(value.into());
        let ours = TargetValue::Rows(BTreeSet::from([
            row(&[("value", word("a")), ("primary", Plain::Boolean(true))]),
            row(&[("value", word("b"))]),
        ]));
        let shown = resource(json!({"id": "1", "emails": [
            {"value": "b", "primary": false, "display": "B"}, {"value": "a", "primary": "true", "$ref": "x"}
        ]}));
        assert_eq!(shown.attribute(&path("emails"), &ours), Some(ours.clone()));
        let other = resource(json!({"id": "1", "emails": [{"value": "a", "primary": true}]}));
        assert_ne!(other.attribute(&path("emails"), &ours), Some(ours));
    }

    #[test]
    fn references_are_read_from_objects_and_texts() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let resource = resource(
            json!({"id": "1", "members": [{"value": "7", "$ref": "x"}, "8"], urn: {"manager": {"value": "9"}}}),
        );
        let nobody = TargetValue::Reference(ResourceId::new("0"));
        let manager = Some(TargetValue::Reference(ResourceId::new("9")));
        assert_eq!(resource.attribute(&path(&format!("{urn}:manager")), &nobody), manager);
        assert_eq!(resource.attribute(&path(&format!("{urn}:manager.value")), &nobody), manager);
        let members = TargetValue::References([ResourceId::new("7"), ResourceId::new("8")].into());
        assert_eq!(resource.attribute(&path("members"), &TargetValue::References(BTreeSet::new())), Some(members));
        assert_eq!(resource.attribute(&path("owners"), &TargetValue::References(BTreeSet::new())), None);
    }

    #[test]
    fn a_resource_without_an_id_is_called_by_its_location() {
        for location in ["https://x/v2/Users/a%2Fb", "/v2/Users/a%2Fb", "Users/a%2Fb", "https://x/v2/Users/a%2Fb/"] {
            let resource = resource(json!({"meta": {"location": location}}));
            assert_eq!(resource.id.as_str(), "a/b", "{location}");
        }
        assert_eq!(RemoteResource::parse(json!({"id": "", "meta": {"location": "/Users/7"}})), None);
        assert_eq!(RemoteResource::parse(json!({"meta": {"location": "/"}})), None);
    }

    #[test]
    fn an_id_that_would_name_another_url_is_no_id() {
        for id in ["", ".", ".."] {
            assert_eq!(RemoteResource::parse(json!({"id": id})), None);
        }
        assert_eq!(RemoteResource::parse(json!({"id": 7})), None);
        assert_eq!(RemoteResource::parse(json!({"id": "a/b?c"})).unwrap().id.as_str(), "a/b?c");
    }
}
