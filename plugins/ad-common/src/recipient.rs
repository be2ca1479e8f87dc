//! What Exchange keeps for itself: mailboxes and groups that are nobody's.

use provisor_sdk::prelude::*;

/// A mailbox of an account in another forest.
const LINKED_MAILBOX: i64 = 0x2;
/// Public folder, system attendant and system mailboxes, Exchange's own, arbitration and discovery mailboxes, mailbox
/// plans.
const SYSTEM_MAILBOXES: i64 = 0x21C0_7000;
/// Groups of Exchange's role-based access control.
const ROLE_GROUP: i64 = 0x4000_0000;

/// What sort of recipient Exchange says that an entry is.
pub struct Recipient(Integer);

impl Recipient {
    /// Reads msExchRecipientTypeDetails, which only a directory with Exchange has.
    pub fn read(contract: &mut MappingContract) -> Self {
        Self(contract.integer("msExchRecipientTypeDetails"))
    }

    /// Lets pass who is no linked mailbox and none of the system's.
    ///
    /// # Errors
    /// Which of them it is.
    pub fn check_mailbox(&self, entry: &Entry) -> Result<(), Refusal> {
        match entry.integer(self.0) {
            Some(LINKED_MAILBOX) => {
                Err(exclude("linked-mailbox", "it is a linked mailbox: the account that signs in is in another forest"))
            }
            Some(details) if details & SYSTEM_MAILBOXES != 0 => {
                Err(exclude("system-mailbox", "it is a mailbox that Exchange keeps for itself"))
            }
            _ => Ok(()),
        }
    }

    /// Lets pass groups that are not Exchange's own.
    ///
    /// # Errors
    /// It is a role group.
    pub fn check_group(&self, entry: &Entry) -> Result<(), Refusal> {
        match entry.integer(self.0) {
            Some(details) if details & ROLE_GROUP != 0 => Err(exclude("role-group", "it is a role group of Exchange")),
            _ => Ok(()),
        }
    }
}
