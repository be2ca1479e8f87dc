//! What a service can do, as it announces it (RFC 7643, sections 5 to 7).

use std::collections::BTreeMap;

use provisor_model::TargetPath;
use serde_json::Value;

use crate::scim::json;
use crate::scim::schema::{AttributeDefinition, AttributeType, Mutability, Schema, Uniqueness, check_writable, names};

const ENTERPRISE_USER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// The attributes of RFC 7643 with several complex values, for services that announce no schemas.
const KNOWN_ROWS: [&str; 9] =
    ["emails", "phoneNumbers", "ims", "photos", "addresses", "entitlements", "roles", "x509Certificates", "members"];
/// The attributes of RFC 7643 with one complex value, for services that announce no schemas.
const KNOWN_COMPLEX: [&str; 2] = ["name", "manager"];

/// A schema that adds attributes to a resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    /// Its URN.
    pub schema: String,
    /// Whether every resource of the type must have it.
    pub required: bool,
}

/// A sort of resource: where it is found and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceType {
    /// Its name, such as `User`.
    pub name: String,
    /// Where its resources are, relative to the base or absolute.
    pub endpoint: String,
    /// The URN of its core schema.
    pub schema: String,
    /// What it may have beyond that.
    pub extensions: Vec<Extension>,
}

impl ResourceType {
    fn parse(document: &Value) -> Option<Self> {
        let extensions = json::get(document, "schemaExtensions").map_or(&[][..], json::items);
        let extension = |document: &Value| {
            let schema = json::text(document, "schema")?.to_owned();
            Some(Extension { schema, required: json::flag(document, "required").unwrap_or(false) })
        };
        Some(Self {
            name: json::text(document, "name")?.to_owned(),
            endpoint: json::text(document, "endpoint")?.to_owned(),
            schema: json::text(document, "schema")?.to_owned(),
            extensions: extensions.iter().filter_map(extension).collect(),
        })
    }

    fn standard(name: &str, extensions: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: format!("/{name}s"),
            schema: format!("urn:ietf:params:scim:schemas:core:2.0:{name}"),
            extensions: extensions.iter().map(|urn| Extension { schema: (*urn).to_owned(), required: false }).collect(),
        }
    }

    /// The URN of the extension that a path names, as the service spells it; none for the core schema.
    pub(crate) fn extension<'t>(&'t self, path: &'t TargetPath) -> Option<&'t str> {
        let urn = path.schema().filter(|urn| !urn.eq_ignore_ascii_case(&self.schema))?;
        let announced = self.extensions.iter().find(|extension| extension.schema.eq_ignore_ascii_case(urn));
        Some(announced.map_or(urn, |extension| &extension.schema))
    }
}

/// How a service gives out long listings (RFC 7644, section 3.4.2.4; RFC 9865, section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pagination {
    /// Whether by cursors.
    pub cursor: bool,
    /// Whether by `startIndex`.
    pub index: bool,
    /// Whether a request that asks for neither gets a cursor.
    pub cursor_by_default: bool,
    /// The most resources on one page, where the service says so.
    pub max_page: Option<usize>,
}

impl Pagination {
    fn parse(provider: &Value) -> Self {
        let Some(announced) = json::get(provider, "pagination") else {
            return Self { cursor: false, index: true, cursor_by_default: false, max_page: None };
        };
        let cursor = json::flag(announced, "cursor").unwrap_or(false);
        let index = json::flag(announced, "index").unwrap_or(!cursor);
        let default = json::text(announced, "defaultPaginationMethod").unwrap_or_default();
        let max_page = json::get(announced, "maxPageSize").and_then(Value::as_u64);
        Self {
            cursor,
            index,
            cursor_by_default: cursor && (!index || default.eq_ignore_ascii_case("cursor")),
            max_page: max_page.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0),
        }
    }
}

/// How much one bulk request may hold (RFC 7644, section 3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkLimits {
    /// Operations.
    pub operations: usize,
    /// Octets.
    pub octets: usize,
}

impl BulkLimits {
    /// What is taken where the service says nothing: RFC 7643's own example announces no less.
    const UNKNOWN: Self = Self { operations: 100, octets: 1 << 20 };

    fn parse(announced: &Value) -> Self {
        let number = |name: &str, unknown| {
            let number = json::get(announced, name).and_then(Value::as_u64).filter(|number| *number > 0);
            number.map_or(unknown, |number| usize::try_from(number).unwrap_or(usize::MAX))
        };
        Self {
            operations: number("maxOperations", Self::UNKNOWN.operations),
            octets: number("maxPayloadSize", Self::UNKNOWN.octets),
        }
    }
}

/// What a service can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// Whether resources can be changed in part; otherwise they are written whole.
    pub patch: bool,
    /// Whether resources can be looked for by a filter.
    pub filter: bool,
    /// The most resources that one reply holds, where the service says so.
    pub max_results: Option<usize>,
    /// Whether versions guard against overwriting others' changes.
    pub etag: bool,
    /// How listings are paged.
    pub pagination: Pagination,
    /// How much one bulk request may hold, where the service has them.
    pub bulk: Option<BulkLimits>,
    /// The sorts of resources, by name.
    pub resource_types: BTreeMap<String, ResourceType>,
    /// Whether the resource types were announced; otherwise they are those of RFC 7643.
    pub announces_resource_types: bool,
    schemas: BTreeMap<String, Schema>,
}

impl Abilities {
    /// Reads the three documents that describe a service; a service may lack the last two.
    pub(crate) fn parse(provider: &Value, resource_types: Option<&[Value]>, schemas: Option<&[Value]>) -> Self {
        let supported = |name: &str| {
            json::get(provider, name).and_then(|ability| json::flag(ability, "supported")).unwrap_or(false)
        };
        let max_results =
            json::get(provider, "filter").and_then(|filter| json::get(filter, "maxResults")).and_then(Value::as_u64);
        let announced: Vec<ResourceType> =
            resource_types.unwrap_or_default().iter().filter_map(ResourceType::parse).collect();
        let announces_resource_types = !announced.is_empty();
        let types = if announces_resource_types {
            announced
        } else {
            vec![ResourceType::standard("User", &[ENTERPRISE_USER]), ResourceType::standard("Group", &[])]
        };
        let schemas = schemas.unwrap_or_default().iter().filter_map(Schema::parse);
        Self {
            patch: supported("patch"),
            filter: supported("filter"),
            max_results: max_results.and_then(|most| usize::try_from(most).ok()).filter(|most| *most > 0),
            etag: supported("etag"),
            pagination: Pagination::parse(provider),
            bulk: json::get(provider, "bulk").filter(|_| supported("bulk")).map(BulkLimits::parse),
            resource_types: types.into_iter().map(|one| (one.name.clone(), one)).collect(),
            announces_resource_types,
            schemas: schemas.map(|schema| (schema.urn.to_ascii_lowercase(), schema)).collect(),
        }
    }

    /// The resource type of this name.
    pub fn resource_type(&self, kind: &str) -> Option<&ResourceType> {
        self.resource_types
            .get(kind)
            .or_else(|| self.resource_types.values().find(|present| present.name.eq_ignore_ascii_case(kind)))
    }

    /// Whether the attributes of at least one schema were announced.
    pub fn announces_schemas(&self) -> bool {
        !self.schemas.is_empty()
    }

    /// The attribute that a path begins with, where its schema was announced and has it.
    pub fn attribute(&self, kind: &str, path: &TargetPath) -> Option<&AttributeDefinition> {
        self.schema_of(self.resource_type(kind)?, path)?.attribute(path.attribute())
    }

    fn schema_of(&self, kind: &ResourceType, path: &TargetPath) -> Option<&Schema> {
        let urn = path.schema().unwrap_or(&kind.schema);
        // There are a handful, and this is asked for every attribute of every resource.
        self.schemas.values().find(|schema| schema.urn.eq_ignore_ascii_case(urn))
    }

    /// Whether the attribute of a path is complex, and whether it has several values: by its schema, else by RFC 7643.
    pub(crate) fn shape(&self, kind: &str, path: &TargetPath) -> Shape {
        if let Some(definition) = self.attribute(kind, path) {
            return Shape { complex: definition.kind == AttributeType::Complex, multi_valued: definition.multi_valued };
        }
        let is_in = |known: &[&str]| known.iter().any(|name| name.eq_ignore_ascii_case(path.attribute()));
        let multi_valued = is_in(&KNOWN_ROWS);
        Shape { complex: multi_valued || is_in(&KNOWN_COMPLEX), multi_valued }
    }

    /// Whether and when what stands at a path may be written. What is not announced may be at any time.
    pub(crate) fn mutability(&self, kind: &str, path: &TargetPath) -> Mutability {
        if path.schema().is_none() && ["id", "meta"].iter().any(|name| path.attribute().eq_ignore_ascii_case(name)) {
            return Mutability::ReadOnly;
        }
        let Some(definition) = self.attribute(kind, path) else { return Mutability::ReadWrite };
        // The parts of a row say what can be done to a row that is there; lists as a whole go by their own word.
        let one_row = path.filter().is_some() || !definition.multi_valued;
        let part = path.sub_attribute().filter(|_| one_row).and_then(|part| definition.sub_attribute(part));
        match (definition.mutability, part.map(|part| part.mutability)) {
            (Mutability::ReadWrite, Some(part)) => part,
            (whole, _) => whole,
        }
    }

    /// Whether what stands at a path is part of replies.
    pub(crate) fn is_returned(&self, kind: &str, path: &TargetPath) -> bool {
        let Some(definition) = self.attribute(kind, path) else { return true };
        let hidden = |definition: &AttributeDefinition| {
            definition.mutability == Mutability::WriteOnly
                || matches!(definition.returned.as_str(), "never" | "request")
        };
        let part = path.sub_attribute().and_then(|part| definition.sub_attribute(part));
        !hidden(definition) && !part.is_some_and(hidden)
    }

    /// Whether letter case matters in the values at a path; text compares without it unless said otherwise (RFC 7643,
    /// section 2.2), ids with it (section 3.1).
    pub(crate) fn case_exact(&self, kind: &str, path: &TargetPath) -> bool {
        if path.schema().is_none() && ["id", "externalId"].iter().any(|name| path.as_str().eq_ignore_ascii_case(name)) {
            return true;
        }
        let definition = self.attribute(kind, path);
        match (definition, path.sub_attribute().or_else(|| path.filter().map(|_| "value"))) {
            (Some(definition), Some(part)) => definition.sub_attribute(part).is_some_and(|part| part.case_exact),
            (Some(definition), None) => definition.case_exact,
            (None, _) => false,
        }
    }

    /// Whether the service has the attribute of a path and lets it be written. What it announces nothing about passes.
    pub(crate) fn check_path(&self, kind: &str, path: &TargetPath) -> Result<(), String> {
        let Some(kind) = self.resource_type(kind) else {
            let kinds: Vec<&str> = self.resource_types.keys().map(String::as_str).collect();
            return Err(format!("the target has no resource type \"{kind}\"; it has {}", kinds.join(", ")));
        };
        if path.schema().is_none() {
            let is = |name: &str| path.attribute().eq_ignore_ascii_case(name);
            if is("externalId") && path.sub_attribute().is_none() && path.filter().is_none() {
                return Ok(());
            }
            if is("id") || is("meta") || is("schemas") {
                return Err(format!("\"{path}\" cannot be written: the target sets it itself"));
            }
        }
        if let Some(urn) = kind.extension(path)
            && self.announces_resource_types
            && !kind.extensions.iter().any(|extension| extension.schema == urn)
        {
            return Err(format!("\"{path}\": the target's {} has no schema \"{urn}\"", kind.name));
        }
        let Some(schema) = self.schema_of(kind, path) else { return Ok(()) };
        let whose = if kind.extension(path).is_some() { &schema.urn } else { &kind.name };
        match schema.attribute(path.attribute()) {
            Some(definition) => check_writable(definition, path, whose),
            None => Err(format!(
                "\"{path}\": {whose} of the target has no attribute \"{}\"; it has {}",
                path.attribute(),
                names(&schema.attributes)
            )),
        }
    }

    /// The paths whose values no two resources of a type may share: what the schemas say, and always a user's name.
    pub(crate) fn unique_paths(&self, kind: &str) -> Vec<TargetPath> {
        let Some(kind) = self.resource_type(kind) else { return Vec::new() };
        let mut paths: Vec<TargetPath> = Vec::new();
        if kind.name.eq_ignore_ascii_case("User") {
            paths.extend("userName".parse());
        }
        let urns = [&kind.schema].into_iter().chain(kind.extensions.iter().map(|extension| &extension.schema));
        for schema in urns.filter_map(|urn| self.schemas.get(&urn.to_ascii_lowercase())) {
            let is_core = schema.urn.eq_ignore_ascii_case(&kind.schema);
            for attribute in &schema.attributes {
                let set_by_target =
                    is_core && ["id", "externalId"].iter().any(|name| attribute.name.eq_ignore_ascii_case(name));
                if attribute.uniqueness == Uniqueness::None || set_by_target {
                    continue;
                }
                let text = if is_core { attribute.name.clone() } else { format!("{}:{}", schema.urn, attribute.name) };
                let path = text.parse().ok().filter(|path| !paths.contains(path));
                paths.extend(path);
            }
        }
        paths
    }
}

/// How the value of an attribute is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) complex: bool,
    pub(crate) multi_valued: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn abilities() -> Abilities {
        let types = [
            json!({"name": "User", "endpoint": "/Users", "schema": "urn:x:core:User",
                "schemaExtensions": [{"schema": "urn:x:ext:User", "required": false}]}),
            json!({"name": "Group", "endpoint": "/Groups", "schema": "urn:x:core:Group"}),
        ];
        let schemas = [
            json!({"id": "urn:x:core:User", "attributes": [
                {"name": "userName", "type": "string", "uniqueness": "server"},
                {"name": "name", "type": "complex", "subAttributes": [{"name": "givenName"}, {"name": "formatted", "mutability": "readOnly"}]},
                {"name": "emails", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value", "uniqueness": "none"}, {"name": "type"}]},
                {"name": "groups", "type": "complex", "multiValued": true, "mutability": "readOnly"},
                {"name": "title", "type": "string", "caseExact": true},
                {"name": "badge", "type": "string", "mutability": "immutable"},
                {"name": "password", "type": "string", "mutability": "writeOnly", "returned": "never"},
            ]}),
            json!({"id": "urn:x:ext:User", "attributes": [{"name": "employeeNumber", "uniqueness": "global"}]}),
        ];
        Abilities::parse(
            &json!({"patch": {"supported": true}, "filter": {"supported": true, "maxResults": 50}}),
            Some(&types),
            Some(&schemas),
        )
    }

    fn check(path: &str) -> Result<(), String> {
        abilities().check_path("User", &path.parse().unwrap())
    }

    #[test]
    fn paths_of_the_announced_schemas_pass() {
        for path in [
            "userName",
            "USERNAME",
            "externalId",
            "name.givenName",
            r#"emails[type eq "work"].value"#,
            "emails",
            "urn:x:ext:User:employeeNumber",
            "urn:x:core:User:title",
        ] {
            assert_eq!(check(path), Ok(()), "{path}");
        }
        assert_eq!(
            abilities().check_path("Group", &"anything".parse().unwrap()),
            Ok(()),
            "its schema is not announced"
        );
    }

    #[test]
    fn paths_that_cannot_be_written_are_told_with_the_reason() {
        for (path, word) in [
            ("shoeSize", "no attribute \"shoeSize\""),
            ("name.shoeSize", "no part \"shoeSize\"; it has givenName"),
            ("name.formatted", "read-only"),
            ("groups", "read-only"),
            ("id", "sets it itself"),
            ("title.x", "has no parts"),
            (r#"title[type eq "work"]"#, "no rows"),
            ("emails.type", "say which one"),
            (r#"emails[kind eq "work"].value"#, "no part \"kind\""),
            ("urn:x:other:User:employeeNumber", "no schema \"urn:x:other:User\""),
            ("urn:x:ext:User:shoeSize", "urn:x:ext:User of the target has no attribute"),
        ] {
            let reason = check(path).unwrap_err();
            assert!(reason.contains(word), "{path}: {reason}");
        }
        let reason = abilities().check_path("Device", &"x".parse().unwrap()).unwrap_err();
        assert!(reason.contains("it has Group, User"), "{reason}");
    }

    #[test]
    fn unique_paths_come_from_the_schemas_and_hold_the_user_name() {
        let unique = |abilities: &Abilities, kind| {
            abilities.unique_paths(kind).iter().map(|path| path.as_str().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(unique(&abilities(), "User"), ["userName", "urn:x:ext:User:employeeNumber"]);
        assert!(unique(&abilities(), "Group").is_empty());
        let silent = Abilities::parse(&json!({}), None, None);
        assert_eq!(unique(&silent, "User"), ["userName"]);
        assert!(!silent.patch && !silent.filter && !silent.announces_resource_types);
    }

    #[test]
    fn what_may_be_written_and_read_is_told_by_the_schemas() {
        let abilities = abilities();
        let mutability = |path: &str| abilities.mutability("User", &path.parse().unwrap());
        assert_eq!(mutability("name.formatted"), Mutability::ReadOnly);
        assert_eq!(
            (mutability("name.givenName"), mutability("unknown")),
            (Mutability::ReadWrite, Mutability::ReadWrite)
        );
        assert_eq!((mutability("badge"), mutability("id")), (Mutability::Immutable, Mutability::ReadOnly));
        let returned = |path: &str| abilities.is_returned("User", &path.parse().unwrap());
        assert!(returned("title") && returned("unknown") && !returned("password"));
    }

    #[test]
    fn cursors_are_used_where_a_service_has_nothing_else_or_prefers_them() {
        let default = |pagination| {
            Abilities::parse(&json!({ "pagination": pagination }), None, None).pagination.cursor_by_default
        };
        assert!(default(json!({"cursor": true, "index": false})));
        assert!(default(json!({"cursor": true, "index": true, "defaultPaginationMethod": "cursor"})));
        assert!(!default(json!({"cursor": true, "index": true})) && !default(json!(null)));
    }

    #[test]
    fn letter_case_counts_where_the_schema_says_so() {
        let exact = |path: &str| abilities().case_exact("User", &path.parse().unwrap());
        assert!(exact("externalId") && exact("title"));
        assert!(!exact("userName") && !exact(r#"emails[type eq "work"].value"#));
    }
}
