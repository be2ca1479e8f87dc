//! The schemas that a service announces (RFC 7643, section 7): which attributes there are, and how they are made.

use provisor_model::TargetPath;
use serde_json::Value;

use crate::scim::json;

/// The type of an attribute (RFC 7643, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttributeType {
    /// Text.
    String,
    /// True or false.
    Boolean,
    /// A decimal number.
    Decimal,
    /// A whole number.
    Integer,
    /// A point in time.
    DateTime,
    /// Octets in base64.
    Binary,
    /// The URI of something else.
    Reference,
    /// Sub-attributes.
    Complex,
}

/// Whether an attribute can be written (RFC 7643, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// Never by a client.
    ReadOnly,
    /// At any time.
    ReadWrite,
    /// Once, when the resource is made or the attribute first set.
    Immutable,
    /// At any time, but it is not given out.
    WriteOnly,
}

/// Among which resources a value must be the only one of its kind (RFC 7643, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uniqueness {
    /// Values may repeat.
    None,
    /// Among those of the service.
    Server,
    /// Everywhere.
    Global,
}

/// An attribute as its schema describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeDefinition {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: AttributeType,
    /// Whether it has several values.
    pub multi_valued: bool,
    /// Whether it must be there.
    pub required: bool,
    /// Whether upper and lower case differ in its values.
    pub case_exact: bool,
    /// Whether it can be written.
    pub mutability: Mutability,
    /// When it is part of a reply: `always`, `never`, `default` or `request`.
    pub returned: String,
    /// Whether its values may repeat.
    pub uniqueness: Uniqueness,
    /// Its parts, where it is complex.
    pub sub_attributes: Vec<AttributeDefinition>,
}

impl AttributeDefinition {
    fn parse(document: &Value) -> Option<Self> {
        let kind = match json::text(document, "type").unwrap_or("string").to_ascii_lowercase().as_str() {
            "boolean" => AttributeType::Boolean,
            "decimal" => AttributeType::Decimal,
            "integer" => AttributeType::Integer,
            "datetime" => AttributeType::DateTime,
            "binary" => AttributeType::Binary,
            "reference" => AttributeType::Reference,
            "complex" => AttributeType::Complex,
            _ => AttributeType::String,
        };
        let mutability = match json::text(document, "mutability").unwrap_or_default().to_ascii_lowercase().as_str() {
            "readonly" => Mutability::ReadOnly,
            "immutable" => Mutability::Immutable,
            "writeonly" => Mutability::WriteOnly,
            _ => Mutability::ReadWrite,
        };
        let uniqueness = match json::text(document, "uniqueness").unwrap_or_default().to_ascii_lowercase().as_str() {
            "server" => Uniqueness::Server,
            "global" => Uniqueness::Global,
            _ => Uniqueness::None,
        };
        Some(Self {
            name: json::text(document, "name")?.to_owned(),
            kind,
            multi_valued: json::flag(document, "multiValued").unwrap_or(false),
            required: json::flag(document, "required").unwrap_or(false),
            case_exact: json::flag(document, "caseExact").unwrap_or(false),
            mutability,
            returned: json::text(document, "returned").unwrap_or("default").to_ascii_lowercase(),
            uniqueness,
            sub_attributes: parse_all(document, "subAttributes"),
        })
    }

    /// The part of this name.
    pub fn sub_attribute(&self, name: &str) -> Option<&Self> {
        find(&self.sub_attributes, name)
    }
}

fn parse_all(document: &Value, name: &str) -> Vec<AttributeDefinition> {
    let items = json::get(document, name).map_or(&[][..], json::items);
    items.iter().filter_map(AttributeDefinition::parse).collect()
}

fn find<'d>(definitions: &'d [AttributeDefinition], name: &str) -> Option<&'d AttributeDefinition> {
    definitions.iter().find(|definition| definition.name.eq_ignore_ascii_case(name))
}

/// A schema as it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) urn: String,
    pub(crate) attributes: Vec<AttributeDefinition>,
}

impl Schema {
    pub(crate) fn parse(document: &Value) -> Option<Self> {
        let attributes = parse_all(document, "attributes");
        let urn = json::text(document, "id")?.to_owned();
        (!attributes.is_empty()).then_some(Self { urn, attributes })
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&AttributeDefinition> {
        find(&self.attributes, name)
    }
}

/// Why a path cannot be written, by the attribute's definition; `whose` names the schema in messages.
pub(crate) fn check_writable(definition: &AttributeDefinition, path: &TargetPath, whose: &str) -> Result<(), String> {
    let attribute = &definition.name;
    let read_only = |name: &str| {
        Err(format!("\"{path}\" cannot be written: the target says that \"{name}\" of {whose} is read-only"))
    };
    let complex = definition.kind == AttributeType::Complex;
    if definition.mutability == Mutability::ReadOnly {
        return read_only(attribute);
    }
    if path.filter().is_some() && !(definition.multi_valued && complex) {
        return Err(format!("\"{path}\": \"{attribute}\" of {whose} has no rows that [...] could choose from"));
    }
    if path.sub_attribute().is_some() && !complex {
        return Err(format!("\"{path}\": \"{attribute}\" of {whose} has no parts"));
    }
    for name in [path.filter().map(|filter| filter.sub_attribute.as_str()), path.sub_attribute()].into_iter().flatten()
    {
        let part = definition.sub_attribute(name);
        let Some(part) = part else {
            return Err(format!(
                "\"{path}\": \"{attribute}\" of {whose} has no part \"{name}\"; it has {}",
                names(&definition.sub_attributes)
            ));
        };
        if part.mutability == Mutability::ReadOnly {
            return read_only(&format!("{attribute}.{}", part.name));
        }
    }
    let row_unknown = definition.multi_valued && path.filter().is_none();
    // A list of references may be named by the part that holds them, as in members.value.
    if row_unknown && path.sub_attribute().is_some_and(|part| !part.eq_ignore_ascii_case("value")) {
        return Err(format!(
            "\"{path}\": \"{attribute}\" of {whose} has rows; say which one, as in {attribute}[type eq \"work\"]"
        ));
    }
    Ok(())
}

/// The names of some attributes, for messages.
pub(crate) fn names(definitions: &[AttributeDefinition]) -> String {
    let names: Vec<&str> = definitions.iter().map(|definition| definition.name.as_str()).collect();
    names.join(", ")
}
