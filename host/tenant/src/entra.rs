//! The rules of Microsoft Entra's inbound SCIM API that are not the standard's.
use std::borrow::Cow;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::error::{ErrorType, Refusal};
use crate::filter::{Comparison, Filter};
use crate::patch::{Body, MemberChange, Step};
use crate::personality::Entra;
use crate::resource::Draft;
use crate::schema::{ENTRA_USER, Kind};

/// The size of a page, unless more is asked for.
pub(crate) const PAGE: usize = 100;
/// The largest page, announced.
pub(crate) const MAX_PAGE: usize = 1000;
/// The largest page of users, and only with `attributes` that leave the manager out.
const MAX_USERS: usize = 999;
/// What is announced as `filter.maxResults`.
pub(crate) const MAX_RESULTS: usize = 200;
/// The most members that one PATCH adds.
const MAX_MEMBERS: usize = 20;

/// How many resources a page has.
pub(crate) fn page_size(kind: Kind, asked: Option<i64>, attributes: &[String]) -> usize {
    let asked = asked.map_or(PAGE, |count| usize::try_from(count).unwrap_or(0));
    match kind {
        Kind::User if asked <= PAGE => asked,
        Kind::User => {
            let manager = attributes.iter().any(|name| name.to_ascii_lowercase().contains(":user:manager"));
            if attributes.is_empty() || manager { PAGE } else { asked.min(MAX_USERS) }
        }
        _ => asked.min(MAX_PAGE),
    }
}

/// Refuses a filter that the service does not have.
pub(crate) fn check_filter(kind: Kind, filter: &Filter) -> Result<(), Refusal> {
    let refuse = |detail: &str| Err(Refusal::bad(ErrorType::InvalidFilter, detail));
    if let Filter::And(terms) = filter {
        if terms.iter().any(|term| matches!(term, Filter::Compare(name, ..) if name.eq_ignore_ascii_case("externalId")))
        {
            return refuse("externalId cannot be combined with other terms.");
        }
        return terms.iter().try_for_each(|term| check_term(kind, term, &refuse));
    }
    check_term(kind, filter, &refuse)
}

fn check_term(kind: Kind, term: &Filter, refuse: &dyn Fn(&str) -> Result<(), Refusal>) -> Result<(), Refusal> {
    match term {
        Filter::Compare(name, comparison, _) => {
            let name = short(kind, name);
            let allowed: &[&str] = match (kind, comparison) {
                (Kind::User, Comparison::Eq) => {
                    &["active", "username", "externalid", "id", "groups.value", "entra:mailnickname"]
                }
                (Kind::User, Comparison::Ew) => &["username", "entra:mailnickname"],
                (Kind::Group, Comparison::Eq) => {
                    &["displayname", "id", "members.value", "entra:securityenabled", "entra:mailenabled"]
                }
                (Kind::Group, Comparison::Ew) => &["displayname"],
                _ => return refuse("Only the operators eq and ew are supported."),
            };
            if allowed.contains(&&*name) { Ok(()) } else { refuse(&format!("The filter on {name} is not supported.")) }
        }
        Filter::Not(inner) => match &**inner {
            Filter::Compare(_, Comparison::Ew, _) if kind == Kind::User => check_term(kind, inner, refuse),
            _ => refuse("Only ew can be negated, on users."),
        },
        _ => refuse("Only comparisons joined by \"and\" are supported."),
    }
}

/// An attribute's name in lower case, with its extension as `entra:`.
fn short(kind: Kind, name: &str) -> String {
    let name = name.to_ascii_lowercase();
    let extension =
        format!("urn:ietf:params:scim:schemas:extension:microsoft:entra:2.0:{}:", kind.name().to_lowercase());
    let core = format!("{}:", kind.schema().to_ascii_lowercase());
    match name.strip_prefix(&extension) {
        Some(rest) => format!("entra:{rest}"),
        None => name.strip_prefix(&core).unwrap_or(&name).to_owned(),
    }
}

/// What a new resource must have. A user's password is checked and forgotten.
pub(crate) fn check_new(entra: Entra, kind: Kind, draft: &mut Draft) -> Result<(), Refusal> {
    if draft.members.len() > MAX_MEMBERS {
        return Err(bad(format!("At most {MAX_MEMBERS} members can be added in one request.")));
    }
    if kind == Kind::Group {
        return Ok(());
    }
    let password = draft.body.remove("password");
    let body = &mut draft.body;
    let mut missing: Vec<Cow<'static, str>> = Vec::new();
    if !password.as_ref().is_some_and(|password| is_text(Some(password))) {
        missing.push("password".into());
    }
    if !body.get("active").is_some_and(Value::is_boolean) {
        missing.push("active".into());
    }
    if !is_text(body.get("displayName")) {
        missing.push("displayName".into());
    }
    for part in ["givenName", "familyName"] {
        if !is_text(body.get("name").and_then(|name| name.get(part))) {
            missing.push(format!("name.{part}").into());
        }
    }
    if !has_mail_nickname(body) {
        if entra.derives_mail_nickname {
            derive_mail_nickname(body);
        } else {
            missing.push("mailNickname".into());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(bad(format!("A User needs {}.", missing.join(", ")))) }
}

fn derive_mail_nickname(body: &mut Body) {
    let name = body.get("userName").and_then(Value::as_str).unwrap_or_default();
    let nickname = name.split('@').next().unwrap_or(name).to_owned();
    let extension = body.entry(ENTRA_USER).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(extension) = extension {
        extension.insert("mailNickname".to_owned(), nickname.into());
    }
}

/// What a change must leave as it is.
pub(crate) fn check_changed(kind: Kind, former: &Body, body: &Body) -> Result<(), Refusal> {
    if kind == Kind::Group {
        return Ok(());
    }
    if body.contains_key("password") {
        return Err(bad("A password can be set only when the user is created.".to_owned()));
    }
    if has_mail_nickname(former) && !has_mail_nickname(body) {
        return Err(bad("mailNickname cannot be removed.".to_owned()));
    }
    Ok(())
}

/// Members are added twenty at a time or removed one at a time, and nothing else is done with it.
pub(crate) fn check_group_patch(steps: &[Step]) -> Result<(), Refusal> {
    let refuse = |detail: String| Err(bad(detail));
    match steps {
        [Step::Members(MemberChange::Add(ids))] if ids.len() > MAX_MEMBERS => {
            refuse(format!("At most {MAX_MEMBERS} members can be added in one request, not {}.", ids.len()))
        }
        [Step::Members(MemberChange::Remove(ids))] if ids.len() > 1 => {
            refuse(format!("Only one member can be removed in one request, not {}.", ids.len()))
        }
        [Step::Members(MemberChange::Add(_) | MemberChange::Remove(_))] => Ok(()),
        [Step::Members(_)] => refuse("Members can only be added, or removed by their id.".to_owned()),
        steps if steps.iter().any(|step| matches!(step, Step::Members(_))) => {
            refuse("Members must be changed in one operation, without any other change.".to_owned())
        }
        _ => Ok(()),
    }
}

/// There is no PUT.
pub(crate) fn no_put() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "Resources are changed by PATCH alone.")
}

/// A resource as the service writes it.
pub(crate) fn present(kind: Kind, resource: &mut Map<String, Value>) {
    if let Some(Value::Object(meta)) = resource.get_mut("meta") {
        if let Some(location) = meta.get_mut("location")
            && let Some(rest) = location.as_str().and_then(|text| text.strip_prefix(kind.endpoint()))
        {
            *location = format!("{}{rest}", kind.endpoint().to_lowercase()).into();
        }
        if meta.contains_key("resourceType") {
            meta.insert("resourceType".to_owned(), kind.name().to_lowercase().into());
        }
    }
}

fn is_text(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
}

fn has_mail_nickname(body: &Body) -> bool {
    is_text(body.get(ENTRA_USER).and_then(|extension| extension.get("mailNickname")))
}

fn bad(detail: String) -> Refusal {
    Refusal::bad(ErrorType::InvalidValue, detail)
}
