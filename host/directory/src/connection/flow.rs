//! What the two ends of a connection know of each other: which requests are open, how much has been passed on that
//! nobody has read yet, and why it all ended.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::fault::{End, Fault};
use super::grammar::{Kind, Message, Request};

/// How many octets are passed on before somebody reads them. The server is held back then, unless somebody waits for
/// an answer that must lie behind.
const UNREAD: usize = 4 * 1024 * 1024;
/// How many octets are passed on to reach such an answer.
const UNREAD_AT_MOST: usize = 256 * 1024 * 1024;
/// The name of the notice of disconnection (RFC 4511, section 4.4.1).
const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// What is to be done with a message of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    /// Nobody wants it any more.
    Drop,
}

/// Shared by the relay and whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    state: Mutex<State>,
    /// Told when something was read, is waited for, or was given up.
    moved: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<i32, Open>,
    /// The highest number of a request of ours so far; they are numbered upwards.
    asked: i32,
    /// What was said of searches of which the relay has not seen the request yet.
    early: HashMap<i32, Search>,
    /// Octets passed on that nobody has read.
    unread: usize,
    /// How many wait for an answer of which nothing has been passed on.
    starved: usize,
    end: Option<End>,
}

/// A request whose answer is not complete, or not read to its end.
#[derive(Debug)]
enum Open {
    /// A bind or an extended operation, for which somebody waits.
    Single {
        answer: Kind,
        name: &'static str,
    },
    Search(Search),
}

#[derive(Debug, Default)]
struct Search {
    /// It was asked for a synchronisation.
    synchronises: bool,
    /// The lengths of the messages that were passed on, and not read.
    unread: VecDeque<usize>,
    /// Somebody waits, and nothing of it has been passed on.
    starved: bool,
    /// The server has said that it is over.
    done: bool,
    /// Nobody reads it any more.
    given_up: bool,
}

impl Flow {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request of ours.
    pub fn ask(&self, request: &Request<'_>) {
        let Request { id, operation, synchronises } = *request;
        let mut state = self.state();
        match operation.tag {
            0x60 => state.open_single(id, Kind::BindResponse, "bind"),
            0x77 => state.open_single(id, Kind::ExtendedResponse, "extended operation"),
            0x63 => state.open_search(id, synchronises),
            _ => {}
        }
        state.asked = state.asked.max(id);
        self.moved.notify_waiters();
    }

    /// Decides what becomes of a message.
    ///
    /// # Errors
    /// Where it answers nothing that was asked, or ends the connection.
    pub fn judge(&self, message: &Message<'_>, length: usize) -> Result<Verdict, End> {
        let Message { id, kind, outcome, .. } = message;
        let mut state = self.state();
        let state = &mut *state;
        if *id == 0 {
            return match outcome {
                Some(outcome) if *kind == Kind::ExtendedResponse => match outcome.name {
                    Some(NOTICE_OF_DISCONNECTION) => {
                        Err(End::Notice { code: outcome.code, text: outcome.text.to_owned() })
                    }
                    // Notifications that are not known are to be ignored (section 4.4).
                    _ => Ok(Verdict::Drop),
                },
                _ => Err(Fault::Unasked(kind.name()).into()),
            };
        }
        let verdict = match state.open.get_mut(id) {
            None => return Err(Fault::Unasked(kind.name()).into()),
            Some(Open::Single { answer, name }) => {
                if answer != kind {
                    return Err(Fault::OutOfPlace(kind.name(), name).into());
                }
                state.starved = state.starved.saturating_sub(1);
                state.open.remove(id);
                return Ok(Verdict::Pass);
            }
            Some(Open::Search(search)) => {
                if search.done {
                    return Err(Fault::Unasked(kind.name()).into());
                }
                // Intermediate messages that mean nothing here may be ignored (section 4.13). They are, so that a
                // server cannot keep a reader busy with them.
                if *kind == Kind::Intermediate && !(message.sync_info && search.synchronises) {
                    return Ok(Verdict::Drop);
                }
                if search.starved {
                    search.starved = false;
                    state.starved = state.starved.saturating_sub(1);
                }
                match kind {
                    Kind::Entry | Kind::Reference | Kind::Intermediate if search.given_up => Verdict::Drop,
                    Kind::Entry | Kind::Reference | Kind::Intermediate => {
                        search.unread.push_back(length);
                        state.unread += length;
                        Verdict::Pass
                    }
                    Kind::SearchDone => {
                        search.done = true;
                        if search.given_up { Verdict::Drop } else { Verdict::Pass }
                    }
                    Kind::BindResponse | Kind::ExtendedResponse => {
                        return Err(Fault::OutOfPlace(kind.name(), "search").into());
                    }
                }
            }
        };
        state.forget(*id);
        Ok(verdict)
    }

    /// Whether more may be passed on without a second thought.
    pub fn has_room(&self) -> bool {
        self.state().unread < UNREAD
    }

    /// Waits until more may be passed on.
    ///
    /// # Errors
    /// Where too much lies before what somebody waits for.
    pub async fn room(&self) -> Result<(), Fault> {
        loop {
            let mut moved = std::pin::pin!(self.moved.notified());
            moved.as_mut().enable();
            {
                let state = self.state();
                if state.unread < UNREAD {
                    return Ok(());
                }
                if state.starved > 0 {
                    return if state.unread < UNREAD_AT_MOST { Ok(()) } else { Err(Fault::TooMuch(UNREAD_AT_MOST)) };
                }
            }
            moved.await;
        }
    }

    /// Says that somebody waits for the next message of a search.
    pub fn wait(&self, id: i32) {
        let mut state = self.state();
        let state = &mut *state;
        match state.open.get_mut(&id) {
            Some(Open::Search(search)) if search.unread.is_empty() && !search.done && !search.starved => {
                search.starved = true;
                state.starved += 1;
            }
            None if id > state.asked => state.early.entry(id).or_default().starved = true,
            _ => {}
        }
        self.moved.notify_waiters();
    }

    /// Says that a message of a search was read.
    pub fn read(&self, id: i32) {
        let mut state = self.state();
        let state = &mut *state;
        if let Some(Open::Search(search)) = state.open.get_mut(&id)
            && let Some(length) = search.unread.pop_front()
        {
            state.unread -= length;
        }
        self.moved.notify_waiters();
    }

    /// Says that nobody reads a search any more.
    pub fn give_up(&self, id: i32) {
        self.state().give_up(id);
        self.moved.notify_waiters();
    }

    /// Says why the connection ended. The first reason is the one that counts.
    pub fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
    }

    /// Why the connection ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.state().end.clone()
    }

    /// Octets passed on that nobody has read.
    #[cfg(test)]
    pub fn unread(&self) -> usize {
        self.state().unread
    }
}

impl State {
    fn open_single(&mut self, id: i32, answer: Kind, name: &'static str) {
        self.open.insert(id, Open::Single { answer, name });
        self.starved += 1;
    }

    fn open_search(&mut self, id: i32, synchronises: bool) {
        let search = Search { synchronises, ..self.early.remove(&id).unwrap_or_default() };
        self.starved += usize::from(search.starved);
        self.open.insert(id, Open::Search(search));
    }

    fn give_up(&mut self, id: i32) {
        match self.open.get_mut(&id) {
            Some(Open::Search(search)) => {
                search.given_up = true;
                self.unread -= search.unread.drain(..).sum::<usize>();
                if std::mem::take(&mut search.starved) {
                    self.starved = self.starved.saturating_sub(1);
                }
            }
            None if id > self.asked => {
                let given_up = Search { given_up: true, ..Search::default() };
                self.early.insert(id, given_up);
            }
            _ => {}
        }
        self.forget(id);
    }

    /// Forgets a search that is over for both ends.
    fn forget(&mut self, id: i32) {
        if matches!(self.open.get(&id), Some(Open::Search(search)) if search.done && search.given_up) {
            self.open.remove(&id);
        }
    }
}
