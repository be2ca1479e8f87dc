//! `[scope]`, `[[rules]]`, `[match]`, `[leaving]`, `[safety]` and `[log]`: who is provisioned, how, and how far a cycle may go.

use std::collections::{BTreeMap, BTreeSet};

use provisor_model::{Dn, LeavingAction, ObjectClasses, TargetPath};
use provisor_rules::{Binding, OnFault};
use serde::Serialize;
use serde_json::Value as Json;

use super::document::{Item, Section};
use super::error::ConfigurationError;
use super::source::Source;
use super::suggestion;

pub(super) const SCOPE_KEYS: &[&str] = &["organizational-units", "groups", "group-members"];
pub(super) const RULE_KEYS: &[&str] = &["plugin", "config", "on-fault"];
pub(super) const LEAVING_KEYS: &[&str] = &["deleted", "out-of-scope"];
pub(super) const SAFETY_KEYS: &[&str] = &["delete-threshold", "member-threshold"];
pub(super) const THRESHOLD_KEYS: &[&str] = &["count", "percent"];
pub(super) const LOG_KEYS: &[&str] = &["keep-days", "keep-records"];

/// Which entries are provisioned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Scope {
    /// Entries at or below one of these.
    pub organizational_units: Vec<Dn>,
    /// These groups and their members. Without units and groups, everything is in scope.
    pub groups: Vec<Dn>,
    /// Whether the members of groups in these groups are members too.
    pub nested: bool,
}

impl Scope {
    /// Whether everything is in scope.
    pub fn is_all(&self) -> bool {
        self.organizational_units.is_empty() && self.groups.is_empty()
    }
}

/// What happens to a resource whose entry leaves, where its object class has no settings of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Leaving {
    /// The entry is gone from the directory.
    pub deleted: LeavingAction,
    /// The entry is there, but out of scope by the configuration or by a rule.
    pub out_of_scope: LeavingAction,
    /// What is set for single object classes: gone from the directory, and out of scope.
    pub classes: BTreeMap<String, (LeavingAction, LeavingAction)>,
}

impl Leaving {
    /// What happens to the resource of an entry of this object class that is gone, or out of scope.
    pub fn action(&self, object_class: &str, gone: bool) -> LeavingAction {
        let (deleted, out_of_scope) =
            self.classes.get(object_class).copied().unwrap_or((self.deleted, self.out_of_scope));
        if gone { deleted } else { out_of_scope }
    }
}

/// How much a cycle may take away before it stops and asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Safety {
    /// Of linked objects deleted or disabled.
    pub delete_threshold: Threshold,
    /// Of members removed from groups.
    pub member_threshold: Threshold,
}

/// A number and a share; the lower of the two holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// So many.
    pub count: u64,
    /// So many of a hundred.
    pub percent: u64,
}

/// How much of the provisioning log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// No record older than so many days.
    pub days: u32,
    /// No more records than so many.
    pub records: u64,
}

/// Reads `[scope]`. What is outside the source's base could only ever be empty.
pub(super) fn scope(root: &Section<'_>, source: &Source) -> Result<Scope, ConfigurationError> {
    let Some(section) = root.section("scope", SCOPE_KEYS)? else { return Ok(Scope::default()) };
    let bases: Vec<&Dn> = match source {
        Source::Ldif(ldif) => ldif.base.iter().collect(),
        Source::ActiveDirectory(domain) => domain.base.iter().collect(),
        Source::OpenLdap(server) => std::iter::once(&server.base).chain(&server.feed.further_bases).collect(),
    };
    let names = |key: &str, what: &str| -> Result<Vec<Dn>, ConfigurationError> {
        let Some(item) = section.get(key) else { return Ok(Vec::new()) };
        let mut names: Vec<Dn> = Vec::new();
        for listed in item.list()? {
            let name: Dn = listed.parsed()?;
            if let Some(base) = bases.first().filter(|_| !bases.iter().any(|base| name.is_within(base))) {
                return Err(listed.error(format!(
                    "is not within the source's base {base}, so nothing could be in scope. Correct one of them"
                )));
            }
            names.push(name);
        }
        if names.is_empty() {
            return Err(item.error(format!("is empty. List a {what}, or take the line out to have all in scope")));
        }
        Ok(names)
    };
    let (organizational_units, groups) = (names("organizational-units", "unit")?, names("groups", "group")?);
    let members = section.get("group-members");
    if let Some(item) = members.as_ref().filter(|_| groups.is_empty()) {
        return Err(
            item.error("says how the members of \"groups\" count, but no groups are listed. Add groups = [\"cn=...\"]")
        );
    }
    let nested = members.map_or(Ok(false), |item| item.word(&[("direct", false), ("nested", true)]))?;
    Ok(Scope { organizational_units, groups, nested })
}

/// Reads `[[rules]]`.
pub(super) fn rules(root: &Section<'_>) -> Result<Vec<Binding>, ConfigurationError> {
    let missing = || root.error("names no rules, so nothing could be mapped. Add: [[rules]] plugin = \"people\"");
    let rules = root.get("rules").ok_or_else(missing)?.list()?;
    if rules.is_empty() {
        return Err(missing());
    }
    rules.iter().map(rule).collect()
}

fn rule(item: &Item<'_>) -> Result<Binding, ConfigurationError> {
    let section = item.section(RULE_KEYS)?;
    let plugin = section.require("plugin", "\"people\"")?;
    let name = plugin.filled_text()?;
    let is_name =
        name.chars().all(|character| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.'));
    if !is_name || name.starts_with('.') || name.ends_with(".wasm") {
        return Err(plugin.error(format!(
            "is \"{name}\"; it must be the name of a file in the plugins folder, without its folder and without .wasm"
        )));
    }
    let config = section.get("config").map(|config| config.any_section().and_then(|_| config.json())).transpose()?;
    let on_fault = [("hold", OnFault::Hold), ("stop", OnFault::Stop), ("skip", OnFault::Skip)];
    Ok(Binding {
        plugin: name.to_owned(),
        config: config.unwrap_or(Json::Null),
        on_fault: section.get("on-fault").map_or(Ok(OnFault::Hold), |item| item.word(&on_fault))?,
    })
}

/// Reads `[match]`: for each object class the attributes by which a resource is found.
pub(super) fn matching(
    root: &Section<'_>,
    classes: &ObjectClasses,
) -> Result<BTreeMap<String, Vec<TargetPath>>, ConfigurationError> {
    let anchor: TargetPath =
        "externalId".parse().map_err(|error| root.error(format!("the path of the anchor cannot be read: {error}")))?;
    let words = classes.words();
    let mut matching: BTreeMap<_, _> = words.iter().map(|word| ((*word).to_owned(), vec![anchor.clone()])).collect();
    let Some(section) = root.get("match").map(|item| item.any_section()).transpose()? else { return Ok(matching) };
    for (class, item) in section.entries() {
        if !words.contains(&class) {
            let advice = suggestion::among(class, &words);
            return Err(item.error(format!("is for an object class that this configuration does not have. {advice}")));
        }
        let paths: Vec<TargetPath> = item.list()?.iter().map(Item::parsed).collect::<Result<_, _>>()?;
        if paths.first() != Some(&anchor) {
            return Err(
                item.error("must begin with \"externalId\", by which an earlier run's resources are found again")
            );
        }
        matching.insert(class.to_owned(), paths);
    }
    Ok(matching)
}

/// Reads `shared`: the object classes of which a resource may be another configuration's too.
pub(super) fn shared(root: &Section<'_>, classes: &ObjectClasses) -> Result<BTreeSet<String>, ConfigurationError> {
    root.get("shared").map_or(Ok(BTreeSet::new()), |item| known_classes(&item, classes))
}

/// A list of object classes that the configuration has.
pub(super) fn known_classes(item: &Item<'_>, classes: &ObjectClasses) -> Result<BTreeSet<String>, ConfigurationError> {
    let words = classes.words();
    let listed = item.list()?.into_iter().map(|listed| {
        let class = listed.filled_text()?;
        if !words.contains(&class) {
            let advice = suggestion::among(class, &words);
            return Err(listed.error(format!("is an object class that this configuration does not have. {advice}")));
        }
        Ok(class.to_owned())
    });
    listed.collect()
}

/// Reads `[leaving]`, and `[leaving.CLASS]` for object classes that fare otherwise.
pub(super) fn leaving(root: &Section<'_>, classes: &ObjectClasses) -> Result<Leaving, ConfigurationError> {
    let words = classes.words();
    let known: Vec<&str> = LEAVING_KEYS.iter().copied().chain(words.iter().copied()).collect();
    let section = root.section("leaving", &known)?;
    let (deleted, out_of_scope) = leaving_actions(section.as_ref(), (LeavingAction::Delete, LeavingAction::Disable))?;
    let mut by_class = BTreeMap::new();
    for word in words {
        if let Some(own) = section.as_ref().map(|section| section.section(word, LEAVING_KEYS)).transpose()?.flatten() {
            by_class.insert(word.to_owned(), leaving_actions(Some(&own), (deleted, out_of_scope))?);
        }
    }
    Ok(Leaving { deleted, out_of_scope, classes: by_class })
}

/// Reads `deleted` and `out-of-scope`, which are `usual` where they are not set.
fn leaving_actions(
    section: Option<&Section<'_>>,
    usual: (LeavingAction, LeavingAction),
) -> Result<(LeavingAction, LeavingAction), ConfigurationError> {
    let actions =
        [("delete", LeavingAction::Delete), ("disable", LeavingAction::Disable), ("keep", LeavingAction::Keep)];
    let action =
        |key: &str, usual| section.and_then(|section| section.get(key)).map_or(Ok(usual), |item| item.word(&actions));
    Ok((action("deleted", usual.0)?, action("out-of-scope", usual.1)?))
}

/// Reads `[safety]`.
pub(super) fn safety(root: &Section<'_>) -> Result<Safety, ConfigurationError> {
    let section = root.section("safety", SAFETY_KEYS)?;
    let threshold = |key: &str, usual: Threshold| -> Result<Threshold, ConfigurationError> {
        let Some(section) = section.as_ref().map_or(Ok(None), |section| section.section(key, THRESHOLD_KEYS))? else {
            return Ok(usual);
        };
        let number = |key: &str, usual, most| section.get(key).map_or(Ok(usual), |item| item.integer(0, most));
        Ok(Threshold {
            count: number("count", usual.count, 1_000_000_000)?,
            percent: number("percent", usual.percent, 100)?,
        })
    };
    Ok(Safety {
        delete_threshold: threshold("delete-threshold", Threshold { count: 500, percent: 20 })?,
        member_threshold: threshold("member-threshold", Threshold { count: 5000, percent: 20 })?,
    })
}

/// Reads `[log]`.
pub(super) fn log_retention(root: &Section<'_>) -> Result<Retention, ConfigurationError> {
    let section = root.section("log", LOG_KEYS)?;
    let number = |key: &str, usual, most| {
        let item = section.as_ref().and_then(|section| section.get(key));
        item.map_or(Ok(usual), |item| item.integer(1, most))
    };
    Ok(Retention {
        days: u32::try_from(number("keep-days", 90, 36_500)?).unwrap_or(u32::MAX),
        records: number("keep-records", 1_000_000, 1_000_000_000)?,
    })
}
