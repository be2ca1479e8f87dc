//! The loop breaker: what a synchronisation wrote into the directory is not read back from it.

use provisor_sdk::prelude::*;

/// Recognises by adminDescription what was made from the cloud.
pub struct Origin {
    note: Text,
    prefix: String,
}

impl Origin {
    /// Reads adminDescription, which begins with this prefix where the entry was made from the cloud; an empty prefix
    /// asks for nothing.
    pub fn read(contract: &mut MappingContract, prefix: &str) -> Option<Self> {
        let prefix = prefix.trim().to_lowercase();
        (!prefix.is_empty()).then(|| Self { note: contract.text("adminDescription"), prefix })
    }

    /// Lets pass what was made in the directory.
    ///
    /// # Errors
    /// The entry was made from the cloud.
    pub fn check(&self, entry: &Entry) -> Result<(), Refusal> {
        match entry.text(self.note) {
            Some(note) if note.trim().to_lowercase().starts_with(&self.prefix) => Err(exclude(
                "made-from-cloud",
                format!("adminDescription is {:.80}: it was made from the cloud", note.trim()),
            )),
            _ => Ok(()),
        }
    }
}
