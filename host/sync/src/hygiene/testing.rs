//! Entries for the tests of the checks.

use provisor_model::{Attributes, Value};

use super::finding::{Finding, FindingKind, Findings};
use super::object::{Examined, Object, Sort};

/// Shows an object of these attributes to a check.
pub(crate) fn with_object<T>(class: &str, attributes: &[(&str, &[&str])], check: impl FnOnce(&Object<'_>) -> T) -> T {
    let texts = |values: &[&str]| values.iter().map(|value| Value::Text((*value).to_owned())).collect::<Vec<_>>();
    let attributes: Attributes = attributes.iter().map(|(name, values)| (*name, texts(values))).collect();
    let sort = Sort::of(class, &attributes);
    check(&Object { dn: "CN=Ada,DC=lab", id: "1", class, sort, attributes: &attributes })
}

/// What a check finds of an object of these attributes.
pub(crate) fn examined(
    class: &str,
    attributes: &[(&str, &[&str])],
    check: impl FnOnce(&mut Examined<'_, '_>),
) -> Vec<Finding> {
    let mut findings = Findings::default();
    with_object(class, attributes, |object| check(&mut Examined { object: *object, findings: &mut findings }));
    findings.finish().0
}

/// What is wrong, without the words.
pub(crate) fn errors(findings: &[Finding]) -> Vec<FindingKind> {
    findings.iter().map(|finding| finding.error).collect()
}
