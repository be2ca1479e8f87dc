//! The lock file: what plugins may do, listed in a file that is kept in version control, and changed by hand or by an
//! approval.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value as Json;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};

use crate::RulesError;
use crate::contract::{ContractRead, ContractWrite, Contracts, FilterContract, MappingContract, Shape};
use crate::grants::{Approved, Grant, write_whole};
use crate::hash::Hash;

/// The largest file that is read, in octets.
const MAX_OCTETS: u64 = 4 << 20;
/// The word for every object class.
const EVERY: &str = "*";
/// What a new file begins with.
const HEAD: &str = "# What the plugins of this host may do, by configuration: only what stands here is taken into use.\n\
                    # `provisor plugin approve` writes it; it may be edited by hand, and is followed without a restart.\n\n";

/// The file, which may be there or not.
#[derive(Debug)]
pub(crate) struct Lock<'a>(pub(crate) &'a Path);

/// What is granted to a plugin of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Locked {
    pub(crate) configuration: String,
    pub(crate) version: String,
    pub(crate) grant: Grant,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    plugin: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    configuration: String,
    name: String,
    /// Which of the rules of this plugin, counted from 1.
    #[serde(default = "first")]
    rule: usize,
    #[serde(default)]
    version: String,
    hash: Hash,
    approved_by: Option<String>,
    approved_at: Option<toml_edit::Datetime>,
    filter: Option<FilterPart>,
    mapping: Option<MappingPart>,
}

fn first() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FilterPart {
    object_classes: Vec<String>,
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    reads_presence: Vec<String>,
    #[serde(default)]
    cycle_time: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct MappingPart {
    object_classes: Vec<String>,
    resource_kind: Option<String>,
    #[serde(default)]
    reads: Vec<String>,
    #[serde(default)]
    reads_presence: Vec<String>,
    #[serde(default)]
    resource_reads: Vec<String>,
    #[serde(default)]
    writes: Vec<String>,
    #[serde(default)]
    writes_on_create: Vec<String>,
    #[serde(default)]
    cycle_time: bool,
}

impl Lock<'_> {
    /// What is granted in a configuration.
    ///
    /// # Errors
    /// A sentence for the operator, where the file is missing, cannot be read or is damaged.
    pub(crate) fn of(&self, configuration: &str) -> Result<Vec<Grant>, String> {
        let text = self.text().map_err(|error| self.trouble(&error))?;
        let text = text.ok_or_else(|| {
            format!("{} is missing. Put it back, or approve the plugins anew, which writes it", self.0.display())
        })?;
        let all = self.parse(&text)?;
        Ok(all.into_iter().filter(|locked| locked.configuration == configuration).map(|locked| locked.grant).collect())
    }

    /// The hash of the content, to tell whether it changes; none where it cannot be had.
    pub(crate) fn content(&self) -> Option<Hash> {
        self.text().ok().flatten().map(|text| Hash::of(text.as_bytes()))
    }

    /// Puts what is granted to a plugin in a configuration in the place of what was. What else is in the file stays as it
    /// is written.
    ///
    /// # Errors
    /// When the file is damaged or cannot be written.
    pub(crate) fn put(&self, configuration: &str, plugin: &str, granted: &[Locked]) -> Result<(), RulesError> {
        let damaged = |reason| RulesError::Lock { path: self.0.to_owned(), reason };
        let failed = |source| RulesError::File { action: "read", path: self.0.to_owned(), source };
        let text = self.text().map_err(failed)?;
        let text = text.as_deref().unwrap_or(HEAD);
        self.parse(text).map_err(damaged)?;
        // The head is no part of the first entry, which may become the second one.
        let (head, body) = text.strip_prefix(HEAD).map_or(("", text), |body| (HEAD, body));
        let mut document: DocumentMut =
            body.parse().map_err(|error: toml_edit::TomlError| damaged(error.message().to_owned()))?;
        let before = document.remove("plugin").and_then(|item| item.into_array_of_tables().ok()).unwrap_or_default();
        let is_other = |table: &Table| {
            let is = |key: &str, word: &str| table.get(key).and_then(Item::as_str) == Some(word);
            !(is("configuration", configuration) && is("name", plugin))
        };
        let mut tables: Vec<Table> = before.into_iter().filter(is_other).collect();
        tables.extend(granted.iter().map(table));
        tables.sort_by_key(place);
        let mut sorted = ArrayOfTables::new();
        let mut position = 0;
        for (number, mut table) in tables.into_iter().enumerate() {
            if number > 0 && table.decor().prefix().and_then(|prefix| prefix.as_str()).is_none_or(str::is_empty) {
                table.decor_mut().set_prefix("\n");
            }
            set_positions(&mut table, &mut position);
            sorted.push(table);
        }
        document.insert("plugin", Item::ArrayOfTables(sorted));
        // A link stays one: what it leads to is written.
        let path = fs::canonicalize(self.0).unwrap_or_else(|_| self.0.to_owned());
        write_whole(&path, format!("{head}{document}").as_bytes())
    }

    /// What the file holds; none where there is none.
    fn text(&self) -> io::Result<Option<String>> {
        let file = match File::open(self.0) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut text = String::new();
        file.take(MAX_OCTETS + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_OCTETS {
            return Err(io::Error::other("it is larger than 4 MiB"));
        }
        Ok(Some(text))
    }

    fn trouble(&self, error: &dyn std::fmt::Display) -> String {
        format!("{} cannot be used: {error}", self.0.display())
    }

    fn parse(&self, text: &str) -> Result<Vec<Locked>, String> {
        let document: Document = toml_edit::de::from_str(text).map_err(|error| {
            let line =
                error.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
            let place = line.map_or_else(String::new, |line| format!(":{line}"));
            format!(
                "{}{place} is damaged: {}. Correct it, or put the last good one back",
                self.0.display(),
                error.message()
            )
        })?;
        let wrong = |entry: &str, reason: String| {
            format!("{} is damaged at {entry}: {reason}. Correct it, or put the last good one back", self.0.display())
        };
        let mut all: Vec<Locked> = Vec::with_capacity(document.plugin.len());
        for entry in document.plugin {
            let name = format!("{} of {}", entry.name, entry.configuration);
            let locked = Locked::try_from(entry).map_err(|reason| wrong(&name, reason))?;
            let same = |other: &Locked| other.configuration == locked.configuration && other.grant.is_of(&locked.grant);
            if all.iter().any(same) {
                return Err(wrong(&name, "it stands there twice".to_owned()));
            }
            all.push(locked);
        }
        Ok(all)
    }
}

impl TryFrom<Entry> for Locked {
    type Error = String;

    fn try_from(entry: Entry) -> Result<Self, String> {
        let occurrence = entry.rule.checked_sub(1).ok_or("rules are counted from 1")?;
        let filter = entry.filter.map(|part| -> Result<FilterContract, String> {
            Ok(FilterContract {
                object_classes: classes(part.object_classes)?,
                reads: reads(part.reads, part.reads_presence),
                cycle_time: part.cycle_time,
            })
        });
        let mapping = entry.mapping.map(|part| -> Result<MappingContract, String> {
            let mut writes = Vec::with_capacity(part.writes.len() + part.writes_on_create.len());
            for (names, on_create) in [(part.writes, false), (part.writes_on_create, true)] {
                for name in names {
                    let path = name.parse().map_err(|error| format!("\"{name}\": {error}"))?;
                    writes.push(ContractWrite { path, on_create });
                }
            }
            Ok(MappingContract {
                object_classes: classes(part.object_classes)?,
                reads: reads(part.reads, part.reads_presence),
                resource_reads: reads(part.resource_reads, Vec::new()),
                resource_kind: part.resource_kind,
                writes,
                cycle_time: part.cycle_time,
            })
        });
        let at = entry.approved_at.and_then(|at| at.to_string().parse::<Timestamp>().ok());
        let at = at.map_or(0, |at| u64::try_from(at.as_second()).unwrap_or_default());
        let grant = Grant {
            plugin: entry.name,
            occurrence,
            // Whatever the settings: what stands in the file is all that is granted.
            config: Json::Null,
            contracts: Contracts { filter: filter.transpose()?, mapping: mapping.transpose()? },
            component: entry.hash,
            from_file: false,
            approved: entry.approved_by.map(|by| Approved { by, at }),
            before: None,
        };
        Ok(Self { configuration: entry.configuration, version: entry.version, grant })
    }
}

fn classes(classes: Vec<String>) -> Result<Vec<String>, String> {
    match classes.as_slice() {
        [] => Err(format!("object-classes is empty; for every class write [\"{EVERY}\"]")),
        [every] if every == EVERY => Ok(Vec::new()),
        _ => Ok(classes),
    }
}

fn reads(sent: Vec<String>, presence: Vec<String>) -> Vec<ContractRead> {
    let of = |names: Vec<String>, shape: Shape| names.into_iter().map(move |name| ContractRead { name, shape });
    of(sent, Shape::Texts).chain(of(presence, Shape::Unsent)).collect()
}

/// Where an entry stands in the file.
fn place(table: &Table) -> (String, String, i64) {
    let text = |key: &str| table.get(key).and_then(Item::as_str).unwrap_or_default().to_owned();
    (text("configuration"), text("name"), table.get("rule").and_then(Item::as_integer).unwrap_or(1))
}

/// Has a table and those in it stand in the file where they are now.
fn set_positions(table: &mut Table, position: &mut isize) {
    table.set_position(Some(*position));
    *position += 1;
    for (_, item) in table.iter_mut() {
        if let Some(inner) = item.as_table_mut() {
            set_positions(inner, position);
        }
    }
}

/// An entry as it is written.
fn table(locked: &Locked) -> Table {
    let Locked { configuration, version, grant } = locked;
    let mut table = Table::new();
    table.insert("configuration", value(configuration));
    table.insert("name", value(&grant.plugin));
    if let Some(rule) = i64::try_from(grant.occurrence).ok().filter(|occurrence| *occurrence > 0) {
        table.insert("rule", value(rule + 1));
    }
    table.insert("version", value(version));
    table.insert("hash", value(grant.component.to_string()));
    if let Some(approved) = &grant.approved {
        table.insert("approved-by", value(&approved.by));
        let at = i64::try_from(approved.at).ok().and_then(|at| Timestamp::from_second(at).ok());
        if let Some(at) = at.and_then(|at| at.to_string().parse::<toml_edit::Datetime>().ok()) {
            table.insert("approved-at", value(at));
        }
    }
    if let Some(filter) = &grant.contracts.filter {
        let mut part = Table::new();
        part.insert("object-classes", class_list(&filter.object_classes));
        put_reads(&mut part, &filter.reads);
        put_time(&mut part, filter.cycle_time);
        table.insert("filter", Item::Table(part));
    }
    if let Some(mapping) = &grant.contracts.mapping {
        let mut part = Table::new();
        part.insert("object-classes", class_list(&mapping.object_classes));
        if let Some(kind) = &mapping.resource_kind {
            part.insert("resource-kind", value(kind));
        }
        put_reads(&mut part, &mapping.reads);
        put_list(&mut part, "resource-reads", mapping.resource_reads.iter().map(|read| read.name.clone()).collect());
        for (key, on_create) in [("writes", false), ("writes-on-create", true)] {
            let of_this = mapping.writes.iter().filter(|write| write.on_create == on_create);
            put_list(&mut part, key, of_this.map(|write| write.path.to_string()).collect());
        }
        put_time(&mut part, mapping.cycle_time);
        table.insert("mapping", Item::Table(part));
    }
    table
}

fn class_list(classes: &[String]) -> Item {
    let every = [EVERY.to_owned()];
    value(Array::from_iter(if classes.is_empty() { &every } else { classes }))
}

fn put_time(part: &mut Table, cycle_time: bool) {
    if cycle_time {
        part.insert("cycle-time", value(true));
    }
}

/// Whose values are sent, and of which it is only told whether there are any.
fn put_reads(part: &mut Table, reads: &[ContractRead]) {
    let names = |sent: bool| -> Vec<String> {
        let names = reads.iter().filter(|read| (read.shape != Shape::Unsent) == sent);
        names.map(|read| read.name.clone()).collect()
    };
    let sent = names(true);
    let told = names(false).into_iter().filter(|name| !sent.iter().any(|other| other.eq_ignore_ascii_case(name)));
    let told = told.collect();
    put_list(part, "reads", sent);
    put_list(part, "reads-presence", told);
}

/// A list with a line for each item, in a stable order, so that what changes is a line of its own.
fn put_list(part: &mut Table, key: &str, mut names: Vec<String>) {
    names.sort_by_key(|name| (name.to_ascii_lowercase(), name.clone()));
    names.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    if names.is_empty() {
        return;
    }
    let mut array = Array::from_iter(names);
    array.iter_mut().for_each(|item| item.decor_mut().set_prefix("\n    "));
    array.set_trailing("\n");
    array.set_trailing_comma(true);
    part.insert(key, value(array));
}

#[cfg(test)]
mod tests;
