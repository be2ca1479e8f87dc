//! What goes wrong on demand: once each, with a request that the test foretells.

use std::time::Duration;

use super::answer::{Outcome, SEARCH_DONE, notice};
use super::replica::Replica;
use super::state::{RequestKind, State};

/// What goes wrong with the answer to a request.
pub enum Fault {
    /// The connection is closed after this many messages of the answer.
    HangUpAfter(usize),
    /// The connection is closed after this many octets of the answer.
    CutAfter(usize),
    /// This message of the answer, the first being 0, is not what its lengths say.
    Malformed(usize),
    /// After this many messages of the answer it ends with this result, and without controls.
    EndsWith(usize, u32),
    /// A notice of disconnection comes instead of the answer, and the connection is closed.
    Notice,
    /// Nothing comes, and the connection stays open.
    Silence,
    /// The answer comes so much later.
    Delay(Duration),
    /// The domain changes just before the answer is made.
    Change(Change),
}

/// A change of the domain that is made later.
pub type Change = Box<dyn FnOnce(&mut Replica) + Send>;

impl Fault {
    /// The domain changes just before the answer is made.
    pub fn change(change: impl FnOnce(&mut Replica) + Send + 'static) -> Self {
        Self::Change(Box::new(change))
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HangUpAfter(count) => write!(out, "HangUpAfter({count})"),
            Self::CutAfter(count) => write!(out, "CutAfter({count})"),
            Self::Malformed(at) => write!(out, "Malformed({at})"),
            Self::EndsWith(count, code) => write!(out, "EndsWith({count}, {code})"),
            Self::Notice => out.write_str("Notice"),
            Self::Silence => out.write_str("Silence"),
            Self::Delay(pause) => write!(out, "Delay({pause:?})"),
            Self::Change(_) => out.write_str("Change(..)"),
        }
    }
}

/// A fault that waits for its request.
#[derive(Debug)]
pub(super) struct Planned {
    pub kind: RequestKind,
    /// How many requests of its kind go unharmed before it.
    pub after: usize,
    pub fault: Fault,
}

impl State {
    /// The faults whose request this one is. Changes of the domain are made.
    pub fn due(&mut self, kind: RequestKind) -> Vec<Fault> {
        let mut due = Vec::new();
        for mut planned in std::mem::take(&mut self.planned) {
            if planned.kind != kind {
                self.planned.push(planned);
            } else if planned.after > 0 {
                planned.after -= 1;
                self.planned.push(planned);
            } else if let Fault::Change(change) = planned.fault {
                change(&mut self.replica);
            } else {
                due.push(planned.fault);
            }
        }
        due
    }
}

/// What becomes of an answer.
#[derive(Debug)]
pub(super) struct Harmed {
    pub octets: Vec<u8>,
    pub delay: Duration,
    pub silence: bool,
    pub hang_up: bool,
}

/// Lets faults have their way with an answer.
pub(super) fn harm(id: i64, mut messages: Vec<Vec<u8>>, faults: Vec<Fault>) -> Harmed {
    let (mut delay, mut silence, mut hang_up, mut cut) = (Duration::ZERO, false, false, usize::MAX);
    for fault in faults {
        match fault {
            Fault::HangUpAfter(count) => {
                messages.truncate(count);
                hang_up = true;
            }
            Fault::CutAfter(count) => {
                cut = count;
                hang_up = true;
            }
            Fault::Malformed(at) => messages.get_mut(at).into_iter().for_each(|message| damage(message)),
            Fault::EndsWith(count, code) => {
                let tag = messages.pop().and_then(|last| last.get(operation_at(&last)).copied()).unwrap_or(SEARCH_DONE);
                messages.truncate(count);
                messages.push(outcome(code).message(id, tag, &[]));
            }
            Fault::Notice => {
                messages =
                    vec![notice(52, "00000000: LdapErr: DSID-0C0C013C, comment: Shutting down, data 0, v4563\0")];
                hang_up = true;
            }
            Fault::Silence => silence = true,
            Fault::Delay(pause) => delay += pause,
            Fault::Change(_) => {}
        }
    }
    let mut octets = messages.concat();
    octets.truncate(cut);
    Harmed { octets, delay, silence, hang_up }
}

/// A result with this code, and what Windows says with it.
fn outcome(code: u32) -> Outcome {
    match code {
        10 => Outcome::referral("other.test", ""),
        51 => Outcome::busy(),
        _ => Outcome::new(code, ""),
    }
}

/// Where the operation begins: behind the head of the message, and its id with a length of one octet.
fn operation_at(message: &[u8]) -> usize {
    6 + 2 + usize::from(message.get(7).copied().unwrap_or(1))
}

/// Makes the operation within a message one octet longer than the message has room for.
fn damage(message: &mut [u8]) {
    // The last octet of the operation's length, behind its tag and the form of its length.
    let at = operation_at(message) + 5;
    message.get_mut(at).into_iter().for_each(|length| *length = length.wrapping_add(1));
}
