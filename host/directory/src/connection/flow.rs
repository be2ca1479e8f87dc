//! What the two ends of a connection know of each other: which requests are open, what has come for them that nobody
//! has read yet, and why it all ended.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::fault::{End, Fault};
use super::grammar::{Kind, Message, Request};

/// How many octets are kept before somebody reads them. The server is held back then, unless somebody waits for
/// an answer that must lie behind.
const UNREAD: usize = 4 * 1024 * 1024;
/// How many octets are kept to reach such an answer.
const UNREAD_AT_MOST: usize = 256 * 1024 * 1024;
/// How much is taken at once by whoever reads.
const TAKEN_MESSAGES: usize = 128;
const TAKEN_OCTETS: usize = 256 * 1024;
/// The name of the notice of disconnection (RFC 4511, section 4.4.1).
const NOTICE_OF_DISCONNECTION: &str = "1.3.6.1.4.1.1466.20036";

/// What is to be done with a message of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The LDAP library is to have it.
    Pass,
    /// It lies ready for whoever reads its search.
    Kept,
    /// Nobody wants it any more.
    Drop,
}

/// What there is of a search.
#[derive(Debug)]
pub(crate) enum Taken {
    /// These messages.
    Messages,
    /// Nothing yet.
    Nothing,
    /// Nothing any more: the library has how it ended.
    Done,
    /// Nothing any more: the connection has ended.
    Ended(End),
}

/// Shared by the relay and whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    state: Mutex<State>,
    /// Told when something was read, is waited for, or was given up.
    moved: Notify,
    /// Told when something has come, or nothing will come any more.
    came: Notify,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<i32, Open>,
    /// The highest number of a request of ours so far; they are numbered upwards.
    asked: i32,
    /// What was said of searches of which the relay has not seen the request yet.
    early: HashMap<i32, Search>,
    /// Octets kept that nobody has read.
    unread: usize,
    /// How many wait for an answer of which nothing has come.
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
    /// The messages that came and were not read. They never reach the library, which would take them apart into many
    /// small pieces, twice.
    unread: VecDeque<Box<[u8]>>,
    /// Somebody waits, and nothing of it has come.
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
        // Who waits for what had not been sent yet is counted from now on.
        self.announce();
    }

    /// Decides what becomes of a message, and keeps it where a search has found it; `octets` are the whole of it.
    ///
    /// # Errors
    /// Where it answers nothing that was asked, or ends the connection.
    pub fn judge(&self, message: &Message<'_>, octets: &[u8]) -> Result<Verdict, End> {
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
                        search.unread.push_back(octets.into());
                        state.unread += octets.len();
                        Verdict::Kept
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

    /// Takes the next messages of a search, some at once; where there are none yet, it is waited for.
    pub fn take(&self, id: i32, messages: &mut VecDeque<Box<[u8]>>) -> Taken {
        let mut state = self.state();
        let state = &mut *state;
        let Some(Open::Search(search)) = state.open.get_mut(&id) else {
            if id > state.asked {
                state.early.entry(id).or_default().starved = true;
            }
            return state.end.clone().map_or(Taken::Nothing, Taken::Ended);
        };
        let mut octets = 0;
        while octets < TAKEN_OCTETS && messages.len() < TAKEN_MESSAGES {
            let Some(message) = search.unread.pop_front() else { break };
            octets += message.len();
            messages.push_back(message);
        }
        state.unread -= octets;
        let taken = match &state.end {
            _ if octets > 0 => Taken::Messages,
            _ if search.done => Taken::Done,
            Some(end) => Taken::Ended(end.clone()),
            None => {
                if !search.starved {
                    search.starved = true;
                    state.starved += 1;
                }
                Taken::Nothing
            }
        };
        self.moved.notify_waiters();
        taken
    }

    /// Waits until there is something to take of a search, and takes it.
    pub async fn next(&self, id: i32, messages: &mut VecDeque<Box<[u8]>>) -> Taken {
        loop {
            let mut came = std::pin::pin!(self.came.notified());
            came.as_mut().enable();
            match self.take(id, messages) {
                Taken::Nothing => came.await,
                taken => return taken,
            }
        }
    }

    /// Says that messages were kept, or that a search is over.
    pub fn announce(&self) {
        self.came.notify_waiters();
    }

    /// Says that nobody reads a search any more.
    pub fn give_up(&self, id: i32) {
        self.state().give_up(id);
        self.moved.notify_waiters();
    }

    /// Says why the connection ended. The first reason is the one that counts.
    pub fn end(&self, end: End) {
        self.state().end.get_or_insert(end);
        self.announce();
    }

    /// Why the connection ended, if it has.
    pub fn ended(&self) -> Option<End> {
        self.state().end.clone()
    }

    /// Octets kept that nobody has read.
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
                self.unread -= search.unread.drain(..).map(|message| message.len()).sum::<usize>();
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
