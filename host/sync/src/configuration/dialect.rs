//! How a SCIM service is spoken to: its profile, its quirks, the size of requests that change members.

use provisor_target::{DialectOptions, Profile, Quirk};

use super::document::Section;
use super::error::ConfigurationError;
use super::suggestion;

/// The keys that are read here.
pub(super) const KEYS: [&str; 4] = ["profile", "quirks", "member-removals", "initial-password"];

/// Reads what of `[target]` says how the service is spoken to.
pub(super) fn read(section: &Section<'_>) -> Result<DialectOptions, ConfigurationError> {
    let mut options = DialectOptions::default();
    if let Some(item) = section.get("profile") {
        options.profile = item.word(&Profile::ALL)?;
    }
    if let Some(item) = section.get("quirks") {
        for quirk in item.list()? {
            let known = quirk.word(&Quirk::ALL)?;
            if !options.quirks.insert(known) {
                return Err(quirk.error(format!("is \"{known}\" a second time. Take one of them out")));
            }
            let excluded = Quirk::ALL.iter().map(|(_, other)| *other).find(|other| {
                options.quirks.contains(other) && (known.excludes() == Some(*other) || other.excludes() == Some(known))
            });
            if let Some(other) = excluded {
                return Err(quirk.error(format!(
                    "is \"{known}\", which cannot go together with \"{other}\". Take one of them out"
                )));
            }
        }
    }
    if let Some(item) = section.get("member-removals") {
        options.member_removals = usize::try_from(item.integer(1, 100_000)?).ok();
    }
    if let Some(item) = section.get("initial-password") {
        if item.text()? != "random" {
            let advice = suggestion::among(item.text()?, &["random"]);
            return Err(
                item.error(format!("can only be \"random\": a password does not stand in a document. {advice}"))
            );
        }
        options.initial_password = true;
    }
    Ok(options)
}
