//! What the entries that are measured look like, and what the rule does with each attribute: the same in every form.

/// What values an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One text.
    Text,
    /// Three texts.
    Texts,
    /// Some octets.
    Binary,
    /// TRUE or FALSE.
    Boolean,
    /// A whole number.
    Integer,
}

/// Twenty attributes as a person has: 14 texts, two of three texts, two of octets, a truth value and a number.
const ATTRIBUTES: [(&str, Kind); 20] = [
    ("uid", Kind::Text),
    ("givenName", Kind::Text),
    ("sn", Kind::Text),
    ("cn", Kind::Text),
    ("displayName", Kind::Text),
    ("title", Kind::Text),
    ("preferredLanguage", Kind::Text),
    ("employeeNumber", Kind::Text),
    ("departmentNumber", Kind::Text),
    ("street", Kind::Text),
    ("l", Kind::Text),
    ("st", Kind::Text),
    ("postalCode", Kind::Text),
    ("roomNumber", Kind::Text),
    ("mail", Kind::Texts),
    ("telephoneNumber", Kind::Texts),
    ("objectGUID", Kind::Binary),
    ("userCertificateHash", Kind::Binary),
    ("accountEnabled", Kind::Boolean),
    ("uidNumber", Kind::Integer),
];

/// What the rule does for an attribute of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The text at this place in lower case.
    Lower(usize),
    /// The texts at these places with a space between.
    Join(usize, usize),
    /// What is at this place, as it is.
    Same(usize),
}

/// The kind of the attribute at a place; they repeat.
pub fn kind(place: usize) -> Kind {
    ATTRIBUTES.get(place % ATTRIBUTES.len()).map_or(Kind::Text, |(_, kind)| *kind)
}

/// Its name.
pub fn name(place: usize) -> String {
    let name = ATTRIBUTES.get(place % ATTRIBUTES.len()).map_or("", |(name, _)| *name);
    match place / ATTRIBUTES.len() {
        0 => name.to_owned(),
        round => format!("{name}-{round}"),
    }
}

/// The path of the resource that the edit of a number sets.
pub fn path(number: usize) -> String {
    format!("field{number}")
}

/// The edits for entries of so many attributes: three fifths of them, one in lower case, one joined, the others the same.
pub fn edits(attributes: usize) -> Vec<Edit> {
    let number = attributes * 3 / 5;
    let first = if attributes < 12 { vec![Edit::Lower(0)] } else { vec![Edit::Lower(0), Edit::Join(1, 2)] };
    let passed_on = |place: &usize| place % 20 < 11 || matches!(place % 20, 14 | 18);
    let same = (3..attributes).filter(passed_on).take(number - first.len()).map(Edit::Same);
    first.iter().copied().chain(same).collect()
}
