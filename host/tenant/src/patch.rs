//! PATCH (RFC 7644 section 3.5.2): a request is read into steps, with every name and value checked before the first is taken.
mod apply;

use serde_json::{Map, Value};

pub(crate) use apply::apply;

use crate::error::{ErrorType, Refusal};
use crate::expression::{Expression, Operand, Scope};
use crate::filter::{Comparison, Path, parse_path};
use crate::resource::{self, canonical, canonical_one, check_schemas, field, member_ids};
use crate::schema::{At, Attribute, Catalogue, Kind, Mutability, Named};

/// The schema of a PATCH request.
const PATCH_OP: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// One change of a resource.
#[derive(Debug)]
pub(crate) enum Step {
    /// Of what is stored with the resource itself.
    Edit(Edit),
    /// Of a group's members, which are stored apart so that a change costs what it changes.
    Members(MemberChange),
}

#[derive(Debug)]
pub(crate) struct Edit {
    pub(crate) place: Place,
    pub(crate) action: Action,
}

#[derive(Debug)]
pub(crate) enum Place {
    Extension(&'static str),
    Attribute { at: At, select: Option<Expression> },
}

/// Values are in the schema's form already; of an attribute with one complex value, the parts without value are null.
#[derive(Debug)]
pub(crate) enum Action {
    Add(Value),
    Replace(Value),
    /// All that is there, or of a list only these values.
    Remove(Option<Value>),
}

#[derive(Debug)]
pub(crate) enum MemberChange {
    Add(Vec<String>),
    Remove(Vec<String>),
    RemoveWhere(Expression),
    Replace(Vec<String>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Op {
    Add,
    Replace,
    Remove,
}

/// What is understood otherwise than the standard says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dialect {
    /// Operations are named `Add`, `Replace`, `Remove` alone.
    pub(crate) capitalized_ops: bool,
    /// Members are removed by value alone, never by a filter.
    pub(crate) by_value_only: bool,
    /// A value in a removal of members is passed over.
    pub(crate) by_value_empties: bool,
}

/// Reads the body of a PATCH.
///
/// # Errors
/// 400 with `invalidSyntax`, `invalidPath`, `invalidFilter`, `invalidValue`, `noTarget` or `mutability`.
pub(crate) fn parse(
    catalogue: &'static Catalogue,
    kind: Kind,
    body: &Value,
    dialect: Dialect,
) -> Result<Vec<Step>, Refusal> {
    let Value::Object(message) = body else {
        return Err(syntax("A PATCH is a JSON object.".to_owned()));
    };
    check_schemas(field(message, "schemas"), PATCH_OP)?;
    let Some(Value::Array(operations)) = field(message, "Operations") else {
        return Err(syntax("\"Operations\" must be a list.".to_owned()));
    };
    let reader = Reader { catalogue, kind, dialect };
    let mut steps = Vec::with_capacity(operations.len());
    for operation in operations {
        reader.operation(operation, &mut steps)?;
    }
    Ok(steps)
}

struct Reader {
    catalogue: &'static Catalogue,
    kind: Kind,
    dialect: Dialect,
}

impl Reader {
    fn operation(&self, operation: &Value, steps: &mut Vec<Step>) -> Result<(), Refusal> {
        let Value::Object(operation) = operation else {
            return Err(syntax("An operation is a JSON object.".to_owned()));
        };
        let name = field(operation, "op").and_then(Value::as_str).unwrap_or_default();
        let op = match name.to_ascii_lowercase().as_str() {
            "add" => Op::Add,
            "replace" => Op::Replace,
            "remove" => Op::Remove,
            _ => return Err(syntax(format!("\"op\" must be add, replace or remove, not {name:?}."))),
        };
        if self.dialect.capitalized_ops && !matches!(name, "Add" | "Replace" | "Remove") {
            return Err(syntax(format!("\"op\" must be Add, Replace or Remove, not {name:?}.")));
        }
        let value = field(operation, "value");
        match field(operation, "path") {
            None | Some(Value::Null) => self.without_path(op, value, steps),
            Some(Value::String(path)) => self.step(op, path, value.cloned(), true, steps),
            Some(_) => Err(syntax("\"path\" must be text.".to_owned())),
        }
    }

    /// Without a path the value is an object, each of whose attributes is changed.
    fn without_path(&self, op: Op, value: Option<&Value>, steps: &mut Vec<Step>) -> Result<(), Refusal> {
        if op == Op::Remove {
            return Err(Refusal::bad(ErrorType::NoTarget, "A remove operation needs a \"path\"."));
        }
        let Some(Value::Object(values)) = value else {
            return Err(syntax("An operation without \"path\" needs an object as \"value\".".to_owned()));
        };
        values.iter().try_for_each(|(path, value)| self.step(op, path, Some(value.clone()), false, steps))
    }

    /// The steps for one path. Only a path that was given as such makes a read-only attribute an error: objects without
    /// path are often whole resources, and are treated as in a PUT.
    fn step(
        &self,
        op: Op,
        path: &str,
        value: Option<Value>,
        explicit: bool,
        steps: &mut Vec<Step>,
    ) -> Result<(), Refusal> {
        let parsed = parse_path(path).map_err(|error| invalid_path(format!("{path:?} is no path: {error}.")))?;
        let named = self
            .catalogue
            .resolve(self.kind, &parsed.attribute)
            .ok_or_else(|| invalid_path(format!("No schema here has the attribute {:?}.", parsed.attribute)))?;
        match named {
            Named::Extension(uri) => self.extension(op, uri, &parsed, value, steps),
            Named::Attribute(at) => {
                let (at, select) = place(at, &parsed, path)?;
                if [at.attribute, at.definition()].iter().any(|one| one.mutability == Mutability::ReadOnly) {
                    return if explicit { Err(read_only(path)) } else { Ok(()) };
                }
                steps.push(if at.extension.is_none() && at.attribute.name == "members" {
                    Step::Members(self.members(op, at, select, value, path)?)
                } else {
                    Step::Edit(edit(op, at, select, value, path)?)
                });
                Ok(())
            }
        }
    }

    fn members(
        &self,
        op: Op,
        at: At,
        select: Option<Expression>,
        value: Option<Value>,
        path: &str,
    ) -> Result<MemberChange, Refusal> {
        let Dialect { by_value_only, by_value_empties, .. } = self.dialect;
        if by_value_only && op == Op::Remove && (select.is_some() || value.as_ref().is_none_or(Value::is_null)) {
            return Err(invalid_path("Members are removed by the path \"members\" with a value.".to_owned()));
        }
        let value = value.filter(|_| !(by_value_empties && op == Op::Remove));
        member_change(op, at, select, value, path)
    }

    fn extension(
        &self,
        op: Op,
        uri: &'static str,
        path: &Path,
        value: Option<Value>,
        steps: &mut Vec<Step>,
    ) -> Result<(), Refusal> {
        if path.select.is_some() {
            return Err(invalid_path(format!("{uri} is a schema: it has no values to select.")));
        }
        match (op, value) {
            (Op::Remove, _) | (Op::Replace, Some(Value::Null)) => {
                steps.push(Step::Edit(Edit { place: Place::Extension(uri), action: Action::Remove(None) }));
                Ok(())
            }
            (_, Some(Value::Object(values))) => values
                .into_iter()
                // Clients that model an extension as a resource name its schema in it as well; its key says the same.
                .filter(|(name, _)| !name.eq_ignore_ascii_case("schemas"))
                .try_for_each(|(name, value)| self.step(op, &format!("{uri}:{name}"), Some(value), false, steps)),
            _ => Err(Refusal::bad(ErrorType::InvalidValue, format!("{uri} needs an object as \"value\"."))),
        }
    }
}

/// Puts path, filter and sub-attribute together.
fn place(mut at: At, path: &Path, text: &str) -> Result<(At, Option<Expression>), Refusal> {
    let Some(filter) = &path.select else { return Ok((at, None)) };
    if at.sub.is_some() || !at.attribute.multi_valued || !at.attribute.is_complex() {
        return Err(invalid_path(format!("{text:?}: only a list of complex values can be selected from.")));
    }
    let select = Expression::compile(filter, Scope::Element(at.attribute), false)?;
    if let Some(sub) = &path.sub {
        let found = at.attribute.sub(sub);
        at.sub = Some(found.ok_or_else(|| invalid_path(format!("{} has no {sub:?}.", at.attribute.name)))?);
    }
    Ok((at, Some(select)))
}

fn edit(op: Op, at: At, select: Option<Expression>, value: Option<Value>, path: &str) -> Result<Edit, Refusal> {
    let definition = at.definition();
    if op != Op::Remove
        && at.sub.is_some_and(|sub| sub.name == "$ref")
        && value.as_ref().is_some_and(|one| !one.is_null())
    {
        return Err(resource::reference_alone(&at.attribute.name));
    }
    // A selection names elements of the list, so its value is one element.
    let one = at.sub.is_none() && select.is_some();
    let value = match value {
        // Some clients add a single value to a list without brackets; there is one thing it can mean.
        Some(value) if definition.multi_valued && !one && !value.is_array() => {
            canonical_one(definition, value)?.map(|value| Value::Array(vec![value]))
        }
        Some(value) if one => canonical_one(definition, value)?,
        // What has no value among the parts concerns these parts, and nothing else.
        Some(Value::Object(parts)) if op != Op::Remove && is_one_complex(definition) && !parts.is_empty() => {
            Some(Value::Object(resource::parts(definition, parts)?))
        }
        Some(value) => canonical(definition, value)?,
        None if op == Op::Remove => None,
        None => return Err(syntax(format!("The operation on {path:?} needs a \"value\"."))),
    };
    let action = match (op, value) {
        (Op::Add, Some(value)) => Action::Add(value),
        (Op::Replace, Some(value)) => Action::Replace(value),
        // No value is what an add of nothing leaves, and what a replace by nothing makes (RFC 7643 section 2.5).
        (Op::Add, None) => Action::Add(Value::Null),
        (Op::Replace, None) => Action::Remove(None),
        (Op::Remove, value) => Action::Remove(value.filter(|_| definition.multi_valued && !one)),
    };
    if matches!(action, Action::Remove(_)) && at.sub.is_none() && definition.required {
        let detail = format!("{path} is required and cannot be removed.");
        return Err(Refusal::bad(ErrorType::Mutability, detail));
    }
    Ok(Edit { place: Place::Attribute { at, select }, action })
}

fn is_one_complex(definition: &Attribute) -> bool {
    definition.is_complex() && !definition.multi_valued
}

fn member_change(
    op: Op,
    at: At,
    select: Option<Expression>,
    value: Option<Value>,
    path: &str,
) -> Result<MemberChange, Refusal> {
    // RFC 7643 section 4.2: a member comes and goes as a whole.
    if at.sub.is_some() || (select.is_some() && op != Op::Remove) {
        let detail = format!("{path}: members cannot be changed, only added and removed.");
        return Err(Refusal::bad(ErrorType::Mutability, detail));
    }
    if let Some(select) = select {
        return Ok(match selected_ids(&select) {
            Some(ids) => MemberChange::Remove(ids),
            None => MemberChange::RemoveWhere(select),
        });
    }
    let ids = |value: Value| member_ids(at.attribute, value);
    Ok(match (op, value) {
        (Op::Add, Some(value)) => MemberChange::Add(ids(value)?),
        (Op::Replace, Some(value)) => MemberChange::Replace(ids(value)?),
        // RFC 7644 gives a remove no value, yet clients in the field send the members they mean. To empty the whole
        // group for them would be the worst possible reading.
        (Op::Remove, Some(value)) if !value.is_null() => MemberChange::Remove(ids(value)?),
        (Op::Remove, _) => MemberChange::Replace(Vec::new()),
        (_, None) => return Err(syntax(format!("The operation on {path:?} needs a \"value\"."))),
    })
}

/// The ids, where a selection is nothing but `value eq "id"`, or several of these joined by `or`.
fn selected_ids(select: &Expression) -> Option<Vec<String>> {
    match select {
        Expression::Compare(At { attribute: Attribute { name, .. }, .. }, Comparison::Eq, Operand::Exact(id))
            if name == "value" =>
        {
            Some(vec![id.clone()])
        }
        Expression::Or(terms) => {
            let ids: Option<Vec<Vec<String>>> = terms.iter().map(selected_ids).collect();
            Some(ids?.concat())
        }
        _ => None,
    }
}

fn syntax(detail: String) -> Refusal {
    Refusal::bad(ErrorType::InvalidSyntax, detail)
}

fn invalid_path(detail: String) -> Refusal {
    Refusal::bad(ErrorType::InvalidPath, detail)
}

fn read_only(path: &str) -> Refusal {
    Refusal::bad(ErrorType::Mutability, format!("{path} is read-only."))
}

/// What is stored of one resource, its members apart.
pub(crate) type Body = Map<String, Value>;

#[cfg(test)]
mod tests;
