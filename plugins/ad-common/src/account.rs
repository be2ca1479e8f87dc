//! The flags of an account.

use provisor_sdk::prelude::*;

/// An account's flags, by Microsoft's names.
pub struct AccountControl(Texts);

impl AccountControl {
    /// Reads userAccountControl.
    pub fn read(contract: &mut MappingContract) -> Self {
        Self(contract.texts("userAccountControl;flags"))
    }

    /// Whether the account may be used.
    ///
    /// # Errors
    /// It has no flags at all. Every account has some, so they were not to be read, and to say that a disabled account
    /// may be used would be the worst answer.
    pub fn is_enabled(&self, entry: &Entry) -> Result<bool, Refusal> {
        if !entry.has(self.0) {
            let text =
                "userAccountControl cannot be read: give the account that Provisor binds with the right to read it";
            return Err(fail("no-account-control", text));
        }
        Ok(!self.has(entry, "ACCOUNTDISABLE"))
    }

    /// Whether a flag is set.
    fn has(&self, entry: &Entry, flag: &str) -> bool {
        entry.texts(self.0).any(|set| set.eq_ignore_ascii_case(flag))
    }
}
