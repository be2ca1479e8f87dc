//! Quirks at work: names looked up, what comes in bent, what goes out disguised.
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::entra;
use crate::error::{ErrorType, Refusal};
use crate::patch::{Body, Dialect, MemberChange, Step};
use crate::personality::{Entra, Personality};
use crate::quirks::{PageDrift, Quirks, WrongTotal};
use crate::resource::Draft;
use crate::schema::{At, Catalogue, Kind, Named};

/// How requests are treated until the switches are changed.
pub(crate) struct Manners {
    pub(crate) quirks: Quirks,
    pub(crate) entra: Option<Entra>,
    blind: Places,
    dropped: Places,
    folded: Places,
    immutable: Places,
    hidden: Places,
    patches: AtomicU64,
    window: Mutex<Option<(Instant, u64)>>,
}

/// Attributes of each kind of resource.
struct Places(BTreeMap<Kind, Vec<At>>);

impl Places {
    fn resolve(catalogue: &'static Catalogue, names: &[String]) -> Result<Self, String> {
        let mut places: BTreeMap<Kind, Vec<At>> = BTreeMap::new();
        for name in names {
            let mut found = false;
            for kind in catalogue.kinds().iter().copied() {
                if let Some(Named::Attribute(at)) = catalogue.resolve(kind, name) {
                    places.entry(kind).or_default().push(at);
                    found = true;
                }
            }
            if !found {
                return Err(name.clone());
            }
        }
        Ok(Self(places))
    }

    fn of(&self, kind: Kind) -> &[At] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }

    fn has_members(&self) -> bool {
        self.of(Kind::Group).iter().any(|at| at.is("members"))
    }
}

impl Manners {
    /// Looks the names up.
    ///
    /// # Errors
    /// The first name that no resource has.
    pub(crate) fn new(
        catalogue: &'static Catalogue,
        personality: &Personality,
        quirks: Quirks,
    ) -> Result<Self, String> {
        let quirks = personality.quirks(quirks);
        let places = |names: &[String]| Places::resolve(catalogue, names);
        let with = |names: &[String], name: &str, too: bool| {
            let mut names = names.to_vec();
            names.extend(too.then(|| name.to_owned()));
            places(&names)
        };
        Ok(Self {
            entra: personality.entra(),
            blind: places(&quirks.filter_finds_nothing_on)?,
            dropped: with(&quirks.drops_attributes, "externalId", quirks.no_external_id)?,
            folded: places(&quirks.changes_case_of)?,
            immutable: places(&quirks.immutable)?,
            hidden: with(&quirks.never_returns, "members", quirks.hides_members)?,
            patches: AtomicU64::new(0),
            window: Mutex::new(None),
            quirks,
        })
    }

    /// How long a client must wait for its next write; none: this one is taken.
    pub(crate) fn write_must_wait(&self) -> Option<Duration> {
        let limit = self.quirks.write_limit?;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let (began, writes) = window.filter(|(began, _)| now < *began + limit.window).unwrap_or((now, 0));
        if writes >= limit.writes {
            return Some(began + limit.window - now);
        }
        *window = Some((began, writes + 1));
        None
    }

    /// What of PATCH is understood otherwise.
    pub(crate) fn dialect(&self) -> Dialect {
        Dialect {
            capitalized_ops: self.quirks.patch_only_capitalized_ops,
            by_value_only: self.quirks.remove_by_value_only,
            by_value_empties: self.quirks.remove_by_value_empties,
        }
    }

    /// The attributes by which filters find nothing.
    pub(crate) fn blind(&self, kind: Kind) -> &[At] {
        self.blind.of(kind)
    }

    /// Reads truth values that are texts.
    pub(crate) fn read_booleans(&self, body: &mut Value) -> Result<(), Refusal> {
        let required = self.quirks.string_booleans_required;
        if required || self.quirks.string_booleans { texts_to_booleans(body, required) } else { Ok(()) }
    }

    /// Forgets the members of a group, where members are forgotten.
    pub(crate) fn drop_members(&self, draft: &mut Draft) {
        if self.dropped.has_members() {
            draft.members.clear();
        }
    }

    /// Refuses that members change which were there before, where they cannot be changed.
    pub(crate) fn check_members(&self, other_members: bool) -> Result<(), Refusal> {
        if other_members && self.immutable.has_members() { Err(unchangeable("members")) } else { Ok(()) }
    }

    /// Bends a new resource.
    pub(crate) fn settle_new(&self, kind: Kind, draft: &mut Draft) -> Result<(), Refusal> {
        self.drop_members(draft);
        if let Some(entra) = self.entra {
            entra::check_new(entra, kind, draft)?;
        }
        self.settle(kind, None, &mut draft.body)
    }

    /// Bends the attributes that a resource is about to have.
    pub(crate) fn settle(&self, kind: Kind, former: Option<&Body>, body: &mut Body) -> Result<(), Refusal> {
        for at in self.dropped.of(kind) {
            change(body, at, &mut |_| false);
        }
        for at in self.folded.of(kind) {
            change(body, at, &mut |value| {
                fold(value);
                true
            });
        }
        let Some(former) = former else { return Ok(()) };
        for at in self.immutable.of(kind) {
            let before = values(former, at);
            if !before.is_empty() && before != values(body, at) {
                return Err(unchangeable(&at.attribute.name));
            }
        }
        if self.entra.is_some() { entra::check_changed(kind, former, body) } else { Ok(()) }
    }

    /// Bends the steps of a PATCH. True: only the first part is left, and the answer is to be 500.
    pub(crate) fn bend(&self, kind: Kind, steps: &mut Vec<Step>) -> Result<bool, Refusal> {
        if self.entra.is_some() && kind == Kind::Group {
            entra::check_group_patch(steps)?;
        }
        if self.dropped.has_members() {
            steps.retain(|step| !matches!(step, Step::Members(_)));
        }
        let Some(nth) = self.quirks.half_patch else { return Ok(false) };
        let parts = match steps.as_slice() {
            [Step::Members(MemberChange::Add(ids) | MemberChange::Remove(ids))] => ids.len(),
            steps => steps.len(),
        };
        if parts < 2 || !(self.patches.fetch_add(1, Ordering::Relaxed) + 1).is_multiple_of(nth) {
            return Ok(false);
        }
        match steps.as_mut_slice() {
            [Step::Members(MemberChange::Add(ids) | MemberChange::Remove(ids))] => ids.truncate(parts / 2),
            _ => steps.truncate(parts / 2),
        }
        Ok(true)
    }

    /// Disguises a resource that is sent.
    pub(crate) fn present(&self, kind: Kind, resource: &mut Map<String, Value>, base: &str) {
        for at in self.hidden.of(kind) {
            change(resource, at, &mut |_| false);
        }
        if self.quirks.no_etag
            && let Some(Value::Object(meta)) = resource.get_mut("meta")
        {
            meta.remove("version");
        }
        if self.quirks.relative_locations {
            for value in resource.values_mut() {
                shorten(value, base);
            }
        }
        if self.quirks.string_booleans {
            for value in resource.values_mut() {
                booleans_to_texts(value);
            }
        }
        if self.entra.is_some() {
            entra::present(kind, resource);
        }
    }

    /// A location as it is sent.
    pub(crate) fn location(&self, location: String, base: &str) -> String {
        if !self.quirks.relative_locations {
            return location;
        }
        location.strip_prefix(base).map_or(location.clone(), str::to_owned)
    }

    /// A refusal as it is sent.
    pub(crate) fn refuse(&self, mut refusal: Refusal) -> Refusal {
        if self.quirks.conflict_without_scim_type && refusal.status == StatusCode::CONFLICT {
            refusal.kind = None;
        }
        refusal
    }

    /// What is skipped of a list, where the page does not begin with the first.
    pub(crate) fn drifted(&self, skip: usize, total: usize) -> (usize, usize) {
        match self.quirks.page_drift {
            Some(PageDrift::Removed) if skip > 0 => (skip + 1, total.saturating_sub(1)),
            Some(PageDrift::Inserted) if skip > 0 => (skip - 1, total + 1),
            _ => (skip, total),
        }
    }

    /// The total that a list announces.
    pub(crate) fn total(&self, total: usize, on_page: usize) -> usize {
        match self.quirks.wrong_total {
            None => total,
            Some(WrongTotal::OfThePage) => on_page,
            Some(WrongTotal::OneMore) => total + 1,
            Some(WrongTotal::Zero) => 0,
        }
    }
}

/// Changes the values at a place, each one where there are several; those for which `change` is false go.
fn change(object: &mut Map<String, Value>, at: &At, change: &mut dyn FnMut(&mut Value) -> bool) {
    let container = match at.extension {
        Some(uri) => object.get_mut(uri).and_then(Value::as_object_mut),
        None => Some(&mut *object),
    };
    let Some(container) = container else { return };
    let Some(value) = container.get_mut(&at.attribute.name) else { return };
    let keep = match at.sub {
        None => change(value),
        Some(sub) => {
            let mut part = |one: &mut Value| {
                if let Value::Object(parts) = one
                    && let Some(value) = parts.get_mut(&sub.name)
                    && !change(value)
                {
                    parts.remove(&sub.name);
                }
                one.as_object().is_none_or(|parts| !parts.is_empty())
            };
            match value {
                Value::Array(list) => {
                    list.retain_mut(&mut part);
                    !list.is_empty()
                }
                value => part(value),
            }
        }
    };
    if !keep {
        container.remove(&at.attribute.name);
        if let (Some(uri), true) = (at.extension, container.is_empty()) {
            object.remove(uri);
        }
    }
}

fn unchangeable(name: &str) -> Refusal {
    Refusal::bad(ErrorType::Mutability, format!("{name} cannot be changed."))
}

/// The values at a place.
fn values(object: &Map<String, Value>, at: &At) -> Vec<Value> {
    let mut found = Vec::new();
    change(&mut object.clone(), at, &mut |value| {
        found.push(value.clone());
        true
    });
    found
}

fn fold(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.to_lowercase(),
        Value::Array(list) => list.iter_mut().for_each(fold),
        Value::Object(object) => object.values_mut().for_each(fold),
        _ => {}
    }
}

fn shorten(value: &mut Value, base: &str) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|one| shorten(one, base)),
        Value::Object(object) => {
            for (name, value) in object {
                match value {
                    Value::String(text) if matches!(name.as_str(), "location" | "$ref") => {
                        if let Some(path) = text.strip_prefix(base) {
                            *text = path.to_owned();
                        }
                    }
                    value => shorten(value, base),
                }
            }
        }
        _ => {}
    }
}

fn booleans_to_texts(value: &mut Value) {
    match value {
        Value::Bool(truth) => *value = Value::from(if *truth { "True" } else { "False" }),
        Value::Array(list) => list.iter_mut().for_each(booleans_to_texts),
        Value::Object(object) => object.values_mut().for_each(booleans_to_texts),
        _ => {}
    }
}

/// Whether a name, or a path, ends in one of the attributes that are truth values.
fn is_boolean(path: &str) -> bool {
    let last = path.rsplit(['.', ':']).next().unwrap_or_default();
    ["active", "primary"].iter().any(|name| last.eq_ignore_ascii_case(name))
}

fn texts_to_booleans(value: &mut Value, required: bool) -> Result<(), Refusal> {
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(|one| texts_to_booleans(one, required)),
        Value::Object(object) => {
            let of_path = object.get("path").and_then(Value::as_str).is_some_and(is_boolean);
            object.iter_mut().try_for_each(|(name, value)| {
                if is_boolean(name) || (of_path && name.eq_ignore_ascii_case("value")) {
                    text_to_boolean(value, required)
                } else {
                    texts_to_booleans(value, required)
                }
            })
        }
        _ => Ok(()),
    }
}

fn text_to_boolean(value: &mut Value, required: bool) -> Result<(), Refusal> {
    let truth = match value {
        Value::String(text) if text.eq_ignore_ascii_case("true") => true,
        Value::String(text) if text.eq_ignore_ascii_case("false") => false,
        Value::Bool(_) if required => {
            let detail = "Truth values are the texts \"True\" and \"False\" here.";
            return Err(Refusal::bad(ErrorType::InvalidValue, detail));
        }
        _ => return Ok(()),
    };
    *value = truth.into();
    Ok(())
}
