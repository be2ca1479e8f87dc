//! The pipeline and its safety: import, scope, match, map, plan, export; previews, and one object on demand.

mod clock;
mod configuration;
mod context;
mod decide;
mod destination;
mod effective;
mod error;
mod evaluate;
mod export;
mod finalise;
mod foreign;
mod foresight;
mod hygiene;
mod import;
mod inspect;
mod live;
mod matching;
mod misfits;
mod neighbours;
mod ownership;
mod pipeline;
mod plugin_preview;
mod preview;
mod provision;
mod purity;
mod reads;
mod record;
mod report;
mod request;
mod resolve;
mod safety;
mod scope;
mod settle;
mod store;
mod watch;

pub use configuration::{
    ActiveDirectorySource, Configuration, ConfigurationError, HeaderSetting, HeaderText, HostSettings, Identity,
    LdapConnection, LdifSource, Leaving, LogFormat, LogLevel, Logging, Mode, NestedGroups, OpenLdapSource, Retention,
    Safety, Scope, SecretSource, Signing, Source, TargetSettings, Threshold,
};
pub use error::{ExitClass, SyncError};
pub use hygiene::{Finding, FindingCount, FindingKind, HygieneReport, HygieneRequest, RuleSet};
pub use live::LiveSource;
pub use pipeline::{CycleRequest, Pipeline, PipelineOptions};
pub use preview::PreviewRequest;
pub use provisor_space::LogFilter;
pub use report::{
    ConfigurationStatus, CycleKind, CycleOutcome, CycleReport, EntryDifference, EscrowedObject, Follows, ImportCounts,
    LogRecord, LogStep, ObjectFailure, PlannedOperation, PluginPreview, PreviewReport, ProvisionReport, ProvisionStep,
    RequestTally, RuleStatus, ShownChange,
};
pub use watch::{CycleWatch, Progress, Step};
