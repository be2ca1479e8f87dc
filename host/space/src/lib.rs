//! The connector space of one configuration: entries as last read, their links, what was exported, and what is under
//! way, in one SQLite file. Calls block; they belong on a thread that may wait.

mod answers;
mod carrying;
mod cycles;
mod entries;
mod error;
mod filling;
mod imports;
mod intents;
mod links;
mod log;
mod lookups;
mod meta;
mod migrations;
mod page;
mod plan;
mod plan_order;
mod reader;
mod references;
mod remote;
mod rows;
mod scope_groups;
mod scope_units;
mod settling;
mod space;
mod unique;
mod value_names;

pub use carrying::{CarriedOut, EntryHead, Leftovers};
pub use cycles::{CycleNumber, CycleRecord};
pub use entries::{EntryKey, StoredEntry};
pub use error::{Shortage, SpaceError};
pub use imports::{ImportEnd, PageCounts};
pub use intents::{EscrowRecord, Retry, Sent};
pub use links::{Link, LinkState};
pub use log::{LogFilter, LogRow, Retention};
pub use lookups::NotIndexed;
pub use meta::MetaKey;
pub use page::{Page, Preparation};
pub use plan::{PlanPlace, PlanRow, PlanState, Planned, PlannedBody};
pub use reader::{EntryPage, LinkView, Reader, StoredView};
pub use references::{ReferenceStanding, ReferenceTarget, Waiting};
pub use remote::RemoteRow;
pub use space::{Space, SpaceCounts};
pub use value_names::ValueReference;
