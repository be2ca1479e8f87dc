//! What the options of all sources have in common.

use provisor_model::{AttributeName, ObjectClasses};

/// How entries are identified and classified, for every kind of source.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// Which `objectClass` values make an entry a user, a group or another class.
    pub object_classes: ObjectClasses,
    /// What the change feed calls an entry: `entryUUID` (RFC 4530), or for files another attribute that never changes.
    pub source_id_attribute: AttributeName,
    /// What identifies an entry to the target; none, and an entry without a value: the source id.
    pub anchor_attribute: Option<AttributeName>,
}

impl Default for SourceOptions {
    fn default() -> Self {
        Self {
            object_classes: ObjectClasses::default(),
            source_id_attribute: AttributeName::from(ENTRY_UUID),
            anchor_attribute: None,
        }
    }
}

impl SourceOptions {
    /// All of them as one text, to notice when they change.
    pub(crate) fn to_text(&self) -> String {
        let all = (&self.object_classes, &self.source_id_attribute, &self.anchor_attribute);
        // Names and words: there is nothing in them that JSON could refuse.
        serde_json::to_string(&all).unwrap_or_default()
    }
}

/// The attribute that names an entry for ever (RFC 4530).
pub(crate) const ENTRY_UUID: &str = "entryUUID";
