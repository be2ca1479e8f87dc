//! `[[cross-reference]]`: by what objects of other directories, which other configurations keep, are found at the target.

use std::collections::BTreeSet;

use provisor_model::{AttributeName, ObjectClasses};
use provisor_space::CrossReference;

use super::document::{Item, Section};
use super::error::ConfigurationError;
use super::policy;

pub(super) const KEYS: &[&str] = &["attribute", "found-by", "object-classes", "resource"];

/// Reads `[[cross-reference]]`, of which there may be several.
pub(super) fn read(root: &Section<'_>, classes: &ObjectClasses) -> Result<Vec<CrossReference>, ConfigurationError> {
    let Some(item) = root.get("cross-reference") else { return Ok(Vec::new()) };
    let mut found: Vec<CrossReference> = Vec::new();
    for item in item.list()? {
        let next = one(&item, classes)?;
        if next.object_classes.is_empty() && found.iter().any(|other| other.attribute == next.attribute) {
            return Err(item.error(format!("is the second for \"{}\". Take one of them out", next.attribute)));
        }
        found.push(next);
    }
    Ok(found)
}

fn one(item: &Item<'_>, classes: &ObjectClasses) -> Result<CrossReference, ConfigurationError> {
    let section = item.section(KEYS)?;
    let attribute = section.require("attribute", "\"mail\"")?.filled_text()?;
    let path = section.require("found-by", "'emails[type eq \"work\"].value'")?;
    let found_by = path.parsed()?;
    let resource = section.get("resource").map_or(Ok("User"), |item| item.filled_text())?;
    let listed = section.get("object-classes");
    let object_classes = listed.map_or(Ok(BTreeSet::new()), |item| policy::known_classes(&item, classes))?;
    Ok(CrossReference {
        attribute: AttributeName::new(attribute),
        object_classes,
        kind: resource.to_owned(),
        path: found_by,
    })
}
