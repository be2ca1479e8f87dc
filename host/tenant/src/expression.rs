//! A filter whose names are looked up in the schemas, and its evaluation on a resource.
use serde_json::{Map, Value};
use time::OffsetDateTime;

use crate::clock;
use crate::error::{ErrorType, Refusal};
use crate::filter::{Comparison, Filter};
use crate::schema::{At, Attribute, Catalogue, Kind, Named, ValueType};

/// A filter that can be evaluated.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    And(Vec<Expression>),
    Or(Vec<Expression>),
    Not(Box<Expression>),
    Present(At),
    Compare(At, Comparison, Operand),
    Select(At, Box<Expression>),
    /// An attribute that this kind does not have, in a search over several kinds.
    Never,
}

/// What a comparison compares with, in the attribute's own type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    Null,
    Boolean(bool),
    Number(f64),
    Time(OffsetDateTime),
    /// Compared by octets.
    Exact(String),
    /// Compared without regard to case: in lower case, and as it was written.
    Folded(String, String),
}

/// What the names of a filter refer to.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    /// A resource of this kind.
    Resource(&'static Catalogue, Kind),
    /// One value of a complex attribute, inside brackets.
    Element(&'static Attribute),
}

impl Expression {
    /// Looks a filter's names up. An unknown name is an error, or, when `lenient`, matches nothing.
    ///
    /// # Errors
    /// `invalidFilter`: an unknown attribute, or an operator or a value that does not go with the attribute's type.
    pub(crate) fn compile(filter: &Filter, scope: Scope, lenient: bool) -> Result<Self, Refusal> {
        let all = |terms: &[Filter]| -> Result<Vec<Self>, Refusal> {
            terms.iter().map(|term| Self::compile(term, scope, lenient)).collect()
        };
        Ok(match filter {
            Filter::And(terms) => Self::And(all(terms)?),
            Filter::Or(terms) => Self::Or(all(terms)?),
            Filter::Not(term) => Self::Not(Box::new(Self::compile(term, scope, lenient)?)),
            Filter::Present(name) => match scope.resolve(name) {
                Some(at) => Self::Present(at),
                None => unknown(name, lenient)?,
            },
            Filter::Compare(name, comparison, value) => match scope.resolve(name) {
                Some(at) => compare(at, name, *comparison, value)?,
                None => unknown(name, lenient)?,
            },
            Filter::Select(name, inner) => match scope.resolve(name) {
                Some(at) if at.definition().is_complex() && matches!(scope, Scope::Resource(..)) => {
                    Self::Select(at, Box::new(Self::compile(inner, Scope::Element(at.definition()), lenient)?))
                }
                Some(_) => return Err(invalid(format!("{name} has no sub-attributes to select by."))),
                None => unknown(name, lenient)?,
            },
        })
    }

    /// Whether a resource, or the element of a complex attribute, meets the filter.
    pub(crate) fn matches(&self, object: &Map<String, Value>) -> bool {
        match self {
            Self::And(terms) => terms.iter().all(|term| term.matches(object)),
            Self::Or(terms) => terms.iter().any(|term| term.matches(object)),
            Self::Not(term) => !term.matches(object),
            Self::Present(at) => any_value(at, object, |value| !is_unassigned(value)),
            Self::Compare(at, Comparison::Ne, operand) => !equals_any(at, object, operand),
            Self::Compare(at, Comparison::Eq, operand) => equals_any(at, object, operand),
            Self::Compare(at, comparison, operand) => any_value(at, object, |value| holds(value, *comparison, operand)),
            Self::Select(at, inner) => {
                any_value(at, object, |value| value.as_object().is_some_and(|one| inner.matches(one)))
            }
            Self::Never => false,
        }
    }

    /// Whether the filter looks at the core attribute `name`.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::And(terms) | Self::Or(terms) => terms.iter().any(|term| term.mentions(name)),
            Self::Not(term) => term.mentions(name),
            Self::Present(at) | Self::Compare(at, ..) | Self::Select(at, _) => {
                at.extension.is_none() && at.attribute.name == name
            }
            Self::Never => false,
        }
    }

    /// The same filter for a service that finds nothing by some attributes.
    pub(crate) fn blind(self, to: &[At]) -> Self {
        let all = |terms: Vec<Self>| terms.into_iter().map(|term| term.blind(to)).collect();
        let hit = |at: &At| to.iter().any(|one| one.covers(at));
        match self {
            Self::And(terms) => Self::And(all(terms)),
            Self::Or(terms) => Self::Or(all(terms)),
            Self::Not(term) => Self::Not(Box::new(term.blind(to))),
            Self::Present(at) | Self::Compare(at, ..) | Self::Select(at, _) if hit(&at) => Self::Never,
            other => other,
        }
    }

    /// The sub-attributes that this filter, on an element, fixes by equality: what an element created for it must hold.
    pub(crate) fn fixed(&self) -> Vec<(&'static str, Value)> {
        match self {
            Self::And(terms) => terms.iter().flat_map(Self::fixed).collect(),
            Self::Compare(at, Comparison::Eq, Operand::Exact(text) | Operand::Folded(_, text)) => {
                vec![(&at.attribute.name, Value::String(text.clone()))]
            }
            Self::Compare(at, Comparison::Eq, Operand::Boolean(value)) => {
                vec![(&at.attribute.name, Value::Bool(*value))]
            }
            _ => Vec::new(),
        }
    }
}

impl Scope {
    fn resolve(self, name: &str) -> Option<At> {
        match self {
            Self::Resource(catalogue, kind) => match catalogue.resolve(kind, name)? {
                Named::Attribute(at) => Some(at),
                Named::Extension(_) => None,
            },
            Self::Element(attribute) => {
                attribute.sub(name).map(|attribute| At { extension: None, attribute, sub: None })
            }
        }
    }
}

fn invalid(detail: String) -> Refusal {
    Refusal::bad(ErrorType::InvalidFilter, detail)
}

fn unknown(name: &str, lenient: bool) -> Result<Expression, Refusal> {
    if lenient { Ok(Expression::Never) } else { Err(invalid(format!("No schema here has the attribute {name:?}."))) }
}

fn compare(mut at: At, name: &str, comparison: Comparison, value: &Value) -> Result<Expression, Refusal> {
    if at.definition().is_complex() {
        // RFC 7644 section 3.4.2.2: a complex attribute is compared by its "value".
        match at.attribute.sub("value") {
            Some(sub) if at.sub.is_none() => at.sub = Some(sub),
            _ => return Err(invalid(format!("{name} is complex: compare one of its sub-attributes."))),
        }
    }
    let definition = at.definition();
    let mismatch = || invalid(format!("{name} cannot be compared with {value}."));
    let operand = match (definition.value_type, value) {
        (_, Value::Null) => Operand::Null,
        (ValueType::Boolean, Value::Bool(value)) => Operand::Boolean(*value),
        (ValueType::Integer, Value::Number(number)) => Operand::Number(number.as_f64().ok_or_else(mismatch)?),
        (ValueType::DateTime, Value::String(text)) => Operand::Time(clock::parse(text).ok_or_else(mismatch)?),
        (ValueType::String | ValueType::Reference | ValueType::Binary, Value::String(text)) => {
            if definition.case_exact {
                Operand::Exact(text.clone())
            } else {
                Operand::Folded(text.to_lowercase(), text.clone())
            }
        }
        _ => return Err(mismatch()),
    };
    use Comparison::{Co, Eq, Ew, Ge, Gt, Le, Lt, Ne, Sw};
    let fits = match (&operand, comparison) {
        (_, Eq | Ne) => true,
        (Operand::Null | Operand::Boolean(_), _) => false,
        (Operand::Number(_) | Operand::Time(_), Co | Sw | Ew) => false,
        // RFC 7644 section 3.4.2.2: binary values have no order.
        (_, Gt | Ge | Lt | Le) => definition.value_type != ValueType::Binary,
        (_, Co | Sw | Ew) => true,
    };
    if fits {
        Ok(Expression::Compare(at, comparison, operand))
    } else {
        Err(invalid(format!("The operator does not go with the type of {name}.")))
    }
}

fn is_unassigned(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(object) => object.is_empty(),
        _ => false,
    }
}

fn equals_any(at: &At, object: &Map<String, Value>, operand: &Operand) -> bool {
    match operand {
        Operand::Null => !any_value(at, object, |value| !is_unassigned(value)),
        operand => any_value(at, object, |value| holds(value, Comparison::Eq, operand)),
    }
}

/// Tests the values found at a place: each one, where the attribute has several.
fn any_value(at: &At, object: &Map<String, Value>, test: impl Fn(&Value) -> bool) -> bool {
    let container = match at.extension {
        Some(extension) => object.get(extension).and_then(Value::as_object),
        None => Some(object),
    };
    let test = |value: &Value| match at.sub {
        Some(sub) => value.get(&sub.name).is_some_and(&test),
        None => test(value),
    };
    match container.and_then(|container| container.get(&at.attribute.name)) {
        Some(Value::Array(values)) => values.iter().any(test),
        Some(value) => test(value),
        None => false,
    }
}

fn holds(value: &Value, comparison: Comparison, operand: &Operand) -> bool {
    match (operand, value) {
        (Operand::Exact(operand), Value::String(text)) => text_holds(text, comparison, operand),
        (Operand::Folded(operand, _), Value::String(text)) => text_holds(&text.to_lowercase(), comparison, operand),
        (Operand::Time(operand), Value::String(text)) => {
            clock::parse(text).is_some_and(|time| ordered(time.cmp(operand), comparison))
        }
        (Operand::Number(operand), Value::Number(number)) => number
            .as_f64()
            .and_then(|number| number.partial_cmp(operand))
            .is_some_and(|ordering| ordered(ordering, comparison)),
        (Operand::Boolean(operand), Value::Bool(value)) => comparison == Comparison::Eq && operand == value,
        _ => false,
    }
}

fn text_holds(text: &str, comparison: Comparison, operand: &str) -> bool {
    match comparison {
        Comparison::Co => text.contains(operand),
        Comparison::Sw => text.starts_with(operand),
        Comparison::Ew => text.ends_with(operand),
        other => ordered(text.cmp(operand), other),
    }
}

fn ordered(ordering: std::cmp::Ordering, comparison: Comparison) -> bool {
    match comparison {
        Comparison::Eq => ordering.is_eq(),
        Comparison::Gt => ordering.is_gt(),
        Comparison::Ge => ordering.is_ge(),
        Comparison::Lt => ordering.is_lt(),
        Comparison::Le => ordering.is_le(),
        Comparison::Ne | Comparison::Co | Comparison::Sw | Comparison::Ew => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse_filter;
    use serde_json::json;

    fn compile(text: &str) -> Result<Expression, Refusal> {
        let scope = Scope::Resource(Catalogue::get().unwrap(), Kind::User);
        Expression::compile(&parse_filter(text).unwrap(), scope, false)
    }

    fn bjensen() -> Map<String, Value> {
        let resource = json!({
            "id": "Ab",
            "userName": "BJensen",
            "title": "",
            "active": true,
            "name": {"familyName": "Jensen"},
            "emails": [
                {"type": "work", "value": "bjensen@example.com", "primary": true},
                {"type": "home", "value": "babs@jensen.org"}
            ],
            "meta": {"lastModified": "2011-05-13T04:42:34Z"},
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Tours", "manager": {"value": "26118915"}}
        });
        resource.as_object().unwrap().clone()
    }

    #[test]
    fn the_examples_of_the_standard_match_as_it_says() {
        let resource = bjensen();
        for (filter, expected) in [
            (r#"userName eq "bjensen""#, true),
            (r#"id eq "ab""#, false),
            (r#"name.familyName co "ENS""#, true),
            (r#"userName sw "J""#, false),
            (r#"urn:ietf:params:scim:schemas:core:2.0:User:userName sw "bj""#, true),
            ("title pr", false),
            ("title eq null", true),
            ("NAME pr", true),
            (r#"meta.lastModified gt "2011-05-13T04:42:33Z""#, true),
            (r#"meta.lastModified ge "2011-05-13T06:42:34+02:00""#, true),
            (r#"meta.lastModified lt "2011-05-13T04:42:34Z""#, false),
            (r#"emails co "jensen.org""#, true),
            (r#"emails.type eq "other""#, false),
            (r#"emails[type eq "work" and value co "@example.com"]"#, true),
            (r#"emails[type eq "work" and value co "jensen.org"]"#, false),
            (r#"emails[not (type eq "work") and primary eq true]"#, false),
            (r#"userName ne "x" and not (active eq false)"#, true),
            (r#"nickName ne "x""#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tours""#, true),
            (r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager eq "26118915""#, true),
        ] {
            assert_eq!(compile(filter).unwrap().matches(&resource), expected, "{filter}");
        }
    }

    #[test]
    fn what_does_not_go_with_the_schema_is_an_invalid_filter() {
        for filter in [
            r#"nonsense eq "x""#,
            r#"active eq "true""#,
            "active gt true",
            r#"meta.created gt "yesterday""#,
            r#"name eq "Jensen""#,
            r#"userName[type eq "work"]"#,
            r#"emails[nonsense pr]"#,
            "userName eq 1",
        ] {
            assert_eq!(compile(filter).unwrap_err().kind, Some(ErrorType::InvalidFilter), "{filter}");
        }
    }
}
