//! The schema of a plugin's configuration: it comes from the plugin, so what following it costs is bounded first.

use std::collections::HashMap;
use std::fmt::Write as _;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value as Json;

/// The largest schema, in octets.
const MAX_OCTETS: usize = 1 << 20;
/// The most values of a schema in which each reference is replaced by what it refers to.
const MAX_VALUES: u64 = 100_000;
/// How deep these lie in each other: whoever follows them does so on a stack.
const MAX_DEPTH: usize = 128;
/// The most patterns, each where it is followed to, and the octets that each may become.
const MAX_PATTERNS: u64 = 1000;
const PATTERN_OCTETS: usize = 64 << 10;
/// How often matching one pattern may turn back.
const PATTERN_STEPS: usize = 20_000;
/// The most steps that checking a configuration may come to.
const MAX_STEPS: u64 = 100_000_000;
/// The most errors of a configuration that are told at once.
const MAX_ERRORS: usize = 10;

/// The keywords under which each key is a name and each value a schema.
const NAMES: [&str; 5] = ["properties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// The keywords under which values of a configuration stand.
const DATA: [&str; 4] = ["default", "const", "enum", "examples"];

/// A schema that can be followed.
pub(crate) struct Schema {
    /// The schema itself.
    pub(crate) document: Json,
    validator: jsonschema::Validator,
    extent: Extent,
}

/// How much there is to follow.
#[derive(Clone, Copy, Default)]
struct Extent {
    /// The values, with each reference replaced by what it refers to.
    values: u64,
    /// The places at which something refers to what it is itself a part of.
    recursions: u64,
    /// How deep the values lie in each other.
    levels: usize,
    /// The patterns among them.
    patterns: u64,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong with it.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.len() > MAX_OCTETS {
            return Err("the schema of its configuration is too long".to_owned());
        }
        let wrong = |error: String| format!("the schema of its configuration is wrong: {error}");
        let document: Json = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        let extent = Unfolding::new(&document).value(&document, 0).map_err(wrong)?;
        let patterns = PatternOptions::fancy_regex()
            .size_limit(PATTERN_OCTETS)
            .dfa_size_limit(PATTERN_OCTETS)
            .backtrack_limit(PATTERN_STEPS);
        let validator = jsonschema::options().with_pattern_options(patterns).build(&document);
        let validator = validator.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { document, validator, extent })
    }

    /// Checks a configuration: every wrong key with its place.
    ///
    /// # Errors
    /// A sentence for the operator: what is wrong with the configuration.
    pub(crate) fn check(&self, config: &Json) -> Result<(), String> {
        // With each level of the configuration, what refers to itself may be followed once more from each place.
        let again = self.extent.recursions.max(1).saturating_pow(depth(config));
        if self.extent.values.saturating_mul(again) > MAX_STEPS {
            return Err("the schema of its configuration refers to itself in so many places that checking this \
                        configuration would take too long: make either flatter"
                .to_owned());
        }
        let mut told = String::new();
        let errors: Vec<_> = self.validator.iter_errors(config).collect();
        for error in errors.iter().take(MAX_ERRORS) {
            let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
            let place = if place.is_empty() { "config".to_owned() } else { format!("config.{place}") };
            let words = self.words(error).unwrap_or_else(|| error.to_string());
            let _ = write!(told, "{}{place}: {words}", if told.is_empty() { "" } else { "; " });
        }
        match errors.len() {
            0 => Ok(()),
            count if count > MAX_ERRORS => {
                Err(format!("its configuration is wrong: {told}; and {} more", count - MAX_ERRORS))
            }
            _ => Err(format!("its configuration is wrong: {told}")),
        }
    }
}

impl Schema {
    /// What is wrong, with what there is to choose from; none where the validator's own words do.
    fn words(&self, error: &ValidationError<'_>) -> Option<String> {
        let path = error.schema_path().as_str();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let object = self.document.pointer(path.strip_suffix("/additionalProperties")?)?;
                let known = ["properties", "patternProperties"].map(|key| object.get(key).and_then(Json::as_object));
                let known = known.into_iter().flatten().flat_map(|known| known.keys());
                let mut known: Vec<&str> = known.map(String::as_str).collect();
                known.sort_unstable();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Some(format!("there is no key {}; the keys are: {known}", unexpected.join(", ")))
            }
            ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::AnyOf { .. } => {
                let mut choices = Vec::new();
                for branch in self.document.pointer(path)?.as_array()? {
                    match (branch.get("const"), branch.get("enum").and_then(Json::as_array)) {
                        (Some(value), _) => choices.push(value.as_str()?),
                        (None, Some(values)) => {
                            choices.extend(values.iter().map(Json::as_str).collect::<Option<Vec<_>>>()?);
                        }
                        (None, None) => return None,
                    }
                }
                Some(format!("{} is none of {}", error.instance(), choices.join(", ")))
            }
            _ => None,
        }
    }
}

/// How much there is of values that are not followed.
fn data(value: &Json, depth: usize) -> Result<Extent, String> {
    if depth > MAX_DEPTH {
        return Err(too_deep());
    }
    let mut extent = Extent { values: 1, levels: 1, ..Extent::default() };
    match value {
        Json::Array(values) => values.iter().try_for_each(|value| extent.add(data(value, depth + 1)?))?,
        Json::Object(values) => values.values().try_for_each(|value| extent.add(data(value, depth + 1)?))?,
        _ => {}
    }
    Ok(extent)
}

/// The levels of lists and tables in each other.
fn depth(config: &Json) -> u32 {
    match config {
        Json::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Json::Object(values) => 1 + values.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Follows every reference of a schema, and counts.
struct Unfolding<'s> {
    root: &'s Json,
    /// What was counted of a reference.
    known: HashMap<&'s str, Extent>,
    /// The references that are being followed.
    open: Vec<&'s str>,
}

impl<'s> Unfolding<'s> {
    fn new(root: &'s Json) -> Self {
        Self { root, known: HashMap::new(), open: vec!["#"] }
    }

    fn value(&mut self, value: &'s Json, depth: usize) -> Result<Extent, String> {
        self.part(value, depth, false)
    }

    /// A part of the schema; in one of `names`, the keys are names that its author chose.
    fn part(&mut self, value: &'s Json, depth: usize, names: bool) -> Result<Extent, String> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut extent = Extent { values: 1, levels: 1, ..Extent::default() };
        match value {
            Json::Object(values) if names => {
                values.values().try_for_each(|value| extent.add(self.value(value, depth + 1)?))?;
            }
            Json::Array(values) => values.iter().try_for_each(|value| extent.add(self.value(value, depth + 1)?))?,
            Json::Object(values) => {
                for (key, value) in values {
                    extent.add(match (key.as_str(), value) {
                        ("$ref", Json::String(target)) => self.reference(target, depth + 1)?,
                        ("$anchor" | "$dynamicAnchor" | "$dynamicRef" | "$recursiveRef", Json::String(_)) => {
                            return Err(format!("it has {key}, and may refer by $ref and a place in itself alone"));
                        }
                        // Below another identity a reference would mean another place.
                        ("$id" | "id", Json::String(_)) if depth > 0 => {
                            return Err(format!("a part of it has an {key} of its own"));
                        }
                        ("pattern", Json::String(_)) => Extent { values: 1, levels: 1, patterns: 1, recursions: 0 },
                        ("patternProperties", Json::Object(patterns)) => {
                            let within = self.part(value, depth + 1, true)?;
                            Extent { patterns: within.patterns.saturating_add(patterns.len() as u64), ..within }
                        }
                        (key, value) if NAMES.contains(&key) => self.part(value, depth + 1, true)?,
                        // What stands there is no schema, whatever it looks like.
                        (key, value) if DATA.contains(&key) => data(value, depth + 1)?,
                        (_, value) => self.value(value, depth + 1)?,
                    })?;
                }
            }
            _ => {}
        }
        Ok(extent)
    }

    fn reference(&mut self, target: &'s str, depth: usize) -> Result<Extent, String> {
        if self.open.contains(&target) {
            return Ok(Extent { values: 1, recursions: 1, levels: 1, patterns: 0 });
        }
        if let Some(known) = self.known.get(target) {
            return Ok(*known);
        }
        let place = target.strip_prefix('#').filter(|place| !place.contains('%'));
        let place = place.ok_or_else(|| format!("it refers to {target}, which is no place in itself"))?;
        let root = self.root;
        let value = root.pointer(place).ok_or_else(|| format!("it refers to {target}, which is not there"))?;
        self.open.push(target);
        let extent = self.value(value, depth + 1)?;
        self.open.pop();
        self.known.insert(target, extent);
        Ok(extent)
    }
}

impl Extent {
    fn add(&mut self, other: Self) -> Result<(), String> {
        self.values = self.values.saturating_add(other.values);
        self.recursions = self.recursions.saturating_add(other.recursions);
        self.levels = self.levels.max(1 + other.levels);
        self.patterns = self.patterns.saturating_add(other.patterns);
        if self.levels > MAX_DEPTH {
            return Err(too_deep());
        }
        if self.patterns > MAX_PATTERNS {
            return Err(format!("with its references followed it has more than {MAX_PATTERNS} patterns"));
        }
        if self.values > MAX_VALUES {
            return Err(format!("with its references followed it has more than {MAX_VALUES} values"));
        }
        Ok(())
    }
}

fn too_deep() -> String {
    format!("its parts and references lie more than {MAX_DEPTH} deep in each other")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(schema: &Json) -> String {
        Schema::read(&schema.to_string()).err().unwrap_or_default()
    }

    #[test]
    fn references_are_followed_and_what_they_unfold_to_is_bounded() {
        let part = |next: usize| json!({ "allOf": [{ "$ref": format!("#/$defs/p{next}") }, { "$ref": format!("#/$defs/p{next}") }] });
        let chain = |length: usize| {
            let mut parts: serde_json::Map<_, _> = (0..length).map(|at| (format!("p{at}"), part(at + 1))).collect();
            parts.insert(format!("p{length}"), json!({}));
            json!({ "$ref": "#/$defs/p0", "$defs": parts })
        };
        assert_eq!(error(&chain(8)), "");
        assert!(error(&chain(30)).contains("more than 100000 values"), "{}", error(&chain(30)));
        // By name from the first to the last, and the other way round.
        for (from, to) in [(0, 1), (1, 0)] {
            let link =
                |at: usize| (format!("p{:05}", at + from), json!({ "$ref": format!("#/$defs/p{:05}", at + to) }));
            let mut long: serde_json::Map<_, _> = (0..20_000).map(link).collect();
            long.entry(if from == 0 { "p20000" } else { "p00000" }).or_insert(json!({}));
            assert!(error(&json!({ "$defs": long })).contains("more than 128 deep"));
        }
    }

    #[test]
    fn what_refers_to_itself_is_checked_as_long_as_that_ends_soon() {
        let tree =
            json!({ "properties": { "all": { "items": { "$ref": "#" } }, "any": { "items": { "$ref": "#" } } } });
        let schema = Schema::read(&tree.to_string()).unwrap();
        let mut config = json!({});
        for _ in 0..6 {
            config = json!({ "all": [config] });
        }
        assert_eq!(schema.check(&config), Ok(()));
        for _ in 0..20 {
            config = json!({ "all": [config] });
        }
        assert!(schema.check(&config).unwrap_err().contains("would take too long"));
    }

    #[test]
    fn patterns_are_few_and_small_and_end() {
        let pattern = |pattern: &str| json!({ "pattern": pattern });
        assert_eq!(error(&pattern("^[a-z][a-z0-9-]*(?<!-)$")), "");
        assert!(error(&pattern("(\\w{200}){200}")).contains("wrong"));
        let many: serde_json::Map<_, _> = (0..1001).map(|at| (format!("a{at}"), json!({}))).collect();
        assert!(error(&json!({ "patternProperties": many })).contains("more than 1000 patterns"));
        let slow = Schema::read(&pattern("^(a+)+\\1$").to_string()).unwrap();
        assert!(slow.check(&json!("a".repeat(50) + "b")).is_err());
    }

    #[test]
    fn who_mistypes_a_key_or_a_word_is_told_what_there_is() {
        let schema = json!({
            "properties": { "domain": { "type": "string" }, "operator": { "$ref": "#/$defs/operator" } },
            "additionalProperties": false,
            "$defs": { "operator": { "oneOf": [{ "const": "equals" }, { "enum": ["in", "not-in"] }] } },
        });
        let schema = Schema::read(&schema.to_string()).unwrap();
        let told = schema.check(&json!({ "domian": "x" })).unwrap_err();
        assert!(told.contains("config: there is no key domian; the keys are: domain, operator"), "{told}");
        let told = schema.check(&json!({ "operator": "equal" })).unwrap_err();
        assert!(told.contains("config.operator: \"equal\" is none of equals, in, not-in"), "{told}");
    }

    #[test]
    fn values_and_names_are_not_taken_for_keywords() {
        for schema in [
            json!({ "default": { "$ref": "#/nowhere", "$id": "x", "pattern": "((" } }),
            json!({ "properties": { "scope": { "enum": [{ "$anchor": "a" }, { "id": "b" }], "const": { "$ref": "x" } } } }),
            json!({ "examples": [{ "id": "one" }, { "id": "two" }] }),
            json!({ "properties": { "$ref": { "type": "string" }, "id": { "const": "x" }, "default": { "$ref": "#" } } }),
            json!({ "$defs": { "pattern": { "type": "string" }, "enum": { "$ref": "#/$defs/pattern" } } }),
        ] {
            assert_eq!(error(&schema), "", "{schema}");
        }
        // A schema is followed under any name, and values count.
        let hidden =
            |key: &str| json!({ key: { "default": { "$ref": "#/default/a" } }, "default": { "a": { "$id": "x" } } });
        for key in ["properties", "dependencies", "dependentSchemas", "patternProperties"] {
            assert!(error(&hidden(key)).contains("a part of it has an $id"), "{key}: {}", error(&hidden(key)));
        }
        assert!(error(&json!({ "properties": { "default": { "$ref": "#/nowhere" } } })).contains("is not there"));
        assert!(
            error(&json!({ "$defs": { "enum": { "items": { "$id": "x" } } } })).contains("a part of it has an $id")
        );
        assert!(error(&json!({ "default": vec![0; 100_001] })).contains("more than 100000 values"));
    }

    #[test]
    fn other_ways_to_refer_are_refused_by_name() {
        for (schema, words) in [
            (json!({ "$ref": "https://example.com/schema.json" }), "which is no place in itself"),
            (json!({ "$ref": "#/$defs/a" }), "which is not there"),
            (json!({ "items": { "$anchor": "a" } }), "it has $anchor"),
            (json!({ "$dynamicRef": "#a" }), "it has $dynamicRef"),
            (json!({ "items": { "$id": "other" } }), "a part of it has an $id"),
        ] {
            assert!(error(&schema).contains(words), "{}", error(&schema));
        }
    }
}
