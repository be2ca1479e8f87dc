//! The nouns of Provisor: entries, values, distinguished names, resources, drafts and changes. No I/O, no async.

mod attribute;
mod change;
mod check;
mod dn;
mod draft;
mod entry;
mod gathered;
mod id;
mod import;
mod matching;
mod naming;
mod operation;
mod resource;
mod schema;
mod secret;
mod target_path;
mod text;
mod view;

pub use attribute::{AttributeName, Attributes, Value};
pub use change::{AttributeChange, Change, attribute_changes};
pub use check::{CheckLine, CheckOutcome};
pub use dn::{Dn, DnError, DnKey, Rdn};
pub use draft::{Draft, DraftAttribute, DraftAttributes, DraftNames, DraftValue, Reason};
pub use entry::{Entry, ObjectClasses};
pub use gathered::{Gathered, KeptAttributes, KeptEntry, KeptError};
pub use id::{Anchor, IdError, IdSyntax, SourceId};
pub use import::{EntryChange, ImportItem, ValueChange};
pub use matching::MatchingRule;
pub use operation::{LeavingAction, OperationKind};
pub use resource::{Plain, Resource, ResourceId, Row, TargetValue};
pub use schema::{AttributeSyntax, Schema};
pub use secret::Secret;
pub use target_path::{PathError, TargetPath, ValueFilter};
pub use text::fold_case;
pub use view::{AttributeLanes, AttributesView, DnView, EntryView, ValueView};
