//! A rules plugin that misbehaves as its configuration says, for the tests of the plugin host.
//!
//! It maps `user` entries to `User` resources named after their uid, and drops one entry as a filter where it is told to.

use std::cell::{Cell, RefCell};
use std::sync::Mutex;

use provisor_sdk::prelude::*;

/// What goes wrong, and for which entry.
#[derive(Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Config {
    /// What goes wrong.
    fault: Fault,
    /// Only for the entry of this uid; for all where it is absent.
    only: Option<String>,
    /// What the user name is followed by, to tell two configurations apart.
    suffix: String,
    /// Reads this attribute too.
    reads: Option<String>,
    /// Writes this attribute too, with the text `x`.
    writes: Option<String>,
    /// Claims entries of this class in place of `user`.
    object_class: Option<String>,
    /// Makes resources of this kind; none where it is empty.
    kind: Option<String>,
    /// Drops the entry of this uid.
    drops: Option<String>,
    /// The shape in which `flag` is read.
    boolean: Option<String>,
    /// What it says that it does.
    summary: Option<String>,
    /// For how long its answers hold, in seconds from the cycle's time.
    holds: Option<i64>,
    /// Makes the user name of this attribute of the resource, where an earlier rule set it.
    follows: Option<String>,
    /// Excludes entries whose uid begins so.
    excludes: Option<String>,
    /// Drops entries whose uid begins so.
    drops_all: Option<String>,
    /// Refers to who `manager` names.
    manager: bool,
    /// Refers to whose `uid` stands in `title`, as the manager.
    manager_by_title: bool,
    /// The user name is this one or, where somebody has it, the same with a number.
    unique: Option<String>,
    /// What holds in place of all this where the component is of the second edition.
    second: Option<Box<Config>>,
}

/// Which edition of the plugin this is: a test makes the second one by changing the last octet in the component.
static EDITION: [u8; 29] = *b"provisor-test-guest edition 1";

impl Config {
    /// What holds for this edition.
    fn of_edition(self) -> Self {
        let second = std::hint::black_box(&EDITION).last() == Some(&b'2');
        match self.second {
            Some(config) if second => *config,
            _ => self,
        }
    }
}

/// What can go wrong.
#[derive(Clone, Copy, Default, PartialEq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// A panic.
    Trap,
    /// An endless loop.
    Loop,
    /// Memory without end.
    Grow,
    /// An edit at a place that the contract does not have.
    OutsideContract,
    /// An answer of many octets.
    Oversize,
    /// A thousand log lines.
    Chatter,
    /// An error from `configure`.
    Refuse,
    /// A trap in `configure`.
    TrapInConfigure,
    /// A trap where it is asked what it does.
    TrapInSummary,
    /// A decimal that is no number.
    NotANumber,
    /// One answer too few for the batch.
    TooFew,
    /// The same place twice in one answer.
    Twice,
    /// An error for the whole batch.
    Error,
    /// No fault that shows: another answer to the same question.
    Remembers,
    /// Nor this one: an answer that depends on the entry before.
    Compares,
    /// No fault either: it takes its time over each entry.
    Slow,
}

/// The filter half.
pub struct Keep {
    uid: Text,
    drops: Option<String>,
    drops_all: Option<String>,
}

impl Filter for Keep {
    type Config = Config;

    fn configure(config: Config, contract: &mut FilterContract) -> Result<Self, String> {
        let config = config.of_edition();
        if config.drops.is_none() && config.drops_all.is_none() {
            contract.unused();
        }
        Ok(Self { uid: contract.text("uid"), drops: config.drops, drops_all: config.drops_all })
    }

    fn decide(&self, entry: &Entry) -> Verdict {
        match entry.text(self.uid) {
            uid if begins(uid, self.drops_all.as_deref()) => Verdict::drop("unwanted", "the configuration drops it"),
            uid if uid.is_some() && uid == self.drops.as_deref() => {
                Verdict::drop("unwanted", "the configuration drops it")
            }
            _ => Verdict::Keep,
        }
    }
}

/// Whether a text begins with another.
fn begins(text: Option<&str>, with: Option<&str>) -> bool {
    text.zip(with).is_some_and(|(text, with)| text.starts_with(with))
}

/// The mapping half.
pub struct Misbehave {
    config: Config,
    uid: Text,
    user_name: Target,
    flag: Option<(Boolean, Target)>,
    extra: Option<Target>,
    foreign: Target,
    now: Option<CycleTime>,
    follows: Option<Built<Text>>,
    manager: Option<(Text, Target)>,
    manager_by_title: Option<(Text, Target)>,
}

impl Mapping for Misbehave {
    type Config = Config;

    fn configure(config: Config, contract: &mut MappingContract) -> Result<Self, String> {
        let config = config.of_edition();
        match config.fault {
            Fault::Refuse => return Err("the guest refuses this configuration".to_owned()),
            #[expect(clippy::panic, reason = "what the test asks for")]
            Fault::TrapInConfigure => panic!("the guest traps in configure"),
            _ => {}
        }
        contract.object_class(config.object_class.as_deref().unwrap_or("user"));
        match config.kind.as_deref() {
            Some("") => {}
            Some(kind) => drop(contract.resource_kind(kind)),
            None => drop(contract.resource_kind("User")),
        }
        if let Some(name) = &config.reads {
            contract.text(name);
        }
        // A place that is not in this contract, as a confused plugin would have it.
        let foreign = {
            let mut other = MappingContract::default();
            (0..99).map(|place| other.write(&format!("place{place}"))).last()
        };
        Ok(Self {
            uid: contract.text("uid"),
            user_name: contract.write("userName"),
            flag: config.boolean.as_ref().map(|name| (contract.boolean(name), contract.write("active"))),
            extra: config.writes.as_ref().map(|path| contract.write(path)),
            foreign: foreign.ok_or("no place")?,
            now: config.holds.map(|_| contract.cycle_time()),
            follows: config.follows.as_ref().map(|path| contract.built_text(path)),
            manager: config.manager.then(|| (contract.text("manager"), contract.write(MANAGER))),
            manager_by_title: config.manager_by_title.then(|| (contract.text("title"), contract.write(MANAGER))),
            config,
        })
    }

    fn map(&self, entry: &Entry, resource: &mut Resource) -> Result<(), Refusal> {
        let uid = entry.text(self.uid).ok_or_else(|| fail("no-uid", "the entry has no uid"))?;
        if let Some((flag, active)) = self.flag {
            resource.copy(active, flag);
        }
        if let Some(extra) = self.extra {
            resource.set(extra, "x");
        }
        if begins(Some(uid), self.config.excludes.as_deref()) {
            return Err(exclude("excluded", "the configuration excludes it"));
        }
        let name = self.follows.and_then(|built| resource.built_text(built)).unwrap_or(uid);
        match &self.config.unique {
            None => resource.set(self.user_name, format!("{name}{}", self.config.suffix)),
            Some(name) => resource.first_unique(self.user_name, (0..50).map(|number| format!("{name}{number}"))),
        }
        if let Some((manager, target)) = self.manager
            && let Some(dn) = entry.text(manager)
        {
            resource.reference(target, dn);
        }
        if let Some((title, target)) = self.manager_by_title
            && let Some(uid) = entry.text(title)
        {
            resource.reference_by(target, "uid", uid);
        }
        if let (Some(now), Some(holds)) = (self.now, self.config.holds) {
            entry.valid_until(entry.now(now) + holds);
        }
        let last = LAST.replace(uid.to_owned());
        if self.config.only.as_deref().is_none_or(|only| only == uid) {
            self.misbehave(uid, &last, resource);
        }
        Ok(())
    }

    #[expect(clippy::panic, reason = "what the test asks for")]
    fn summary(&self) -> Option<String> {
        if self.config.fault == Fault::TrapInSummary {
            panic!("the guest traps in summary");
        }
        self.config.summary.clone()
    }
}

/// Where the manager of a user stands.
const MANAGER: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager";

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

impl Misbehave {
    fn misbehave(&self, uid: &str, last: &str, resource: &mut Resource) {
        match self.config.fault {
            // Those of the whole answer are made in the glue.
            Fault::None
            | Fault::Refuse
            | Fault::TrapInConfigure
            | Fault::TrapInSummary
            | Fault::TooFew
            | Fault::Twice
            | Fault::Error => {}
            #[expect(clippy::panic, reason = "what the test asks for")]
            Fault::Trap => panic!("the guest traps"),
            Fault::Loop => {
                let turns = std::hint::black_box(0_u64);
                while std::hint::black_box(turns) == 0 {}
            }
            Fault::Grow => {
                let hoard = Mutex::new(Vec::new());
                while hoard.lock().is_ok_and(|mut hoard| {
                    hoard.push(vec![1_u8; 1 << 20]);
                    !hoard.is_empty()
                }) {}
            }
            Fault::OutsideContract => resource.set(self.foreign, "x"),
            Fault::Oversize => resource.set(self.user_name, "x".repeat(8 << 20)),
            Fault::Chatter => (0..1000).for_each(|line| log::info(&format!("line {line}"))),
            Fault::NotANumber => resource.set(self.user_name, f64::NAN),
            Fault::Remembers => resource.set(self.user_name, format!("{uid}{}", CALLS.replace(CALLS.get() + 1))),
            Fault::Slow => drop((0..1_000_000_u32).fold(0, |sum, turn| std::hint::black_box(sum ^ turn))),
            Fault::Compares if last != uid => resource.set(self.user_name, format!("{last}{uid}")),
            Fault::Compares => {}
        }
    }
}

#[cfg(target_arch = "wasm32")]
mod component;
