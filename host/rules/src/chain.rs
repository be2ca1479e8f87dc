//! A rule chain: the plugins of one configuration in their order, checked against each other. It never changes; a new
//! component, configuration or order is another chain.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use provisor_model::{AttributeName, TargetPath};
use serde::Serialize;

use crate::bindings::VERSION;
use crate::contract::{Contracts, Shape, Virtual};
use crate::encode::ReadPlan;
use crate::engine::Ticking;
use crate::evaluate::Evaluator;
use crate::hash::Hash;
use crate::load::Configured;
use crate::options::OnFault;

/// A plugin of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginRef {
    /// Its name in the configuration.
    pub name: String,
    /// Its own version.
    pub version: String,
    /// The SHA-256 of its component, in hexadecimal.
    pub hash: String,
}

/// The plugins of one configuration, ready to be run.
pub struct Chain {
    pub(crate) links: Vec<Link>,
    /// All places of the resource that any mapping sets, in the order of paths.
    pub(crate) places: Vec<TargetPath>,
    pub(crate) ticking: Arc<Ticking>,
    hash: Hash,
    warnings: Vec<String>,
}

/// One plugin in its place of the chain.
pub(crate) struct Link {
    pub(crate) name: Arc<str>,
    pub(crate) version: Arc<str>,
    pub(crate) on_fault: OnFault,
    pub(crate) configured: Arc<Configured>,
    /// All that its answers depend on besides what it is sent.
    pub(crate) generation: Hash,
    pub(crate) filter: Option<FilterPlan>,
    pub(crate) mapping: Option<MappingPlan>,
}

/// A filter's contract, prepared.
pub(crate) struct FilterPlan {
    pub(crate) object_classes: Vec<String>,
    pub(crate) reads: ReadPlan,
    pub(crate) cycle_time: bool,
}

/// A mapping's contract, prepared: its writes are places of the chain.
pub(crate) struct MappingPlan {
    pub(crate) object_classes: Vec<String>,
    pub(crate) reads: ReadPlan,
    /// For each read of the resource the place that an earlier mapping sets, where one does.
    pub(crate) built: Vec<(crate::contract::ContractRead, Option<usize>)>,
    /// For each write its place, and whether it counts only when the resource is created.
    pub(crate) writes: Vec<(usize, bool)>,
    pub(crate) resource_kind: Option<String>,
    pub(crate) cycle_time: bool,
}

pub(crate) fn handles(object_classes: &[String], object_class: &str) -> bool {
    object_classes.is_empty() || object_classes.iter().any(|class| class == object_class)
}

impl Chain {
    /// Puts plugins together.
    ///
    /// # Errors
    /// A sentence for the operator: which plugins do not go together, and why.
    pub(crate) fn new(parts: Vec<(String, OnFault, Arc<Configured>)>, ticking: Arc<Ticking>) -> Result<Self, String> {
        check_policies(&parts)?;
        check_kinds(&parts)?;
        let mut warnings = check_writes(&parts)?;
        let contracts: Vec<&Contracts> = parts.iter().map(|(_, _, configured)| &configured.contracts).collect();
        let written: BTreeSet<TargetPath> = contracts
            .iter()
            .filter_map(|contracts| contracts.mapping.as_ref())
            .flat_map(|mapping| mapping.writes.iter().map(|write| write.path.clone()))
            .collect();
        let places: Vec<TargetPath> = written.into_iter().collect();
        let place = |path: &TargetPath| places.binary_search(path).ok();
        let hash = chain_hash(&parts);
        let mut links = Vec::with_capacity(parts.len());
        let mut set_so_far = BTreeSet::new();
        for (name, on_fault, configured) in parts {
            let filter = configured.contracts.filter.as_ref().map(|filter| FilterPlan {
                object_classes: filter.object_classes.clone(),
                reads: ReadPlan::new(&filter.reads),
                cycle_time: filter.cycle_time,
            });
            let mut mapping = None;
            if let Some(contract) = &configured.contracts.mapping {
                let mut built = Vec::with_capacity(contract.resource_reads.len());
                for read in &contract.resource_reads {
                    let path = read.name.parse().map_err(|error| format!("plugin \"{name}\": {error}"))?;
                    let set = place(&path).filter(|place| set_so_far.contains(place));
                    if set.is_none() {
                        warnings.push(format!("{name} reads {path} of the resource, which no rule before it sets"));
                    }
                    built.push((read.clone(), set));
                }
                let writes: Vec<(usize, bool)> =
                    contract.writes.iter().filter_map(|write| Some((place(&write.path)?, write.on_create))).collect();
                set_so_far.extend(writes.iter().map(|(place, _)| *place));
                mapping = Some(MappingPlan {
                    object_classes: contract.object_classes.clone(),
                    reads: ReadPlan::new(&contract.reads),
                    built,
                    writes,
                    resource_kind: contract.resource_kind.clone(),
                    cycle_time: contract.cycle_time,
                });
            }
            let version = configured.loaded.version.as_str().into();
            let generation = generation(&configured, &links);
            links.push(Link { name: name.into(), version, on_fault, configured, generation, filter, mapping });
        }
        Ok(Self { links, places, ticking, hash, warnings })
    }

    /// What results depend on: components, configurations, contracts, order and policies.
    pub fn hash(&self) -> [u8; 32] {
        self.hash.octets()
    }

    /// The attributes of the source that any plugin reads.
    pub fn reads(&self) -> BTreeSet<AttributeName> {
        self.reads_with_shapes().into_keys().collect()
    }

    /// The same, each with the shapes it is read in: what is only `unsent` may be a reference or large.
    pub fn reads_with_shapes(&self) -> BTreeMap<AttributeName, BTreeSet<Shape>> {
        let mut reads: BTreeMap<AttributeName, BTreeSet<Shape>> = BTreeMap::new();
        for read in self.contract_reads() {
            if let Some(attribute) = read.attribute() {
                reads.entry(attribute).or_default().insert(read.shape);
            }
        }
        reads
    }

    /// Whether any plugin reads the distinguished name, so that a rename is a change.
    pub fn reads_dn(&self) -> bool {
        self.contract_reads().any(|read| read.virtual_attribute() == Some(Virtual::Dn))
    }

    /// Whether any plugin is told the cycle's time.
    pub fn uses_cycle_time(&self) -> bool {
        self.links.iter().any(|link| {
            link.filter.as_ref().is_some_and(|filter| filter.cycle_time)
                || link.mapping.as_ref().is_some_and(|mapping| mapping.cycle_time)
        })
    }

    /// The resource type that entries of this object class become; none where no mapping claims them.
    pub fn kind_of(&self, object_class: &str) -> Option<&str> {
        let deciding = self.links.iter().filter_map(|link| link.mapping.as_ref());
        deciding
            .filter(|mapping| handles(&mapping.object_classes, object_class))
            .find_map(|mapping| mapping.resource_kind.as_deref())
    }

    /// All places of the resource that any mapping may set.
    pub fn write_paths(&self) -> &[TargetPath] {
        &self.places
    }

    /// What is allowed but worth a look, such as an attribute that two mappings set.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The plugins in their order.
    pub fn plugins(&self) -> Vec<PluginRef> {
        let plugin = |link: &Link| PluginRef {
            name: link.name.to_string(),
            version: link.version.to_string(),
            hash: link.configured.loaded.hash.to_string(),
        };
        self.links.iter().map(plugin).collect()
    }

    /// Begins to evaluate entries in a cycle of this time (seconds since 1970). Each worker thread has an evaluator of its
    /// own ([`Evaluator::beside`]); `trace` collects what every plugin did.
    pub fn start_cycle(self: &Arc<Self>, cycle_time: i64, trace: bool) -> Evaluator {
        Evaluator::new(Arc::clone(self), cycle_time, trace)
    }

    /// The object classes that filters name, each with the filter's name.
    pub fn filtered_classes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.links.iter().flat_map(|link| {
            let filter = link.configured.contracts.filter.iter();
            filter.flat_map(|filter| &filter.object_classes).map(|class| (&*link.name, class.as_str()))
        })
    }

    fn contract_reads(&self) -> impl Iterator<Item = &crate::contract::ContractRead> {
        self.links.iter().flat_map(|link| {
            let contracts = &link.configured.contracts;
            let filter = contracts.filter.iter().flat_map(|filter| &filter.reads);
            filter.chain(contracts.mapping.iter().flat_map(|mapping| &mapping.reads))
        })
    }

    pub(crate) fn add_warnings(&mut self, warnings: impl IntoIterator<Item = String>) {
        self.warnings.extend(warnings);
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Chain")
            .field("hash", &self.hash)
            .field("plugins", &self.plugins())
            .finish_non_exhaustive()
    }
}

type Part = (String, OnFault, Arc<Configured>);

/// `skip` is only for mappings that add to what others make: anything else would fail open.
fn check_policies(parts: &[Part]) -> Result<(), String> {
    for (name, on_fault, configured) in parts {
        let contracts = &configured.contracts;
        let decides = contracts.mapping.as_ref().is_some_and(|mapping| mapping.resource_kind.is_some());
        if *on_fault == OnFault::Skip && (contracts.filter.is_some() || decides) {
            let what = if decides { "it decides what entries become" } else { "it is a filter" };
            return Err(format!("{name} cannot have on-fault = \"skip\", because {what}: choose \"hold\" or \"stop\""));
        }
    }
    Ok(())
}

/// Every object class that a mapping names becomes one kind of resource.
fn check_kinds(parts: &[Part]) -> Result<(), String> {
    let mappings: Vec<_> =
        parts.iter().filter_map(|(name, _, configured)| Some((name, configured.contracts.mapping.as_ref()?))).collect();
    if mappings.iter().all(|(_, mapping)| mapping.resource_kind.is_none()) {
        return Err("no mapping says what entries become: add one that does, such as people or groups".to_owned());
    }
    let classes: BTreeSet<&str> =
        mappings.iter().flat_map(|(_, mapping)| &mapping.object_classes).map(String::as_str).collect();
    // The empty class stands for those that are not named.
    for class in classes.into_iter().chain([""]) {
        let handling = || mappings.iter().filter(|(_, mapping)| handles(&mapping.object_classes, class));
        let mut deciding = handling().filter_map(|(name, mapping)| Some((name, mapping.resource_kind.as_deref()?)));
        let Some((first, kind)) = deciding.next() else {
            if let Some((name, _)) = handling().find(|_| !class.is_empty()) {
                return Err(format!(
                    "{name} maps the object class {class}, but no mapping says what kind of resource it becomes"
                ));
            }
            continue;
        };
        if let Some((second, other)) = deciding.find(|(_, other)| *other != kind) {
            let class =
                if class.is_empty() { "every object class".to_owned() } else { format!("the object class {class}") };
            return Err(format!("{first} makes {class} a {kind}, {second} a {other}: take one of them out"));
        }
    }
    Ok(())
}

/// Two mappings may set the same attribute of the same entries (the last wins, which is worth a warning), but not one the
/// whole and the other a part of it.
fn check_writes(parts: &[Part]) -> Result<Vec<String>, String> {
    let mut warnings = Vec::new();
    for (number, (name, _, configured)) in parts.iter().enumerate() {
        let Some(mapping) = &configured.contracts.mapping else { continue };
        for (other, _, earlier) in parts.iter().take(number) {
            let Some(earlier) = &earlier.contracts.mapping else { continue };
            if !meet(&mapping.object_classes, &earlier.object_classes) {
                continue;
            }
            for (path, write) in
                earlier.writes.iter().flat_map(|one| mapping.writes.iter().map(|two| (&one.path, &two.path)))
            {
                if path.overlaps(write) {
                    return Err(format!("{other} sets {path} and {name} sets {write}: one of them holds the other"));
                }
                if path == write {
                    warnings.push(format!("{path} is set by {other} and by {name}: where both do, {name} wins"));
                }
            }
        }
    }
    Ok(warnings)
}

/// Whether there may be an entry that is of both lists of object classes; an empty list is all.
fn meet(one: &[String], other: &[String]) -> bool {
    one.is_empty() || other.is_empty() || one.iter().any(|class| other.contains(class))
}

/// What a plugin's answers depend on besides what it is sent. A plugin that is several times in a chain with the same
/// configuration is told apart, since each of them may be sent something else. Another version of the program may send
/// and understand things in another way.
pub(crate) fn generation(configured: &Configured, earlier: &[Link]) -> Hash {
    let alike = |link: &&Link| {
        link.configured.loaded.hash == configured.loaded.hash && link.configured.document == configured.document
    };
    let occurrence = earlier.iter().filter(alike).count().to_string();
    Hash::of_parts([
        configured.loaded.hash.octets().as_slice(),
        configured.document.as_bytes(),
        // Contracts are plain data: they always have a JSON form.
        &serde_json::to_vec(&configured.contracts).unwrap_or_default(),
        occurrence.as_bytes(),
        VERSION.as_bytes(),
        env!("CARGO_PKG_VERSION").as_bytes(),
    ])
}

fn chain_hash(parts: &[Part]) -> Hash {
    let mut content = Vec::new();
    for (name, on_fault, configured) in parts {
        content.push(name.clone().into_bytes());
        content.push(configured.loaded.hash.octets().to_vec());
        content.push(configured.document.clone().into_bytes());
        content.push(format!("{on_fault:?}").into_bytes());
        // Contracts are plain data: they always have a JSON form.
        content.push(serde_json::to_vec(&configured.contracts).unwrap_or_default());
    }
    Hash::of_parts(content.iter().map(Vec::as_slice))
}
