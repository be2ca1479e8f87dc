//! The schemas this server publishes (RFC 7643 section 7), and the same documents as the rules that requests are held to.
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

/// The schema of a resource type's discovery document.
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// The only extension here: what an organisation adds to a user (RFC 7643 section 4.3).
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What Microsoft Entra adds to a user.
pub(crate) const ENTRA_USER: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";
/// What Microsoft Entra adds to a group.
pub(crate) const ENTRA_GROUP: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group";

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A person's account.
    User,
    /// A group of users and groups.
    Group,
}

impl Kind {
    /// Both kinds, in the order in which a search over all of them answers.
    pub const ALL: [Self; 2] = [Self::User, Self::Group];

    /// The name of the resource type.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::Group => "Group",
        }
    }

    /// The path of the collection below the base URL.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::User => "/Users",
            Self::Group => "/Groups",
        }
    }

    /// The core schema's URI.
    pub(crate) fn schema(self) -> &'static str {
        match self {
            Self::User => "urn:ietf:params:scim:schemas:core:2.0:User",
            Self::Group => "urn:ietf:params:scim:schemas:core:2.0:Group",
        }
    }

    /// The attribute that links the kind to others and lives in a table of its own.
    pub(crate) fn link_attribute(self) -> &'static str {
        match self {
            Self::User => "groups",
            Self::Group => "members",
        }
    }
}

/// The data types of RFC 7643 section 2.3 that occur here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ValueType {
    String,
    Boolean,
    Integer,
    DateTime,
    Binary,
    Reference,
    Complex,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Mutability {
    ReadOnly,
    ReadWrite,
    WriteOnly,
    Immutable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Returned {
    Always,
    Default,
    Request,
    Never,
}

/// An attribute's definition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attribute {
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) value_type: ValueType,
    #[serde(default)]
    pub(crate) multi_valued: bool,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) case_exact: bool,
    pub(crate) mutability: Mutability,
    pub(crate) returned: Returned,
    #[serde(default)]
    pub(crate) sub_attributes: Vec<Attribute>,
}

impl Attribute {
    /// The sub-attribute of that name, in whatever case it is written.
    pub(crate) fn sub(&self, name: &str) -> Option<&Attribute> {
        named(&self.sub_attributes, name)
    }

    pub(crate) fn is_complex(&self) -> bool {
        self.value_type == ValueType::Complex
    }
}

#[derive(Debug, Deserialize)]
struct Schema {
    id: String,
    attributes: Vec<Attribute>,
}

/// Where an attribute is found in a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At {
    /// The extension's URI, for an attribute of one.
    pub(crate) extension: Option<&'static str>,
    pub(crate) attribute: &'static Attribute,
    pub(crate) sub: Option<&'static Attribute>,
}

impl At {
    /// Whether this is the core attribute `name`, whole.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.extension.is_none() && self.sub.is_none() && self.attribute.name == name
    }

    /// Whether the other place is this one or a part of it.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.extension == other.extension
            && self.attribute.name == other.attribute.name
            && self.sub.is_none_or(|sub| other.sub.is_some_and(|part| part.name == sub.name))
    }

    /// The definition that a value found here obeys.
    pub(crate) fn definition(&self) -> &'static Attribute {
        self.sub.unwrap_or(self.attribute)
    }
}

/// What the text of an attribute path names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Named {
    Attribute(At),
    /// A bare extension URI: all that the extension holds.
    Extension(&'static str),
}

/// All schemas of a service, read once from the published documents.
#[derive(Debug)]
pub(crate) struct Catalogue {
    entra: bool,
    documents: Vec<Value>,
    schemas: Vec<Schema>,
    common: Vec<Attribute>,
}

/// The schemas of resources.
const RESOURCES: [&str; 3] = [
    include_str!("schemas/user.json"),
    include_str!("schemas/group.json"),
    include_str!("schemas/enterprise-user.json"),
];

/// The schemas of resources that Microsoft Entra has besides.
const ENTRA: [&str; 2] = [include_str!("schemas/entra-user.json"), include_str!("schemas/entra-group.json")];

/// The schemas of discovery documents: they describe what the server itself writes, and nothing is ever held to them.
const DISCOVERY: [&str; 3] = [
    include_str!("schemas/service-provider-config.json"),
    include_str!("schemas/resource-type.json"),
    include_str!("schemas/schema.json"),
];

/// The attribute that Microsoft Entra wants of a new user and never shows (RFC 7643 section 4.1.1).
const PASSWORD: &str = r#"{"name": "password", "type": "string", "multiValued": false,
    "description": "The password of a new user.", "required": false, "caseExact": true, "mutability": "writeOnly",
    "returned": "never", "uniqueness": "none"}"#;

/// The attributes that every resource has (RFC 7643 section 3.1); no schema lists them.
const COMMON: &str = r#"[
    {"name": "schemas", "type": "reference", "multiValued": true, "mutability": "readOnly", "returned": "always", "caseExact": true},
    {"name": "id", "type": "string", "mutability": "readOnly", "returned": "always", "caseExact": true},
    {"name": "externalId", "type": "string", "mutability": "readWrite", "returned": "default", "caseExact": true},
    {"name": "meta", "type": "complex", "mutability": "readOnly", "returned": "default", "subAttributes": [
        {"name": "resourceType", "type": "string", "mutability": "readOnly", "returned": "default", "caseExact": true},
        {"name": "created", "type": "dateTime", "mutability": "readOnly", "returned": "default"},
        {"name": "lastModified", "type": "dateTime", "mutability": "readOnly", "returned": "default"},
        {"name": "location", "type": "reference", "mutability": "readOnly", "returned": "default", "caseExact": true},
        {"name": "version", "type": "string", "mutability": "readOnly", "returned": "default", "caseExact": true}
    ]}
]"#;

static CATALOGUE: LazyLock<Result<Catalogue, String>> =
    LazyLock::new(|| Catalogue::parse(false).map_err(|error| error.to_string()));
static ENTRA_CATALOGUE: LazyLock<Result<Catalogue, String>> =
    LazyLock::new(|| Catalogue::parse(true).map_err(|error| error.to_string()));

impl Catalogue {
    /// The standard's catalogue, which lives as long as the process.
    ///
    /// # Errors
    /// The built-in documents do not parse: the build is broken.
    pub(crate) fn get() -> Result<&'static Self, &'static str> {
        CATALOGUE.as_ref().map_err(String::as_str)
    }

    /// The same for Microsoft Entra's.
    ///
    /// # Errors
    /// As [`Catalogue::get`].
    pub(crate) fn entra() -> Result<&'static Self, &'static str> {
        ENTRA_CATALOGUE.as_ref().map_err(String::as_str)
    }

    fn parse(entra: bool) -> serde_json::Result<Self> {
        let additions: &[&str] = if entra { &ENTRA } else { &[] };
        let read = |text: &&str| serde_json::from_str::<Value>(text);
        let mut documents = RESOURCES.iter().chain(additions).map(read).collect::<Result<Vec<_>, _>>()?;
        if let (true, Some(Value::Array(user))) =
            (entra, documents.first_mut().and_then(|user| user.get_mut("attributes")))
        {
            user.push(serde_json::from_str(PASSWORD)?);
        }
        let schemas = documents.iter().map(Schema::deserialize).collect::<Result<_, _>>()?;
        documents.extend(DISCOVERY.iter().map(read).collect::<Result<Vec<_>, _>>()?);
        Ok(Self { entra, documents, schemas, common: serde_json::from_str(COMMON)? })
    }

    /// The extensions of a kind.
    pub(crate) fn extensions(&self, kind: Kind) -> &'static [&'static str] {
        match (kind, self.entra) {
            (Kind::User, false) => &[ENTERPRISE],
            (Kind::User, true) => &[ENTERPRISE, ENTRA_USER],
            (Kind::Group, false) => &[],
            (Kind::Group, true) => &[ENTRA_GROUP],
        }
    }

    /// The attributes of one schema; none for a URI that is not here.
    pub(crate) fn attributes(&'static self, schema: &str) -> &'static [Attribute] {
        self.schemas.iter().find(|one| one.id.eq_ignore_ascii_case(schema)).map_or(&[], |one| &one.attributes)
    }

    /// What `text` names for resources of `kind`: `userName`, `name.givenName`, `URI:department`, or a bare extension
    /// URI. Letter case does not matter (RFC 7643 section 2.1).
    pub(crate) fn resolve(&'static self, kind: Kind, text: &str) -> Option<Named> {
        for extension in self.extensions(kind) {
            if let Some(rest) = strip_prefix(text, extension) {
                return match rest.strip_prefix(':') {
                    None if rest.is_empty() => Some(Named::Extension(extension)),
                    None => None,
                    Some(path) => within(self.attributes(extension), path, Some(extension)),
                };
            }
        }
        let path = strip_prefix(text, kind.schema()).and_then(|rest| rest.strip_prefix(':')).unwrap_or(text);
        within(&self.common, path, None).or_else(|| within(self.attributes(kind.schema()), path, None))
    }

    /// The published document of a schema, by its URI.
    pub(crate) fn schema_document(&self, id: &str, base: &str) -> Option<Value> {
        self.schema_documents(base)
            .into_iter()
            .find(|one| one["id"].as_str().is_some_and(|it| it.eq_ignore_ascii_case(id)))
    }

    /// All published schemas.
    pub(crate) fn schema_documents(&self, base: &str) -> Vec<Value> {
        let mut documents = self.documents.clone();
        for document in &mut documents {
            let location = format!("{base}/Schemas/{}", document["id"].as_str().unwrap_or_default());
            document["meta"] = json!({"resourceType": "Schema", "location": location});
        }
        documents
    }
}

/// The discovery document of a kind (RFC 7643 section 6).
pub(crate) fn resource_type(catalogue: &Catalogue, kind: Kind, base: &str) -> Value {
    let extensions: Vec<Value> =
        catalogue.extensions(kind).iter().map(|schema| json!({"schema": schema, "required": false})).collect();
    let description = match kind {
        Kind::User => "A person's account.",
        Kind::Group => "A group of users and of other groups.",
    };
    json!({
        "schemas": [RESOURCE_TYPE],
        "id": kind.name(),
        "name": kind.name(),
        "description": description,
        "endpoint": kind.endpoint(),
        "schema": kind.schema(),
        "schemaExtensions": extensions,
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name())},
    })
}

fn named<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|one| one.name.eq_ignore_ascii_case(name))
}

fn within(attributes: &'static [Attribute], path: &str, extension: Option<&'static str>) -> Option<Named> {
    let (name, sub) = match path.split_once('.') {
        Some((name, sub)) => (name, Some(sub)),
        None => (path, None),
    };
    let attribute = named(attributes, name)?;
    let sub = match sub {
        Some(sub) => Some(attribute.sub(sub)?),
        None => None,
    };
    Some(Named::Attribute(At { extension, attribute, sub }))
}

fn strip_prefix<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: Kind, text: &str) -> Option<At> {
        match Catalogue::get().unwrap().resolve(kind, text)? {
            Named::Attribute(at) => Some(at),
            Named::Extension(_) => None,
        }
    }

    #[test]
    fn names_resolve_in_any_case_and_with_their_uri() {
        assert!(at(Kind::User, "USERNAME").unwrap().is("userName"));
        assert!(at(Kind::User, "urn:ietf:params:scim:schemas:core:2.0:user:userName").unwrap().is("userName"));
        assert_eq!(at(Kind::User, "name.GIVENNAME").unwrap().definition().name, "givenName");
        let manager = at(Kind::User, &format!("{ENTERPRISE}:manager.value")).unwrap();
        assert_eq!((manager.extension, manager.definition().name.as_str()), (Some(ENTERPRISE), "value"));
    }

    #[test]
    fn a_bare_extension_uri_names_the_extension() {
        let named = Catalogue::get().unwrap().resolve(Kind::User, &ENTERPRISE.to_uppercase());
        assert!(matches!(named, Some(Named::Extension(ENTERPRISE))));
    }

    #[test]
    fn what_no_schema_lists_does_not_resolve() {
        assert!(at(Kind::User, "members").is_none());
        assert!(at(Kind::Group, &format!("{ENTERPRISE}:department")).is_none());
        assert!(at(Kind::User, "name.nonsense").is_none());
        assert!(at(Kind::User, &format!("{ENTERPRISE}x")).is_none());
    }
}
