//! Whole objects: by name, by GUID, by a filter; with every value of attributes that come in ranges (MS-ADTS, section
//! 3.1.1.3.1.3.3).

use ldap3::Scope;
use provisor_model::{AttributeName, SourceId};

use super::controls::{domain_scope, extended_dn};
use super::names;
use super::objects::{Extent, Object, Part};
use crate::connection::Connection;
use crate::error::{DirectoryError, server_words};
use crate::identity::{self, OBJECT_GUID};
use crate::search::EVERYTHING;
use crate::search::few::{FewSearch, read_one, texts};
use crate::search::message::WireEntry;

/// How many objects are asked for by their GUIDs at once.
pub(crate) const LOOKED_UP: usize = 50;

/// How many values one attribute may have in all, and how many octets: a bound on memory.
const MAX_VALUES: usize = 10_000_000;
const MAX_OCTETS: usize = 512 * 1024 * 1024;

/// How often an object that changes while it is read is read again.
const ATTEMPTS: u32 = 5;

/// The objects that a small search finds, each whole.
///
/// # Errors
/// When the search fails, or an object cannot be read to its end.
pub(crate) async fn find(
    connection: &mut Connection,
    base: &str,
    scope: Scope,
    filter: &str,
    attributes: &[String],
    limit: usize,
) -> Result<Vec<Object>, DirectoryError> {
    let search = FewSearch { base, scope, filter, attributes, limit };
    let found = search.run_with(connection, vec![extended_dn(), domain_scope()]).await?;
    let mut objects = Vec::with_capacity(found.len());
    for raw in found {
        let mut object = object(connection.url(), &raw, false)?;
        complete(connection, &mut object).await?;
        objects.push(object);
    }
    Ok(objects)
}

/// The objects with these GUIDs that are there, at most [`LOOKED_UP`]; deleted ones are not.
///
/// # Errors
/// As for [`find`].
pub(crate) async fn by_ids(
    connection: &mut Connection,
    domain: &str,
    attributes: &[String],
    ids: &[SourceId],
) -> Result<Vec<Object>, DirectoryError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    find(connection, domain, Scope::Subtree, &ids_filter(ids), attributes, ids.len() + 1).await
}

/// The filter that objects with these GUIDs meet.
pub(crate) fn ids_filter(ids: &[SourceId]) -> String {
    let name = AttributeName::from(OBJECT_GUID);
    let parts: String = ids.iter().map(|id| identity::equality(&name, id.octets())).collect();
    format!("(|{parts})")
}

/// Reads the values that an object's attributes have besides those that came.
///
/// # Errors
/// When they cannot be read to their end: some of a group's members are worse than none.
pub(crate) async fn complete(connection: &mut Connection, object: &mut Object) -> Result<(), DirectoryError> {
    let mut cut: Vec<AttributeName> = object.cut().collect();
    cut.dedup();
    for attribute in cut {
        let values = steady_values(connection, object, &attribute).await?;
        // Beside the range that has values, controllers send the attribute by itself, without any.
        object.parts.retain(|part| !part.name.eq_ignore_ascii_case(attribute.as_str()));
        object.parts.push(Part { name: attribute.as_str().to_owned(), extent: Extent::All, values });
    }
    Ok(())
}

/// All values of an attribute, of an object that did not change while they were read: ranges count from the first value,
/// so that one that goes in between hides another, which would be lost.
async fn steady_values(
    connection: &mut Connection,
    object: &Object,
    attribute: &AttributeName,
) -> Result<Vec<Vec<u8>>, DirectoryError> {
    let mut before = change_number(connection, object).await?;
    for _ in 0..ATTEMPTS {
        let values = values(connection, object, attribute).await;
        let after = change_number(connection, object).await?;
        match values {
            Ok(Some(values)) if before == after => return Ok(values),
            Ok(_) => {}
            // A range that begins behind the last value by now is an error to some.
            Err(DirectoryError::Refused { .. }) if before != after => {}
            Err(error) => return Err(error),
        }
        before = after;
    }
    Err(broken(connection.url(), object, attribute, "it changes all the time"))
}

/// The number of an object's last change at this controller.
async fn change_number(connection: &mut Connection, object: &Object) -> Result<Option<String>, DirectoryError> {
    let raw = read_one(connection, &names::by_id(&object.id), EVERYTHING, &["uSNChanged"]).await?;
    Ok(raw.and_then(|raw| texts(&raw, "uSNChanged").next().map(str::to_owned)))
}

fn broken(url: &str, object: &Object, attribute: &AttributeName, what: &str) -> DirectoryError {
    let dn = server_words(&object.dn);
    let reason = format!("\"{dn}\": {attribute} cannot be read to its end: {what}");
    DirectoryError::EndedEarly { url: url.to_owned(), reason, transient: true }
}

/// All values of an attribute, range after range; none where they moved meanwhile. Each range begins with the last value of
/// the one before it: who is deleted leaves its groups without their changing.
async fn values(
    connection: &mut Connection,
    of: &Object,
    attribute: &AttributeName,
) -> Result<Option<Vec<Vec<u8>>>, DirectoryError> {
    let base = names::by_id(&of.id);
    let url = connection.url().to_owned();
    let broken = |what: &str| broken(&url, of, attribute, what);
    let (mut from, mut octets, mut values) = (0u64, 0usize, Vec::<Vec<u8>>::new());
    loop {
        let wanted = [format!("{attribute};range={from}-*")];
        let search = FewSearch { base: &base, scope: Scope::Base, filter: EVERYTHING, attributes: &wanted, limit: 1 };
        let found = search.run_with(connection, vec![extended_dn()]).await?;
        let raw = found.first().ok_or_else(|| broken("the object is gone"))?;
        let part = object(&url, raw, false)?.parts.into_iter();
        let part = part.filter(|part| part.name.eq_ignore_ascii_case(attribute.as_str()));
        // The values that are left may have gone in between.
        let Some(mut part) = part.max_by_key(|part| part.values.len()) else {
            return Ok(values.is_empty().then_some(values));
        };
        if let Some(last) = values.pop()
            && part.values.first() != Some(&last)
        {
            return Ok(None);
        }
        octets = part.values.iter().fold(octets, |sum, value| sum.saturating_add(value.len() + 32));
        if values.len() + part.values.len() > MAX_VALUES || octets > MAX_OCTETS {
            return Err(broken("it has more values than are taken"));
        }
        values.append(&mut part.values);
        match part.extent {
            // At least one value more than the one that was known.
            Extent::Until(next) if next > from.saturating_add(1) && !values.is_empty() => from = next - 1,
            Extent::Until(_) => return Err(broken("the server repeats itself")),
            _ => return Ok(Some(values)),
        }
    }
}

/// An object as a search found it.
pub(crate) fn object(url: &str, raw: &WireEntry, changes: bool) -> Result<Object, DirectoryError> {
    Object::read(raw, changes)
        .map_err(|error| DirectoryError::Protocol { url: url.to_owned(), reason: error.to_string() })
}
