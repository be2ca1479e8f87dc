//! The schemas this server publishes (RFC 7643 section 7), and the same documents as the rules that requests are held to.
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) use crate::kind::Kind;

/// The schema of a resource type's discovery document.
const RESOURCE_TYPE: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// The only extension here: what an organisation adds to a user (RFC 7643 section 4.3).
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// What Microsoft Entra adds to a user.
pub(crate) const ENTRA_USER: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:User";
/// What Microsoft Entra adds to a group.
pub(crate) const ENTRA_GROUP: &str = "urn:ietf:params:scim:schemas:extension:Microsoft:Entra:2.0:Group";

/// What a directory in an organisation adds to a user.
const DIRECTORY_USER: &str = "urn:provisor:scim:schemas:extension:1.0:User";
/// What a directory in an organisation adds to a group.
const DIRECTORY_GROUP: &str = "urn:provisor:scim:schemas:extension:1.0:Group";

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

/// Whose schemas a service has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Standard,
    Entra,
    Directory,
}

/// All schemas of a service, read once from the published documents.
#[derive(Debug)]
pub(crate) struct Catalogue {
    flavour: Flavour,
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

/// The schemas of resources that directories in organisations have besides.
const DIRECTORY: [&str; 4] = [
    include_str!("schemas/contact.json"),
    include_str!("schemas/device.json"),
    include_str!("schemas/directory-user.json"),
    include_str!("schemas/directory-group.json"),
];

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
    LazyLock::new(|| Catalogue::parse(Flavour::Standard).map_err(|error| error.to_string()));
static ENTRA_CATALOGUE: LazyLock<Result<Catalogue, String>> =
    LazyLock::new(|| Catalogue::parse(Flavour::Entra).map_err(|error| error.to_string()));
static DIRECTORY_CATALOGUE: LazyLock<Result<Catalogue, String>> =
    LazyLock::new(|| Catalogue::parse(Flavour::Directory).map_err(|error| error.to_string()));

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

    /// The same for a service with all that directories in organisations have.
    ///
    /// # Errors
    /// As [`Catalogue::get`].
    pub(crate) fn directory() -> Result<&'static Self, &'static str> {
        DIRECTORY_CATALOGUE.as_ref().map_err(String::as_str)
    }

    fn parse(flavour: Flavour) -> serde_json::Result<Self> {
        let additions: &[&str] = match flavour {
            Flavour::Standard => &[],
            Flavour::Entra => &ENTRA,
            Flavour::Directory => &DIRECTORY,
        };
        let read = |text: &&str| serde_json::from_str::<Value>(text);
        let mut documents = RESOURCES.iter().chain(additions).map(read).collect::<Result<Vec<_>, _>>()?;
        if let (true, Some(Value::Array(user))) =
            (flavour == Flavour::Entra, documents.first_mut().and_then(|user| user.get_mut("attributes")))
        {
            user.push(serde_json::from_str(PASSWORD)?);
        }
        if flavour == Flavour::Directory {
            documents.iter_mut().for_each(widen_members);
        }
        let schemas = documents.iter().map(Schema::deserialize).collect::<Result<_, _>>()?;
        documents.extend(DISCOVERY.iter().map(read).collect::<Result<Vec<_>, _>>()?);
        Ok(Self { flavour, documents, schemas, common: serde_json::from_str(COMMON)? })
    }

    /// The kinds of resources that the service has.
    pub(crate) fn kinds(&self) -> &'static [Kind] {
        match self.flavour {
            Flavour::Standard | Flavour::Entra => &Kind::STANDARD,
            Flavour::Directory => &Kind::ALL,
        }
    }

    /// The extensions of a kind.
    pub(crate) fn extensions(&self, kind: Kind) -> &'static [&'static str] {
        match (kind, self.flavour) {
            (Kind::User, Flavour::Standard) => &[ENTERPRISE],
            (Kind::User, Flavour::Entra) => &[ENTERPRISE, ENTRA_USER],
            (Kind::User, Flavour::Directory) => &[ENTERPRISE, DIRECTORY_USER],
            (Kind::Group, Flavour::Entra) => &[ENTRA_GROUP],
            (Kind::Group, Flavour::Directory) => &[DIRECTORY_GROUP],
            (Kind::Group | Kind::Contact | Kind::Device, _) => &[],
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
        Kind::Contact => "Somebody outside who can be written to.",
        Kind::Device => "A computer.",
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

/// Has a schema say that members of a group may be of every kind.
fn widen_members(schema: &mut Value) {
    fn list<'a>(of: &'a mut Value, name: &str) -> impl Iterator<Item = &'a mut Value> {
        of.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten()
    }
    let members = list(schema, "attributes").filter(|attribute| attribute["name"] == "members");
    for part in members.flat_map(|members| list(members, "subAttributes")) {
        for name in ["referenceTypes", "canonicalValues"] {
            if let Some(kinds) = part.get_mut(name) {
                *kinds = json!(Kind::ALL.map(Kind::name));
            }
        }
    }
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
    fn a_directory_has_all_kinds_and_the_standard_only_its_own() {
        let (standard, directory) = (Catalogue::get().unwrap(), Catalogue::directory().unwrap());
        assert_eq!((standard.kinds(), directory.kinds()), (&Kind::ALL[..2], &Kind::ALL[..]));
        assert!(standard.resolve(Kind::Contact, "displayName").is_none());
        assert!(directory.resolve(Kind::Contact, "urn:provisor:scim:schemas:1.0:Contact:displayName").is_some());
        assert!(directory.resolve(Kind::User, &format!("{DIRECTORY_USER}:onPremisesSamAccountName")).is_some());
        assert!(standard.resolve(Kind::User, &format!("{DIRECTORY_USER}:onPremisesSamAccountName")).is_none());
    }

    #[test]
    fn members_may_be_of_every_kind_that_a_directory_has() {
        let types = |catalogue: &'static Catalogue| {
            let document = catalogue.schema_document(Kind::Group.schema(), "").unwrap();
            let attributes = document["attributes"].as_array().unwrap();
            let members = attributes.iter().find(|one| one["name"] == "members").unwrap();
            let parts = members["subAttributes"].as_array().unwrap();
            parts.iter().find(|part| part["name"] == "$ref").unwrap()["referenceTypes"].clone()
        };
        assert_eq!(types(Catalogue::directory().unwrap()), json!(["User", "Group", "Contact", "Device"]));
        assert_eq!(types(Catalogue::get().unwrap()), json!(["User", "Group"]));
    }

    #[test]
    fn what_no_schema_lists_does_not_resolve() {
        assert!(at(Kind::User, "members").is_none());
        assert!(at(Kind::Group, &format!("{ENTERPRISE}:department")).is_none());
        assert!(at(Kind::User, "name.nonsense").is_none());
        assert!(at(Kind::User, &format!("{ENTERPRISE}x")).is_none());
    }
}
