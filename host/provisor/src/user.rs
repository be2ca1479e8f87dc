//! Who uses the program: names of the users of this machine.

use nix::unistd::{Uid, User};

/// What the machine calls a user.
pub fn name(user: Uid) -> String {
    match User::from_uid(user) {
        Ok(Some(known)) => known.name,
        _ => format!("user {user}"),
    }
}
