//! How this service is spoken to: what it announces, corrected by its profile and the quirks that were named.

use std::collections::BTreeSet;

use provisor_model::TargetPath;
use serde_json::{Map, Value};

use crate::TargetError;
use crate::scim::abilities::Abilities;
use crate::scim::options::ScimOptions;
use crate::scim::quirks::Quirk;
use crate::scim::schema::Mutability;
use crate::scim::{entra, json, password};

/// A service that is known by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Any SCIM 2.0 service: what it announces holds.
    #[default]
    Standard,
    /// Microsoft Entra ID's inbound SCIM API.
    Entra,
}

impl Profile {
    /// All profiles that are named in configurations.
    pub const ALL: [(&'static str, Self); 1] = [("entra", Self::Entra)];
}

/// What the configuration says of how a service is to be spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DialectOptions {
    /// The service, where it is known by name.
    pub profile: Profile,
    /// Where it differs from what it announces.
    pub quirks: BTreeSet<Quirk>,
    /// How many references one request removes at most; as many as it may change where nothing is said.
    pub member_removals: Option<usize>,
    /// Whether a new user gets a password made at random, which nobody learns.
    pub initial_password: bool,
}

impl DialectOptions {
    fn has(&self, quirk: Quirk) -> bool {
        self.quirks.contains(&quirk)
    }
}

/// How references are taken out of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// One operation for each, with a filter in its path: nothing else can be meant.
    ByFilter,
    /// One operation with the values: a strict service reads it as "remove all".
    ByValue,
    /// The whole list is written, as just read and changed.
    WholeList,
}

/// How references travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReferenceRules {
    /// How many references one request changes at most.
    pub(crate) chunk: usize,
    /// How many it removes at most.
    pub(crate) removals: usize,
    /// Whether additions, removals and other changes each need requests of their own.
    pub(crate) apart: bool,
    pub(crate) removal: Removal,
}

impl ReferenceRules {
    /// The rules that follow from the settings alone.
    pub(crate) fn new(options: &ScimOptions) -> Self {
        let dialect = &options.dialect;
        let entra = dialect.profile == Profile::Entra;
        let (adds, removals) = if entra { (entra::MOST_ADDS, entra::MOST_REMOVALS) } else { (usize::MAX, usize::MAX) };
        let chunk = options.member_chunk.min(adds).max(1);
        let removal = if dialect.has(Quirk::ReplaceMembers) {
            Removal::WholeList
        } else if dialect.has(Quirk::RemoveMembersByValue) {
            Removal::ByValue
        } else {
            Removal::ByFilter
        };
        Self {
            chunk,
            removals: dialect.member_removals.unwrap_or(chunk).min(removals).clamp(1, chunk),
            apart: entra || dialect.has(Quirk::GroupChangesApart),
            removal,
        }
    }

    /// How many references a new resource may be made with.
    pub(crate) fn at_creation(&self) -> usize {
        if self.apart { 0 } else { self.chunk }
    }
}

/// The dialect of a connected service.
pub(crate) struct Dialect {
    options: DialectOptions,
    pub(crate) references: ReferenceRules,
    pub(crate) page_size: usize,
}

impl Dialect {
    pub(crate) fn new(options: &ScimOptions, abilities: &Abilities) -> Self {
        let entra = options.dialect.profile == Profile::Entra;
        let most = if entra { Some(entra::PAGE) } else { abilities.max_results };
        let usual = || abilities.pagination.max_page.into_iter().chain(most).fold(ScimOptions::PAGE_SIZE, usize::min);
        let page_size = options.page_size.filter(|_| !entra).unwrap_or_else(usual);
        Self { options: options.dialect.clone(), references: ReferenceRules::new(options), page_size }
    }

    /// What was announced, corrected by what is known better.
    pub(crate) fn correct(options: &DialectOptions, abilities: &mut Abilities) {
        if options.profile == Profile::Entra {
            (abilities.patch, abilities.filter, abilities.etag) = (true, true, false);
            let pagination = &mut abilities.pagination;
            (pagination.cursor, pagination.index, pagination.cursor_by_default) = (true, false, true);
        }
        abilities.patch &= !options.has(Quirk::NoPatch);
        abilities.filter &= !options.has(Quirk::NoFilter);
        abilities.etag &= !options.has(Quirk::NoEtag);
    }

    pub(crate) fn has(&self, quirk: Quirk) -> bool {
        self.options.has(quirk)
    }

    pub(crate) fn is_entra(&self) -> bool {
        self.options.profile == Profile::Entra
    }

    pub(crate) fn quirks(&self) -> Vec<&'static str> {
        self.options.quirks.iter().map(|quirk| quirk.name()).collect()
    }

    /// Whether a filter by this attribute can be asked for at all; none where the service may refuse it.
    pub(crate) fn filters_by(&self, kind: &str, path: &TargetPath) -> Option<bool> {
        self.is_entra().then(|| entra::filters_by(kind, path))
    }

    /// Whether what stands at a path can be read back.
    pub(crate) fn is_shown(&self, abilities: &Abilities, kind: &str, path: &TargetPath) -> bool {
        let is_members = path.attribute().eq_ignore_ascii_case("members");
        if is_members && (self.is_entra() || self.has(Quirk::MembersHidden)) {
            return false;
        }
        abilities.is_returned(kind, path)
    }

    /// Whether and when a path may be written.
    pub(crate) fn mutability(&self, abilities: &Abilities, kind: &str, path: &TargetPath) -> Mutability {
        // Its description calls them read-only, because they cannot be seen.
        if self.is_entra() && path.attribute().eq_ignore_ascii_case("members") {
            return Mutability::ReadWrite;
        }
        abilities.mutability(kind, path)
    }

    /// Why a path must not be set by rules, where the dialect has a reason of its own; `Some(Ok)` where it knows better
    /// than the service's description.
    pub(crate) fn check_path(&self, kind: &str, path: &TargetPath) -> Option<Result<(), String>> {
        if !self.is_entra() {
            return None;
        }
        if entra::holds_anchor(kind, path) {
            return Some(Err(format!(
                "\"{path}\" cannot be set by rules: it is where this target keeps a group's anchor, as its groups have no externalId"
            )));
        }
        let members = path.attribute().eq_ignore_ascii_case("members") && path.schema().is_none();
        (members && entra::is_group(kind)).then_some(Ok(()))
    }

    /// Whether the anchor of a resource that is there already can be set.
    pub(crate) fn anchor_is_fixed(&self, kind: &str) -> bool {
        self.is_entra() && entra::is_group(kind)
    }

    /// Completes the document of a new resource.
    pub(crate) fn complete(&self, kind: &str, anchor: &str, document: &mut Value) -> Result<(), TargetError> {
        let Value::Object(document) = document else { return Ok(()) };
        if self.anchor_is_fixed(kind) {
            entra::place_anchor(document, anchor)?;
        }
        if self.options.initial_password && kind.eq_ignore_ascii_case("User") && !has(document, "password") {
            *json::slot(document, "password") = Value::from(password::random());
        }
        Ok(())
    }

    /// What a service shows, as other services would.
    pub(crate) fn shown(&self, kind: &str, mut document: Value) -> Value {
        if self.anchor_is_fixed(kind) {
            entra::show_anchor(&mut document);
        }
        document
    }

    /// A body as the service wants it spelled.
    pub(crate) fn dressed(&self, mut body: Value) -> Value {
        if self.has(Quirk::StringBooleans) {
            spell_booleans(&mut body);
        }
        if self.has(Quirk::PatchOpCapitalized)
            && let Some(Value::Array(operations)) = body.get_mut("Operations")
        {
            for op in operations.iter_mut().filter_map(|operation| operation.get_mut("op")) {
                if let Some(capitalized) = op.as_str().and_then(capitalized) {
                    *op = Value::from(capitalized);
                }
            }
        }
        body
    }
}

fn has(document: &Map<String, Value>, name: &str) -> bool {
    document.keys().any(|present| present.eq_ignore_ascii_case(name))
}

fn capitalized(word: &str) -> Option<String> {
    let mut letters = word.chars();
    Some(letters.next()?.to_ascii_uppercase().to_string() + letters.as_str())
}

fn spell_booleans(value: &mut Value) {
    match value {
        Value::Bool(flag) => *value = Value::from(if *flag { "True" } else { "False" }),
        Value::Array(items) => items.iter_mut().for_each(spell_booleans),
        Value::Object(members) => members.values_mut().for_each(spell_booleans),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dialect(adjust: impl FnOnce(&mut ScimOptions)) -> Dialect {
        let mut options = ScimOptions::new("https://x/");
        adjust(&mut options);
        Dialect::new(&options, &Abilities::parse(&json!({}), None, None))
    }

    #[test]
    fn bodies_are_spelled_as_the_quirks_say() {
        let body = json!({"Operations": [{"op": "replace", "path": "active", "value": false}], "schemas": ["x"]});
        assert_eq!(dialect(|_| {}).dressed(body.clone()), body);
        let odd = dialect(|options| options.dialect.quirks = [Quirk::StringBooleans, Quirk::PatchOpCapitalized].into());
        let spelled = json!({"Operations": [{"op": "Replace", "path": "active", "value": "False"}], "schemas": ["x"]});
        assert_eq!(odd.dressed(body), spelled);
    }

    #[test]
    fn entra_bounds_what_one_request_does_whatever_is_configured() {
        let dialect = dialect(|options| {
            options.dialect.profile = Profile::Entra;
            options.dialect.member_removals = Some(50);
            options.page_size = Some(500);
        });
        let rules = dialect.references;
        assert_eq!((rules.chunk, rules.removals, rules.apart, rules.at_creation()), (20, 1, true, 0));
        assert_eq!(dialect.page_size, 100);
        assert!(!dialect.is_shown(&Abilities::parse(&json!({}), None, None), "Group", &"members".parse().unwrap()));
    }

    #[test]
    fn an_initial_password_is_set_where_it_is_asked_for_and_none_is_there() {
        let dialect = dialect(|options| options.dialect.initial_password = true);
        let (mut user, mut own, mut group) = (json!({}), json!({"password": "rule's"}), json!({}));
        dialect.complete("User", "a", &mut user).unwrap();
        dialect.complete("User", "a", &mut own).unwrap();
        dialect.complete("Group", "a", &mut group).unwrap();
        assert!(user["password"].as_str().unwrap().len() >= 20);
        assert_eq!((own, group), (json!({"password": "rule's"}), json!({})));
    }
}
