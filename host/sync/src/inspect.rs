//! Looking at a configuration: its checks, its status and its provisioning log.

use std::collections::BTreeSet;

use provisor_directory::{Directory, ObjectQuery, SourceAttributes};
use provisor_model::CheckLine;
use provisor_rules::Chain;
use provisor_space::{LogFilter, MetaKey, Space};
use provisor_target::ScimTarget;

use crate::configuration::Source;
use crate::import::unknown_anchor;
use crate::reads::{reads, unknown};
use crate::report::{ConfigurationStatus, CycleReport, EscrowedObject, LogRecord, RuleStatus};
use crate::{Pipeline, SyncError};

impl Pipeline {
    /// Looks at everything a cycle depends on, and says what it found, one line for each thing.
    pub async fn check(&mut self) -> Vec<CheckLine> {
        let mut lines = Vec::new();
        let chain = match self.bind().await {
            Ok(chain) => {
                let names: Vec<String> =
                    chain.plugins().into_iter().map(|plugin| format!("{} {}", plugin.name, plugin.version)).collect();
                lines.push(CheckLine::ok("rules", names.join(", ")));
                lines.extend(chain.warnings().iter().map(|warning| CheckLine::warning("rules", warning)));
                Some(chain)
            }
            Err(error) => {
                lines.push(CheckLine::failed("rules", error.to_string()));
                None
            }
        };
        match self.configuration.directory() {
            Err(error) => lines.push(CheckLine::failed("source", error.to_string())),
            Ok(directory) => lines.extend(self.check_source(&directory, chain.as_deref()).await),
        }
        match self.configuration.target_options() {
            Err(error) => lines.push(CheckLine::failed("target", error.to_string())),
            Ok(options) => {
                let found = ScimTarget::check(options).await;
                let reachable = found.iter().all(|line| !line.is_failure());
                lines.extend(prefixed("target", found));
                if let Some(chain) = chain.filter(|_| reachable) {
                    lines.push(match self.target(&chain).await {
                        Ok(_) => {
                            CheckLine::ok("target attributes", "the target has every attribute that the rules set")
                        }
                        Err(error) => CheckLine::failed("target attributes", error.to_string()),
                    });
                }
            }
        }
        lines
    }

    /// Looks at the source, and at what scope and rules want of it.
    async fn check_source(&self, directory: &Directory, chain: Option<&Chain>) -> Vec<CheckLine> {
        let found = directory.check().await;
        let usable = found.iter().all(|line| !line.is_failure());
        let mut lines = prefixed("source", found);
        if !usable {
            // Whoever looked further would be refused for the same reason, and a password that is refused often enough
            // locks the account.
            if !self.configuration.scope.is_all() {
                lines.push(CheckLine::warning("scope", "not looked at, because the source could not be used"));
            }
            return lines;
        }
        lines.extend(self.check_units(directory).await);
        if let Some(chain) = chain
            && let Ok(known) = directory.attributes().await
        {
            lines.extend(self.check_attributes(chain, &known));
            lines.extend(self.check_anchor(&known));
        }
        lines
    }

    /// Says so where the source does not have what entries are to be known by at the target.
    fn check_anchor(&self, known: &SourceAttributes) -> Option<CheckLine> {
        let anchor = unknown_anchor(&self.configuration.source, &known.schema)?;
        let file = self.configuration.file.display();
        let reason = format!(
            "{file}: source.anchor is \"{anchor}\", which the directory's schema does not have. Correct the name"
        );
        Some(CheckLine::failed("anchor", reason))
    }

    /// Whether the source has, and may be asked for, what the rules read.
    fn check_attributes(&self, chain: &Chain, known: &SourceAttributes) -> Vec<CheckLine> {
        let asked = reads(&self.configuration, chain, &known.schema).attributes;
        let file = self.configuration.file.display();
        let refused = asked.iter().filter_map(|attribute| known.refusal(attribute));
        let mut lines: Vec<CheckLine> =
            refused.map(|error| CheckLine::failed("attributes", format!("{file}: {error}"))).collect();
        let unknown: Vec<String> =
            unknown(&self.configuration, chain, &known.schema).iter().map(ToString::to_string).collect();
        match (unknown.is_empty(), &self.configuration.source) {
            (true, _) if !lines.is_empty() => {}
            (true, _) => {
                lines.push(CheckLine::ok("attributes", "the source knows every attribute that the rules read"));
            }
            (false, Source::Ldif(_)) => lines.push(CheckLine::warning(
                "attributes",
                format!("not in the standard schemas: {}. Check that the file has them", unknown.join(", ")),
            )),
            (false, _) => lines.push(CheckLine::failed(
                "attributes",
                format!(
                    "the directory's schema does not have {}. Correct the names in the rules' config",
                    unknown.join(", ")
                ),
            )),
        }
        lines
    }

    /// Whether the organisational units and groups of the scope are in the source.
    async fn check_units(&self, directory: &Directory) -> Vec<CheckLine> {
        let mut lines = Vec::new();
        let imported = self.store.with(|space| Ok(space.fact(MetaKey::Reads)?.is_some())).await;
        let (known, imported) = match (self.known().await, imported) {
            (Ok(known), Ok(imported)) => (known, imported),
            (Err(error), _) | (_, Err(error)) => return vec![CheckLine::failed("scope", error.to_string())],
        };
        let scope = &self.configuration.scope;
        for unit in scope.organizational_units.iter().chain(&scope.groups) {
            let found = directory.read_object(ObjectQuery::Dn(unit.clone()), &BTreeSet::new(), known.as_ref()).await;
            let what = "scope";
            // Where one could not be asked for, the next would meet the same.
            let failed = found.is_err();
            lines.push(match found {
                Ok(found) if !found.is_empty() => CheckLine::ok(what, format!("{unit} is there")),
                Ok(_) if imported => {
                    let advice = "is not in the source by this name. Where it was renamed since the first cycle, it is followed; \
                                  else correct the name, or the account's right to read it";
                    CheckLine::warning(what, format!("{unit} {advice}"))
                }
                Ok(_) => {
                    let advice = "is not in the source, and no cycle goes on without it. Correct the name, or the account's right \
                                  to read it";
                    CheckLine::failed(what, format!("{unit} {advice}"))
                }
                Err(error) => CheckLine::failed(what, error.to_string()),
            });
            if failed {
                break;
            }
        }
        lines
    }

    /// How the configuration stands.
    ///
    /// # Errors
    /// When the space fails.
    pub async fn status(&mut self) -> Result<ConfigurationStatus, SyncError> {
        let rules = match self.bind().await {
            Ok(chain) => chain
                .plugins()
                .into_iter()
                .map(|plugin| RuleStatus { plugin: plugin.name, version: plugin.version, hash: plugin.hash })
                .collect(),
            Err(_) => Vec::new(),
        };
        let (name, mode) = (self.name().to_owned(), self.configuration.mode.as_str().to_owned());
        self.store
            .with(move |space| {
                let counts = space.counts()?;
                let last = space.last_cycle()?.and_then(|cycle| cycle.report);
                let error = space.fact(MetaKey::LastError)?.map(|words| String::from_utf8_lossy(&words).into_owned());
                Ok(ConfigurationStatus {
                    configuration: name,
                    mode,
                    entries: counts.entries,
                    links: counts.links,
                    escrow: counts.escrow,
                    escrowed: escrowed(space)?,
                    pending: counts.dirty + counts.planned,
                    waiting_references: counts.waiting,
                    imported: space.fact(MetaKey::Reads)?.is_some(),
                    last_cycle: last.and_then(|report| serde_json::from_str::<CycleReport>(&report).ok()),
                    last_error: error,
                    store_octets: counts.octets,
                    rules,
                })
            })
            .await
    }

    /// Records of the provisioning log, the newest first.
    ///
    /// # Errors
    /// When the space fails.
    pub async fn log(&mut self, filter: LogFilter) -> Result<Vec<LogRecord>, SyncError> {
        self.store
            .with(move |space| {
                let rows = space.log_rows(&filter)?;
                let records = rows.into_iter().map(|row| {
                    let mut record: LogRecord =
                        serde_json::from_str(&row.record).map_err(provisor_space::SpaceError::from)?;
                    record.id = row.id;
                    Ok(record)
                });
                records.collect()
            })
            .await
    }
}

/// How many objects that are put aside a status names.
const NAMED: usize = 20;

fn escrowed(space: &Space) -> Result<Vec<EscrowedObject>, SyncError> {
    let records = space.escrow_records(NAMED)?.into_iter().map(|(dn, id, record)| EscrowedObject {
        dn,
        id: id.to_string(),
        error: record.error,
        since: record.since,
        attempts: record.attempts,
        next: record.next,
    });
    Ok(records.collect())
}

/// The lines of one side, named after it.
fn prefixed(side: &str, lines: Vec<CheckLine>) -> Vec<CheckLine> {
    lines.into_iter().map(|line| CheckLine { what: format!("{side}: {}", line.what), outcome: line.outcome }).collect()
}
