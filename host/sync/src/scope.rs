//! The scope of a configuration: its organisational units and groups, where they stand now, and who is within.

use provisor_model::{Dn, DnKey, Reason};
use provisor_space::{EntryKey, MetaKey, Space, StoredEntry};

use crate::context::Context;
use crate::reads::member_attributes;
use crate::{Configuration, SyncError};

/// The units and groups of a scope as they stand now.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    /// Where the units are.
    pub units: Vec<Dn>,
    /// Which entries the groups are.
    pub groups: Vec<EntryKey>,
}

/// Where the units and groups of the scope stand now.
///
/// # Errors
/// When one is not in the source: the cycle must not take everybody in it for gone.
pub(crate) fn standing(space: &mut Space, configuration: &Configuration) -> Result<Standing, SyncError> {
    let scope = &configuration.scope;
    let configured: Vec<DnKey> = scope.organizational_units.iter().chain(&scope.groups).map(Dn::key).collect();
    space.keep_scope_units(&configured)?;
    if !configured.is_empty() && space.fact(MetaKey::Reads)?.is_none() {
        let name = &configuration.name;
        return Err(SyncError::Settings(format!(
            "{name} has not read its source yet, so where the units and groups of its scope are is not known. Run \"provisor preview \
             {name}\" or \"provisor sync {name}\" first"
        )));
    }
    let missing = |what: &str, name: &Dn| {
        SyncError::Scope(format!(
            "{}: the {what} \"{name}\" of [scope] is not in the source. Nothing was changed at the target. Check its name, and \
             that the account may read it; the next cycle reads everything. Take it out of the list only if it was deleted on \
             purpose",
            configuration.file.display()
        ))
    };
    let mut standing = Standing::default();
    for unit in &scope.organizational_units {
        let found = space.scope_unit(&unit.key())?;
        standing.units.push(found.ok_or_else(|| missing("organisational unit", unit))?.1);
    }
    for group in &scope.groups {
        let found = space.scope_unit(&group.key())?;
        standing.groups.push(found.ok_or_else(|| missing("group", group))?.0);
    }
    Ok(standing)
}

/// Finds the groups whose members are in scope, and marks who is to be evaluated because those changed.
pub(crate) fn settle_groups(
    space: &mut Space,
    configuration: &Configuration,
    standing: &Standing,
) -> Result<(), SyncError> {
    let attributes = if standing.groups.is_empty() { Default::default() } else { member_attributes(configuration) };
    Ok(space.settle_scope_groups(&standing.groups, configuration.scope.nested, &attributes)?)
}

/// Whether an entry is in scope: at or below a unit, or one of the groups or in one; anything where there are neither.
/// `name` is its name, for which is asked only where there are units.
pub(crate) fn is_within(
    space: &Space,
    context: &Context,
    key: EntryKey,
    name: impl FnOnce() -> Result<DnKey, SyncError>,
) -> Result<bool, SyncError> {
    let scope = &context.configuration.scope;
    if scope.is_all() {
        return Ok(true);
    }
    if !context.units.is_empty() {
        let name = name()?;
        if context.units.iter().any(|unit| name.is_within(unit)) {
            return Ok(true);
        }
    }
    Ok(!scope.groups.is_empty() && space.in_scope_groups(key)?)
}

/// The same for an entry in memory.
pub(crate) fn has_within(space: &Space, context: &Context, stored: &StoredEntry) -> Result<bool, SyncError> {
    is_within(space, context, stored.key, || Ok(stored.entry.dn.key()))
}

/// Why an entry is not within the scope.
pub(crate) fn outside(configuration: &Configuration) -> Reason {
    let scope = &configuration.scope;
    match (scope.organizational_units.is_empty(), scope.groups.is_empty()) {
        (_, true) => Reason::new("outside-units", "The entry is outside the organisational units of the scope."),
        (true, false) => Reason::new("outside-groups", "The entry is in none of the groups of the scope."),
        (false, false) => Reason::new(
            "outside-scope",
            "The entry is outside the organisational units of the scope, and in none of its groups.",
        ),
    }
}
