//! The plugin host: what is in the folder, what is compiled, what configurations bind, and what was granted to them.

use std::io::Read as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::RulesError;
use crate::approve::Approval;
use crate::chain::Chain;
use crate::compile::Compiler;
use crate::compiled::Compiled;
use crate::engine::Ticking;
use crate::folder::{self, Content, open_regular};
use crate::gate::{Gate, Passing};
use crate::grants::{Grant, Ledger};
use crate::hash::Hash;
use crate::load::{Configured, Loaded};
use crate::lock::Lock;
use crate::meet::grant_of;
use crate::options::{Binding, RulesOptions, Updates};
use crate::permit::asks_for_more;
use crate::proof::Proofs;
use crate::state::{Bound, State};
use crate::status::{Inspection, PluginStatus};
use crate::watch::FolderWatch;

/// Loads plugins and binds them into chains. Its calls block (compiling takes a while): they are for worker threads.
/// A clone is the same host.
#[derive(Clone)]
pub struct RulesHost(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    options: RulesOptions,
    pub(crate) ticking: Arc<Ticking>,
    pub(crate) gate: Gate,
    pub(crate) ledger: Ledger,
    pub(crate) proofs: Proofs,
    /// Held while plugins are loaded or bound: one at a time.
    work: Mutex<()>,
    /// Held only to look.
    state: Mutex<State>,
}

/// A chain with another component in the place of one, and what stands between that and its use.
#[derive(Debug)]
pub struct Candidate {
    /// The chain.
    pub chain: Arc<Chain>,
    /// What the component asks for beyond what was granted, as words.
    pub more: Vec<String>,
    /// Why it would not be taken into use by itself, and what to do.
    pub waits: Option<String>,
}

/// How long a component is waited for where something else can be done meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the bytes of a component are kept that is granted to nobody: another process may be about to grant it.
const KEPT_UNUSED: Duration = Duration::from_secs(3600);

impl RulesHost {
    /// Opens a host and looks at the folder for the first time.
    ///
    /// # Errors
    /// When the engine does not start or the folder cannot be read.
    pub fn open(options: RulesOptions) -> Result<Self, RulesError> {
        let ticking = Arc::new(Ticking::start(&options.limits)?);
        let compiled = Compiled::open(&options.data_folder, ticking.engine());
        let gate = Gate::new(Compiler::new(Arc::clone(&ticking), compiled), options.limits.clone());
        let ledger = Ledger::new(&options.data_folder);
        ledger.prune(KEPT_UNUSED);
        let host = Self(Arc::new(Inner {
            options,
            ticking,
            gate,
            ledger,
            proofs: Proofs::default(),
            work: Mutex::default(),
            state: Mutex::default(),
        }));
        host.0.read_folder()?;
        host.0.lock_has_changed();
        Ok(host)
    }

    /// Looks at the folder again, and at the lock file where there is to be one, and loads what is new. True: some plugin is
    /// another one now, or may be used now, so bind again. A folder that cannot be read leaves all as it was.
    pub fn scan(&self) -> bool {
        let (changed, settled) = {
            let _work = self.0.working();
            let settled = self.0.state().late_ones_settled();
            let settled = self.0.lock_has_changed() || settled;
            match self.0.read_folder() {
                Ok(changed) => (changed, settled),
                Err(error) => {
                    tracing::warn!(%error, "the plugins folder is as it was");
                    return settled;
                }
            }
        };
        self.0.pass(&changed);
        let mut state = self.0.state();
        self.0.gate.forget(|hash| state.files.values().any(|found| found.content.hash() == Some(hash)));
        state.note_states(&self.0.gate);
        settled || !changed.is_empty()
    }

    /// Watches the folder. File events only say when to scan.
    ///
    /// # Errors
    /// When the folder cannot be made or watched.
    pub fn watch(&self) -> Result<FolderWatch, RulesError> {
        FolderWatch::new(self.0.options.plugins_folder.clone())
    }

    /// Makes the chain of a configuration. The first time, what its plugins ask for is granted; later a plugin that asks
    /// for more, or is broken or gone, is not taken: the one that ran well before stays in the chain and the status tells.
    ///
    /// # Errors
    /// When a plugin cannot be used and none ran well before, or when the plugins do not go together.
    pub fn bind(&self, configuration: &str, bindings: &[Binding]) -> Result<Arc<Chain>, RulesError> {
        let plugins: Vec<String> = bindings.iter().map(|binding| binding.plugin.clone()).collect();
        let _work = self.0.working_on_what_passed(&plugins);
        let permits = self.0.permits(configuration);
        let granted = self.0.granted(configuration, &permits)?;
        let mut grants = Vec::with_capacity(bindings.len());
        let mut parts = Vec::with_capacity(bindings.len());
        let mut bound = Vec::with_capacity(bindings.len());
        for (place, binding) in bindings.iter().enumerate() {
            let occurrence = bindings.iter().take(place).filter(|earlier| earlier.plugin == binding.plugin).count();
            let grant = grant_of(&granted, &binding.plugin, occurrence);
            let met = self.0.meet((configuration, occurrence), binding, grant, &permits)?;
            let kept = grant.filter(|grant| grant.config == binding.config);
            grants.push(Grant {
                plugin: binding.plugin.clone(),
                occurrence,
                config: binding.config.clone(),
                // What it no longer asks for, it no longer may: to ask for it again takes an approval.
                contracts: met.configured.contracts.clone(),
                component: met.configured.loaded.hash,
                from_file: met.from_file,
                approved: kept
                    .filter(|kept| kept.component == met.configured.loaded.hash)
                    .and_then(|kept| kept.approved.clone()),
                before: grant.and_then(|grant| grant.before_is(met.configured.loaded.hash)),
            });
            let active = Arc::clone(&met.configured.loaded);
            let summary = met.configured.summary.clone();
            bound.push(Bound { plugin: binding.plugin.clone(), active, summary, rejected: met.rejected });
            parts.push((binding.plugin.clone(), binding.on_fault, Arc::new(met.configured)));
        }
        let components: Vec<Arc<Loaded>> = bound.iter().map(|bound| Arc::clone(&bound.active)).collect();
        let chain = self.0.chain(configuration, parts)?;
        for component in components {
            self.0.ledger.keep(component.hash, &component.bytes)?;
        }
        if grants != granted {
            report_replacements(configuration, &granted, &grants, &bound);
            self.0.ledger.save(configuration, &grants)?;
            // Each replacement leaves one that is granted no more.
            self.0.ledger.prune(KEPT_UNUSED);
        }
        let chain = {
            let mut state = self.0.state();
            // The same rules are the same chain: who holds it need not ask.
            let same = state.chains.get(configuration).filter(|known| known.hash() == chain.hash()).cloned();
            if same.is_none() {
                report_summaries(configuration, &bound);
            }
            state.bound.insert(configuration.to_owned(), bound);
            let chain = same.unwrap_or(chain);
            state.chains.insert(configuration.to_owned(), Arc::clone(&chain));
            chain
        };
        self.0.state().note_states(&self.0.gate);
        Ok(chain)
    }

    /// Grants to the rules of a configuration that use this plugin what it asks for as it is now; it is taken at the next
    /// [`Self::bind`]. `by` is who approved it, for the record. Gives nothing where no rule uses it.
    ///
    /// # Errors
    /// When the plugin is not there or does not pass the gate, or the grant cannot be kept.
    pub fn approve(
        &self,
        configuration: &str,
        bindings: &[Binding],
        plugin: &str,
        by: &str,
    ) -> Result<Vec<Approval>, RulesError> {
        if !bindings.iter().any(|binding| binding.plugin == plugin) {
            return Ok(Vec::new());
        }
        self.0.approve(configuration, bindings, plugin, by)
    }

    /// Forgets that a configuration uses plugins; what was granted to it stays granted.
    pub fn release(&self, configuration: &str) {
        let mut state = self.0.state();
        state.bound.remove(configuration);
        state.chains.remove(configuration);
        state.note_states(&self.0.gate);
    }

    /// Waits a while for the plugins that are at the gate: for a command that ends with what it has found out.
    pub fn settle(&self) {
        let names = self.0.state().files.keys().cloned().collect::<Vec<_>>();
        self.0.pass(&names);
    }

    /// The state of every plugin that is there or in use, by name, as far as it is known now: nothing is waited for.
    pub fn status(&self) -> Vec<PluginStatus> {
        let names = self.0.state().files.keys().cloned().collect::<Vec<_>>();
        for name in &names {
            // Whoever has not been at the gate yet is sent there.
            let _ = self.0.enter_present(name);
        }
        let mut state = self.0.state();
        state.note_states(&self.0.gate);
        state.statuses(&self.0.gate)
    }

    /// Examines a plugin by its name, or a file by its path, as the gate does; with a configuration, also what it asks for.
    ///
    /// # Errors
    /// When it is not there or does not pass.
    pub fn inspect(&self, what: &str, config: Option<&Json>) -> Result<Inspection, RulesError> {
        let path = Path::new(what);
        let is_path = path.extension().is_some_and(|ending| ending == "wasm") || what.contains('/');
        let (name, loaded) = if is_path {
            let name = folder::plugin_name(path).unwrap_or_else(|| what.to_owned());
            let bytes = self.0.read_component(&name, path)?;
            let hash = Hash::of(&bytes);
            let passed = self.0.gate.enter(&name, hash, &bytes.into()).wait();
            (name.clone(), passed.map_err(|reason| plugin_error(&name, Some(hash), reason))?)
        } else {
            let hash = self.0.state().files.get(what).and_then(|found| found.content.hash());
            let present = self.0.enter_present(what).ok_or_else(|| self.0.no_such_plugin(what))?;
            (
                what.to_owned(),
                present.and_then(|passing| passing.wait()).map_err(|reason| plugin_error(what, hash, reason))?,
            )
        };
        let configured =
            config.map(|config| Configured::new(&self.0.ticking, &loaded, config, self.0.gate.limits(&name)));
        let configured = configured.transpose().map_err(|reason| plugin_error(&name, Some(loaded.hash), reason))?;
        let (contracts, summary) = configured.map(|configured| (configured.contracts, configured.summary)).unzip();
        Ok(Inspection {
            name,
            version: loaded.version.clone(),
            hash: loaded.hash.to_string(),
            octets: loaded.bytes.len(),
            kinds: loaded.kinds.clone(),
            imports: loaded.imports.clone(),
            annotations: loaded.annotations.clone(),
            schema: loaded.schema.document.clone(),
            cases: loaded.cases,
            contracts,
            summary: summary.flatten(),
        })
    }

    /// The chain that a configuration would have with another component for one of its plugins. Nothing is granted, kept
    /// or told by the status; where the component asks for more than was granted, the chain warns.
    ///
    /// # Errors
    /// As [`Self::bind`]; the component itself has none before it to stand in.
    pub fn chain_with(
        &self,
        configuration: &str,
        bindings: &[Binding],
        replace: (&str, Vec<u8>),
    ) -> Result<Candidate, RulesError> {
        let (name, bytes) = replace;
        if !bindings.iter().any(|binding| binding.plugin == name) {
            let used: Vec<&str> = bindings.iter().map(|binding| binding.plugin.as_str()).collect();
            let reason = format!(
                "it has no plugin \"{name}\" to be replaced. It uses {}; which of them a file is for, its name says",
                used.join(", ")
            );
            return Err(RulesError::Chain { configuration: configuration.to_owned(), reason });
        }
        let limits = self.0.gate.limits(name);
        if bytes.len() as u64 > limits.component_octets {
            let reason = format!("it has {} octets, more than the {} allowed", bytes.len(), limits.component_octets);
            return Err(plugin_error(name, None, reason));
        }
        let hash = Hash::of(&bytes);
        let replacement = self.0.gate.enter(name, hash, &bytes.into()).wait();
        let replacement = replacement.map_err(|reason| plugin_error(name, Some(hash), reason))?;
        let _work = self.0.working();
        let permits = self.0.permits(configuration);
        let granted = self.0.granted(configuration, &permits)?;
        let (mut parts, mut warnings) = (Vec::with_capacity(bindings.len()), Vec::new());
        let (mut more, mut waits) = (Vec::new(), None);
        for (place, binding) in bindings.iter().enumerate() {
            let occurrence = bindings.iter().take(place).filter(|earlier| earlier.plugin == binding.plugin).count();
            let grant = grant_of(&granted, &binding.plugin, occurrence);
            let configured = if binding.plugin == name {
                let configured = Configured::new(&self.0.ticking, &replacement, &binding.config, limits);
                let configured = configured.map_err(|reason| plugin_error(name, Some(hash), reason))?;
                if let Some(objection) = permits.objection(binding, occurrence, grant, &configured) {
                    let words = asks_for_more(&objection.more);
                    warnings.extend((!objection.more.is_empty()).then(|| format!("{name} {words}")));
                    more.extend(objection.more.into_iter().filter(|word| !more.contains(word)).collect::<Vec<_>>());
                    waits = waits.or(Some(objection.reason));
                }
                configured
            } else {
                self.0.meet((configuration, occurrence), binding, grant, &permits)?.configured
            };
            parts.push((binding.plugin.clone(), binding.on_fault, Arc::new(configured)));
        }
        let reason = |reason| RulesError::Chain { configuration: configuration.to_owned(), reason };
        let mut chain = Chain::new(parts, Arc::clone(&self.0.ticking)).map_err(reason)?;
        chain.add_warnings(warnings);
        Ok(Candidate { chain: Arc::new(chain), more, waits })
    }
}

impl std::fmt::Debug for RulesHost {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("RulesHost").field("folder", &self.0.options.plugins_folder).finish_non_exhaustive()
    }
}

impl Inner {
    /// When another version of a bound plugin is taken.
    pub(crate) fn updates(&self) -> &Updates {
        &self.options.updates
    }

    pub(crate) fn working(&self) -> MutexGuard<'_, ()> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same once these plugins, as they are in the folder by then, have passed the gate or were waited for long enough:
    /// those that were replaced together are bound together, not one of them while the other is still being compiled.
    fn working_on_what_passed(&self, plugins: &[String]) -> MutexGuard<'_, ()> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.pass_until(plugins, until);
            let work = self.working();
            // Meanwhile a scan may have found others.
            let is_at_the_gate = |name: &String| {
                self.enter_present(name).and_then(Result::ok).is_some_and(|passing| passing.verdict().is_none())
            };
            if Instant::now() >= until || !plugins.iter().any(is_at_the_gate) {
                return work;
            }
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the lock file is another one than it was.
    fn lock_has_changed(&self) -> bool {
        let Updates::Locked(file) = self.updates() else { return false };
        let content = Lock(file).content();
        std::mem::replace(&mut self.state().lock, content) != content
    }

    /// Reads the folder and gives the names of the plugins that are other ones now, came or went.
    fn read_folder(&self) -> Result<Vec<String>, RulesError> {
        let before = self.state().files.clone();
        let options = &self.options;
        let files = folder::read(
            &options.plugins_folder,
            options.embedded,
            |name| options.limits.of(name).component_octets,
            &before,
        )?;
        let same = |name: &String| match (before.get(name), files.get(name)) {
            (Some(one), Some(other)) => one.content.hash() == other.content.hash() && one.path == other.path,
            _ => false,
        };
        let mut changed: Vec<String> = files.keys().filter(|name| !same(name)).cloned().collect();
        changed.extend(before.keys().filter(|name| !files.contains_key(*name)).cloned());
        self.state().files = files;
        Ok(changed)
    }

    /// Sends the plugin of this name, as it is in the folder, to the gate; none where there is no such file.
    pub(crate) fn enter_present(&self, name: &str) -> Option<Result<Arc<Passing>, String>> {
        let content = self.state().files.get(name)?.content.clone();
        Some(match content {
            Content::Bytes(hash, bytes) => Ok(self.gate.enter(name, hash, &bytes)),
            Content::Unusable(reason) => Err(reason),
        })
    }

    /// Has these plugins pass the gate, side by side, and waits for them for a while. Nothing is locked meanwhile: who
    /// takes long holds nobody else up.
    fn pass(&self, names: &[String]) {
        self.pass_until(names, Instant::now() + PATIENCE);
    }

    fn pass_until(&self, names: &[String], until: Instant) {
        let entered: Vec<Arc<Passing>> =
            names.iter().filter_map(|name| self.enter_present(name)).filter_map(Result::ok).collect();
        for passing in entered {
            passing.wait_until(until);
            let mut state = self.state();
            if passing.verdict().is_none() && !state.late.iter().any(|late| Arc::ptr_eq(late, &passing)) {
                state.late.push(passing);
            }
        }
    }

    /// Whether the plugin of this name comes from the folder, rather than with the program.
    pub(crate) fn is_from_file(&self, name: &str) -> bool {
        self.state().files.get(name).is_some_and(|found| found.path.is_some())
    }

    fn chain(
        &self,
        configuration: &str,
        parts: Vec<(String, crate::OnFault, Arc<Configured>)>,
    ) -> Result<Arc<Chain>, RulesError> {
        let reason = |reason| RulesError::Chain { configuration: configuration.to_owned(), reason };
        Chain::new(parts, Arc::clone(&self.ticking)).map(Arc::new).map_err(reason)
    }

    fn read_component(&self, name: &str, path: &Path) -> Result<Vec<u8>, RulesError> {
        let failed = |source| RulesError::File { action: "read", path: path.to_path_buf(), source };
        let (file, octets) = open_regular(path).map_err(failed)?;
        let most = self.gate.limits(name).component_octets;
        if octets > most {
            return Err(plugin_error(
                name,
                None,
                format!("it has {octets} octets, more than the {most} that are allowed"),
            ));
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    pub(crate) fn no_such_plugin(&self, name: &str) -> RulesError {
        let known: Vec<String> = self.state().files.keys().cloned().collect();
        RulesError::NoSuchPlugin {
            plugin: name.to_owned(),
            folder: self.options.plugins_folder.clone(),
            known: if known.is_empty() {
                "there are none".to_owned()
            } else {
                format!("there are: {}", known.join(", "))
            },
        }
    }
}

/// Says which components of a configuration are others than before, and what they may do more and less.
fn report_replacements(configuration: &str, before: &[Grant], now: &[Grant], bound: &[Bound]) {
    for (grant, bound) in now.iter().zip(bound) {
        let earlier = before.iter().find(|earlier| earlier.is_of(grant));
        let Some(earlier) = earlier.filter(|earlier| earlier.component != grant.component) else { continue };
        let (plugin, version) = (&grant.plugin, &bound.active.version);
        let (hash, was) = (grant.component.short(), earlier.component.short());
        let more = grant.contracts.beyond(&earlier.contracts).join(", ");
        let less = earlier.contracts.beyond(&grant.contracts).join(", ");
        tracing::info!(configuration, plugin, version, hash, was, more, less, "a rule uses another file of its plugin");
    }
}

/// Says what the rules of a configuration do, once for the same rules.
fn report_summaries(configuration: &str, rules: &[Bound]) {
    for rule in rules {
        if let Some(summary) = &rule.summary {
            tracing::info!(configuration, plugin = rule.plugin, "{summary}");
        }
    }
}

pub(crate) fn plugin_error(plugin: &str, hash: Option<Hash>, reason: String) -> RulesError {
    let version = hash.map_or_else(String::new, |hash| format!(" ({})", hash.short()));
    RulesError::Plugin { plugin: plugin.to_owned(), version, reason }
}
