//! Contracts: what a configured plugin reads, writes and applies to, asked for by it and granted by the operator.

use std::collections::BTreeMap;

use provisor_model::{AttributeName, TargetPath};
use serde::{Deserialize, Serialize};

use crate::bindings::{filter, mapping, types};

/// The most places a list of a contract may have.
const MAX_PLACES: usize = 1024;
/// The longest name of a contract, in octets.
const MAX_NAME: usize = 1024;

/// How an attribute is sent to a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// One text, the lowest by octets.
    Text,
    /// All texts.
    Texts,
    /// One string of octets.
    Binary,
    /// All strings of octets.
    Binaries,
    /// TRUE or FALSE.
    Boolean,
    /// One whole number.
    Integer,
    /// All whole numbers.
    Integers,
    /// One decimal number.
    Decimal,
    /// Only that there is one.
    Unsent,
}

/// An attribute that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractRead {
    /// Its name: of the source, or a path of the resource.
    pub name: String,
    /// How it is sent.
    pub shape: Shape,
}

/// An attribute of the resource that may be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractWrite {
    /// Its path.
    pub path: TargetPath,
    /// Whether it counts only when the resource is created.
    pub on_create: bool,
}

/// What a configured filter is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterContract {
    /// The object classes it is called for; none: all.
    pub object_classes: Vec<String>,
    /// The attributes it is sent.
    pub reads: Vec<ContractRead>,
    /// Whether it is told the cycle's time.
    pub cycle_time: bool,
}

/// What a configured mapping is sent and may set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappingContract {
    /// The object classes it is called for; none: all.
    pub object_classes: Vec<String>,
    /// The attributes it is sent.
    pub reads: Vec<ContractRead>,
    /// The attributes of the resource as built so far that it is sent.
    pub resource_reads: Vec<ContractRead>,
    /// The resource type it makes, where it decides that.
    pub resource_kind: Option<String>,
    /// The attributes it may set.
    pub writes: Vec<ContractWrite>,
    /// Whether it is told the cycle's time.
    pub cycle_time: bool,
}

/// The contracts of a plugin's kinds under one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contracts {
    /// As a filter.
    pub filter: Option<FilterContract>,
    /// As a mapping.
    pub mapping: Option<MappingContract>,
}

impl Contracts {
    /// Of a plugin that may do nothing.
    pub(crate) const NOTHING: Self = Self { filter: None, mapping: None };

    /// What this contract asks for beyond the granted one, in words; none where it keeps to it.
    pub fn beyond(&self, granted: &Self) -> Vec<String> {
        let mut more = Vec::new();
        let held = granted.reads();
        for (key, (name, sent)) in self.reads() {
            // Who was sent the value may also be told only that there is one.
            if held.get(&key).is_none_or(|(_, held)| sent && !held) {
                more.push(if sent { format!("reads {name}") } else { format!("asks whether there is a {name}") });
            }
        }
        if self.cycle_time() && !granted.cycle_time() {
            more.push("reads the cycle's time".to_owned());
        }
        if self.filter.is_some() && granted.filter.is_none() {
            more.push("filters entries".to_owned());
        }
        if let (Some(new), Some(old)) = (&self.filter, &granted.filter) {
            more.extend(more_classes(&new.object_classes, &old.object_classes, "filters"));
        }
        match (&self.mapping, &granted.mapping) {
            (Some(new), None) => {
                more.push("maps entries".to_owned());
                more.extend(new.beyond(&MappingContract::NOTHING));
            }
            (Some(new), Some(old)) => more.extend(new.beyond(old)),
            (None, _) => {}
        }
        more.dedup();
        more
    }

    /// The source attributes that are read, by their names in lower case: how each is written, and whether its values are
    /// sent.
    fn reads(&self) -> BTreeMap<String, (&str, bool)> {
        let lists =
            self.filter.iter().map(|filter| &filter.reads).chain(self.mapping.iter().map(|mapping| &mapping.reads));
        let mut reads = BTreeMap::new();
        for read in lists.flatten() {
            let (_, sent) = reads.entry(read.name.to_ascii_lowercase()).or_insert((read.name.as_str(), false));
            *sent |= read.shape != Shape::Unsent;
        }
        reads
    }

    fn cycle_time(&self) -> bool {
        self.filter.as_ref().is_some_and(|filter| filter.cycle_time)
            || self.mapping.as_ref().is_some_and(|mapping| mapping.cycle_time)
    }
}

impl MappingContract {
    /// Of any classes, of which nothing is made.
    const NOTHING: Self = Self {
        object_classes: Vec::new(),
        reads: Vec::new(),
        resource_reads: Vec::new(),
        resource_kind: None,
        writes: Vec::new(),
        cycle_time: false,
    };

    fn beyond(&self, granted: &Self) -> Vec<String> {
        let mut more = more_classes(&self.object_classes, &granted.object_classes, "maps");
        for write in &self.writes {
            // Setting always is more than setting when the resource is created.
            let held = granted.writes.iter().any(|old| old.path == write.path && (write.on_create || !old.on_create));
            if !held {
                more.push(format!("writes {}", write.path));
            }
        }
        for read in &self.resource_reads {
            if !granted.resource_reads.iter().any(|old| old.name.eq_ignore_ascii_case(&read.name)) {
                more.push(format!("reads {} of the resource", read.name));
            }
        }
        if self.resource_kind.is_some() && self.resource_kind != granted.resource_kind {
            more.push(format!("makes {} resources", self.resource_kind.as_deref().unwrap_or_default()));
        }
        more
    }
}

fn more_classes(new: &[String], granted: &[String], verb: &str) -> Vec<String> {
    match (new.is_empty(), granted.is_empty()) {
        (_, true) => Vec::new(),
        (true, false) => vec![format!("{verb} every object class")],
        (false, false) => {
            new.iter().filter(|class| !granted.contains(class)).map(|class| format!("{verb} {class}")).collect()
        }
    }
}

impl TryFrom<filter::Contract> for FilterContract {
    type Error = String;

    fn try_from(contract: filter::Contract) -> Result<Self, String> {
        Ok(Self {
            object_classes: object_classes(contract.object_classes)?,
            reads: source_reads(contract.reads)?,
            cycle_time: contract.cycle_time,
        })
    }
}

impl TryFrom<mapping::Contract> for MappingContract {
    type Error = String;

    fn try_from(contract: mapping::Contract) -> Result<Self, String> {
        check_places("resource-reads", contract.resource_reads.len())?;
        check_places("writes", contract.writes.len())?;
        let mut resource_reads = Vec::with_capacity(contract.resource_reads.len());
        for read in contract.resource_reads {
            check_path("resource-reads", &read.name)?;
            resource_reads.push(ContractRead { name: read.name, shape: read.shape.into() });
        }
        let mut writes: Vec<ContractWrite> = Vec::with_capacity(contract.writes.len());
        for write in contract.writes {
            let path = check_path("writes", &write.name)?;
            if let Some(other) = writes.iter().find(|other| other.path == path || other.path.overlaps(&path)) {
                return Err(format!("its contract writes both {} and {path}: one of them holds the other", other.path));
            }
            writes.push(ContractWrite { path, on_create: write.apply == types::Apply::OnCreate });
        }
        if contract.resource_kind.as_ref().is_some_and(|kind| kind.trim().is_empty() || kind.len() > MAX_NAME) {
            return Err("its contract names a resource kind that is empty or too long".to_owned());
        }
        Ok(Self {
            object_classes: object_classes(contract.object_classes)?,
            reads: source_reads(contract.reads)?,
            resource_reads,
            resource_kind: contract.resource_kind,
            writes,
            cycle_time: contract.cycle_time,
        })
    }
}

fn check_places(list: &str, places: usize) -> Result<(), String> {
    if places > MAX_PLACES {
        return Err(format!("its contract has {places} {list}, more than the {MAX_PLACES} that are allowed"));
    }
    Ok(())
}

fn check_path(list: &str, name: &str) -> Result<TargetPath, String> {
    name.parse().map_err(|error| format!("its contract's {list} are wrong: {error}"))
}

fn object_classes(classes: Vec<String>) -> Result<Vec<String>, String> {
    check_places("object-classes", classes.len())?;
    match classes.iter().find(|class| class.trim().is_empty() || class.len() > MAX_NAME) {
        Some(class) => Err(format!("its contract names an object class that is empty or too long: \"{:.40}\"", class)),
        None => Ok(classes),
    }
}

fn source_reads(reads: Vec<types::Read>) -> Result<Vec<ContractRead>, String> {
    check_places("reads", reads.len())?;
    let mut checked = Vec::with_capacity(reads.len());
    for read in reads {
        let octet = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b';' | b'.' | b'_');
        if read.name.is_empty() || read.name.len() > MAX_NAME || !read.name.bytes().all(octet) {
            return Err(format!("its contract reads \"{:.80}\", which is no attribute name", read.name));
        }
        checked.push(ContractRead { name: read.name, shape: read.shape.into() });
    }
    Ok(checked)
}

/// Attributes that every entry has, whatever its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Virtual {
    Dn,
    Anchor,
    ObjectClass,
}

impl ContractRead {
    /// Which of the attributes that every entry has this is, where it is one.
    pub(crate) fn virtual_attribute(&self) -> Option<Virtual> {
        match self.name.as_str() {
            "dn" => Some(Virtual::Dn),
            "anchor" => Some(Virtual::Anchor),
            "object-class" => Some(Virtual::ObjectClass),
            _ => None,
        }
    }

    /// The attribute of the source, where it is one.
    pub(crate) fn attribute(&self) -> Option<AttributeName> {
        self.virtual_attribute().is_none().then(|| AttributeName::new(self.name.as_str()))
    }
}

impl From<types::Shape> for Shape {
    fn from(shape: types::Shape) -> Self {
        match shape {
            types::Shape::Text => Self::Text,
            types::Shape::Texts => Self::Texts,
            types::Shape::Binary => Self::Binary,
            types::Shape::Binaries => Self::Binaries,
            types::Shape::Boolean => Self::Boolean,
            types::Shape::Integer => Self::Integer,
            types::Shape::Integers => Self::Integers,
            types::Shape::Decimal => Self::Decimal,
            types::Shape::Unsent => Self::Unsent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contracts(reads: &[(&str, Shape)], writes: &[&str], classes: &[&str]) -> Contracts {
        let read = |(name, shape): &(&str, Shape)| ContractRead { name: (*name).to_owned(), shape: *shape };
        Contracts {
            filter: None,
            mapping: Some(MappingContract {
                object_classes: classes.iter().map(|class| (*class).to_owned()).collect(),
                reads: reads.iter().map(read).collect(),
                resource_reads: Vec::new(),
                resource_kind: Some("User".to_owned()),
                writes: writes
                    .iter()
                    .map(|path| ContractWrite { path: path.parse().unwrap(), on_create: false })
                    .collect(),
                cycle_time: false,
            }),
        }
    }

    #[test]
    fn asking_for_less_or_the_same_is_within_the_grant() {
        let granted = contracts(&[("uid", Shape::Text), ("mail", Shape::Texts)], &["userName", "title"], &["user"]);
        assert!(granted.beyond(&granted).is_empty());
        assert!(contracts(&[("UID", Shape::Unsent)], &["username"], &["user"]).beyond(&granted).is_empty());
    }

    #[test]
    fn to_be_told_that_there_is_a_value_is_not_to_read_it() {
        let asking = contracts(&[("jpegPhoto", Shape::Unsent)], &[], &["user"]);
        let more = asking.beyond(&contracts(&[], &[], &["user"]));
        assert_eq!(more, ["asks whether there is a jpegPhoto"]);
        assert_eq!(contracts(&[("jpegphoto", Shape::Texts)], &[], &["user"]).beyond(&asking), ["reads jpegphoto"]);
    }

    #[test]
    fn asking_for_more_is_named() {
        let granted = contracts(&[("uid", Shape::Text), ("photo", Shape::Unsent)], &["userName"], &["user"]);
        let wanted = contracts(&[("uid", Shape::Text), ("photo", Shape::Binary)], &["userName", "title"], &[]);
        assert_eq!(wanted.beyond(&granted), ["reads photo", "maps every object class", "writes title"]);
    }
}
