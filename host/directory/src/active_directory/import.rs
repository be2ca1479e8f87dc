//! An import from Active Directory: what changed where the watermark serves, and otherwise everything; on the next
//! controller where one breaks off.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use provisor_model::{AttributeName, SourceId};

use super::begin::{Start, vector_of, was_set_back};
use super::cookie::Vector;
use super::dirsync::DirSync;
use super::domain::Controller;
use super::entries::Entries;
use super::objects::Object;
use super::position::{Mark, Standing, Way};
use super::{ActiveDirectory, read_schema};
use crate::clock::now;
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::import::{Completion, ImportItem, ImportKind, ImportRequest};
use crate::search::paged::Paged;
use crate::watermark::{Position, fingerprint};

/// How often everything is listed where the controller tells of deletions: rights may be taken away without a word.
const LISTED_ANYWAY: u64 = 24 * 3600;

/// A running import.
pub(crate) struct ActiveDirectoryImport {
    pub(super) server: ActiveDirectory,
    /// Open as long as there is something to ask.
    connection: Option<Connection>,
    pub(super) controller: Controller,
    pub(super) url: String,
    pub(super) entries: Entries,
    attributes: BTreeSet<AttributeName>,
    fingerprint: String,
    pub(super) way: Way,
    kind: ImportKind,
    /// Where the increment began; empty for everything.
    began_at: Vec<u8>,
    pub(super) tasks: VecDeque<Task>,
    active: Option<Active>,
    /// Objects that came before the first page was asked for.
    first: Option<Vec<Object>>,
    /// Where DirSync goes on after this import.
    pub(super) cookie: Vec<u8>,
    /// From which number on changes are read; none for everything.
    pub(super) from: Option<u64>,
    /// Objects of which what came does not tell what they have become.
    pub(super) unclear: BTreeSet<SourceId>,
    /// Whether the controller has shown that it tells of deletions.
    pub(super) deletions_told: bool,
    /// When all was listed last.
    listed: u64,
    /// When all was read last.
    whole: u64,
    /// Whether all that is there has been named.
    pub(super) all_named: bool,
    standing: Option<Standing>,
    /// How often another connection may still be made.
    retries: usize,
    time: u64,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    Ended,
    /// An error, after which nothing may follow.
    Broken,
}

/// One thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Task {
    /// Everything, whole, page by page.
    Everything,
    /// What was changed, whole, and what was deleted, by change numbers.
    Numbered,
    Tombstones,
    /// The GUIDs and names of all that is there.
    List,
    /// What DirSync tells by now.
    Changes,
    /// What has to be read whole.
    Unclear,
}

/// What is being done.
#[derive(Debug)]
pub(super) enum Active {
    Changes(DirSync),
    /// Entries, whole; whether all are among them.
    Entries(Paged, bool),
    Tombstones(Paged),
    List(Paged),
    /// The same by DirSync.
    Told(DirSync),
    Unclear(VecDeque<SourceId>),
}

impl ActiveDirectoryImport {
    /// Connects, finds out what can be read, and asks for it.
    pub async fn begin(server: &ActiveDirectory, request: ImportRequest) -> Result<Self, DirectoryError> {
        // What may not be asked for is refused before anything is connected.
        server.allow(&request.attributes)?;
        let time = now();
        let mut connection = Connection::open(&server.endpoint).await?;
        let controller = Controller::read(&mut connection, server.options.base.as_ref()).await?;
        let schema = read_schema(&mut connection, &controller.domain).await?;
        let entries = Entries::new(&request.attributes, schema, server.options.object.clone())?;
        let fingerprint = server.fingerprint(&controller);
        let standing = Standing::read(request.known.as_ref(), &server.options.connection.urls);
        let mark = Position::<Mark>::resume(request.watermark.as_ref(), &fingerprint, &request.attributes);
        let mark = mark.filter(|_| !set_back(connection.url(), &controller, standing.as_ref()));
        let start = server.start(&mut connection, &controller, entries.wire(), mark.as_ref()).await?;
        let mut import = Self {
            server: server.clone(),
            url: connection.url().to_owned(),
            connection: None,
            controller,
            entries,
            attributes: request.attributes,
            fingerprint,
            way: Way::ChangeNumbers,
            kind: ImportKind::Full,
            began_at: Vec::new(),
            tasks: VecDeque::new(),
            active: None,
            first: None,
            cookie: Vec::new(),
            from: None,
            unclear: BTreeSet::new(),
            deletions_told: false,
            listed: 0,
            whole: time,
            all_named: false,
            standing,
            retries: server.endpoint.servers.len(),
            time,
            state: State::Running,
        };
        import.take_up(start, mark.as_ref(), &mut connection).await?;
        if import.kind == ImportKind::Full && request.watermark.is_some() {
            tracing::info!(url = import.url, "The watermark does not serve; everything is read.");
        }
        import.connection = Some(connection);
        Ok(import)
    }

    /// Makes out of how it starts what is to be done.
    async fn take_up(
        &mut self,
        start: Start,
        mark: Option<&Mark>,
        connection: &mut Connection,
    ) -> Result<(), DirectoryError> {
        let incremental = match start {
            Start::DirSync { way, changes, first, goes_on } => {
                self.way = way;
                self.began_at = mark.filter(|_| goes_on).map(|mark| mark.cookie.clone()).unwrap_or_default();
                self.cookie = changes.cookie().to_vec();
                self.active = Some(Active::Changes(changes));
                self.first = first;
                goes_on
            }
            Start::ChangeNumbers { reason, from } => {
                tracing::debug!(url = self.url, reason, "Changes are read by their numbers.");
                self.from = from;
                self.deletions_told = self.sees_tombstones(connection).await?;
                self.tasks.extend(match from {
                    Some(_) if self.deletions_told => vec![Task::Tombstones, Task::Numbered],
                    Some(_) => vec![Task::Numbered],
                    None => vec![Task::Everything],
                });
                from.is_some()
            }
        };
        let Some(mark) = mark.filter(|_| incremental) else {
            self.listed = self.time;
            return Ok(());
        };
        self.kind = ImportKind::Incremental;
        self.deletions_told |= mark.deletions_told && self.way != Way::ChangeNumbers;
        (self.listed, self.whole) = (mark.listed, mark.whole);
        let surely = self.deletions_told && self.way != Way::DirSyncOfVisible;
        let every = if surely { LISTED_ANYWAY } else { self.server.options.listing.as_secs() };
        if mark.listing_is_due(self.time, every) {
            // What is made while all is listed comes with the changes behind it.
            let again = if self.way == Way::ChangeNumbers { Task::Numbered } else { Task::Changes };
            self.tasks.extend([Task::List, again]);
        }
        Ok(())
    }

    pub fn kind(&self) -> ImportKind {
        self.kind
    }

    pub async fn next_page(&mut self) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        match self.state {
            State::Broken => return Err(self.broken()),
            State::Ended => return Ok(None),
            State::Running => {}
        }
        // Also where the caller gives up waiting: nothing follows from what was not read to its end.
        self.state = State::Broken;
        let Some(mut connection) = self.connection.take() else { return Err(self.broken()) };
        let page = loop {
            match self.advance(&mut connection).await {
                Err(error) if error.is_transient() && self.retries > 0 => {
                    connection = self.connect_again(error).await?;
                }
                page => break page?,
            }
        };
        self.state = if page.is_some() { State::Running } else { State::Ended };
        // Who is missing is asked after.
        self.connection = Some(connection);
        Ok(page)
    }

    async fn advance(&mut self, connection: &mut Connection) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        loop {
            let Some(mut active) = self.active.take() else {
                let Some(task) = self.next_task() else { return Ok(None) };
                match self.begin_task(connection, task).await {
                    Ok(active) => self.active = Some(active),
                    Err(error) => {
                        self.tasks.push_front(task);
                        return Err(error);
                    }
                }
                continue;
            };
            let stepped = match self.first.take() {
                Some(objects) => self.made(objects).map(Some),
                None => self.step(connection, &mut active).await,
            };
            match stepped {
                Ok(Some(page)) => {
                    self.active = Some(active);
                    if !page.is_empty() {
                        return Ok(Some(page));
                    }
                }
                Ok(None) => self.conclude(active),
                Err(error) => {
                    self.active = Some(active);
                    return Err(error);
                }
            }
        }
    }

    /// What follows from a part that is done.
    fn conclude(&mut self, active: Active) {
        match active {
            Active::Changes(changes) => self.cookie = changes.cookie().to_vec(),
            Active::Entries(_, true) | Active::List(_) | Active::Told(_) => {
                self.all_named = true;
                self.listed = self.time;
            }
            Active::Entries(_, false) | Active::Tombstones(_) | Active::Unclear(_) => {}
        }
    }

    /// What is to be done next; none when all is done.
    fn next_task(&mut self) -> Option<Task> {
        if !self.unclear.is_empty() {
            return Some(Task::Unclear);
        }
        let task = self.tasks.pop_front()?;
        if task == Task::List && !self.knows_all() {
            // What this controller has yet to learn would look gone.
            return self.next_task();
        }
        Some(task)
    }

    /// Connects again, maybe to another controller, and goes on where that can be done.
    async fn connect_again(&mut self, error: DirectoryError) -> Result<Connection, DirectoryError> {
        self.retries -= 1;
        tracing::warn!(%error, "The connection was lost in mid-import; it is made again.");
        let mut connection = Connection::open(&self.server.endpoint).await?;
        let controller = Controller::read(&mut connection, self.server.options.base.as_ref()).await?;
        let same = controller.invocation.is_some() && controller.invocation == self.controller.invocation;
        if set_back(connection.url(), &controller, self.standing.as_ref()) {
            return Err(error);
        }
        self.first = None;
        match self.active.take() {
            Some(Active::Changes(mut changes)) => {
                if !same {
                    // Another controller understands where an import began, not where within an answer it stood.
                    changes = changes.from(self.began_at.clone());
                }
                changes.resume(&mut connection).await?;
                self.active = Some(Active::Changes(changes));
            }
            Some(Active::Unclear(ids)) => self.unclear.extend(ids),
            None => {}
            // Numbers and listings are of one controller, and begin anew with the next cycle.
            Some(_) => return Err(error),
        }
        if !same && self.way == Way::ChangeNumbers {
            return Err(error);
        }
        self.url = connection.url().to_owned();
        self.controller = controller;
        Ok(connection)
    }

    pub fn doubts_absence(&self) -> bool {
        self.absent_is_deleted()
    }

    /// Which of these objects are still there.
    pub async fn still_there(&mut self, ids: &[SourceId]) -> Result<Vec<ImportItem>, DirectoryError> {
        let mut connection = self.connection.take().ok_or_else(|| self.broken())?;
        let items = self.look_after(&mut connection, ids).await?;
        self.connection = Some(connection);
        Ok(items)
    }

    /// These objects as they stand, whole; those that are not there are deleted.
    pub async fn whole(&mut self, ids: &[SourceId]) -> Result<Vec<ImportItem>, DirectoryError> {
        let mut connection = self.connection.take().ok_or_else(|| self.broken())?;
        let items = self.read_whole(&mut connection, ids).await?;
        self.connection = Some(connection);
        Ok(items)
    }

    fn absent_is_deleted(&self) -> bool {
        let named = self.all_named || (self.kind == ImportKind::Full && self.way != Way::ChangeNumbers);
        named && self.knows_all()
    }

    /// How far the controller that is read has come.
    fn vector(&self) -> Vector {
        vector_of(&self.controller, &self.cookie)
    }

    /// Whether the controller knows all that was known to those that were read before, so that what it lacks is gone. One
    /// alone is believed: if it is behind, it was restored.
    fn knows_all(&self) -> bool {
        let alone = !self.server.endpoint.has_several();
        alone || self.standing.as_ref().is_none_or(|standing| self.vector().covers(&standing.vector))
    }

    pub fn finish(self) -> Result<Completion, DirectoryError> {
        if self.state != State::Ended {
            return Err(self.broken());
        }
        let absent_is_deleted = self.absent_is_deleted();
        let (alone, knows_all) = (!self.server.endpoint.has_several(), self.knows_all());
        if self.kind == ImportKind::Full && !knows_all {
            tracing::warn!(
                url = self.url,
                "This controller has not learnt all that another one knew. Who is missing is not taken for deleted until it \
                 has. If the other controller is gone for good, take it out of url."
            );
        }
        let vector = self.vector();
        let vector = match &self.standing {
            // What was lost with a restored controller will never be known again.
            Some(standing) if !(alone && absent_is_deleted) => vector.merged(&standing.vector),
            _ => vector,
        };
        // A full import that could not tell who is gone has that done as soon as the controller has caught up.
        let listed = if self.kind == ImportKind::Full && !absent_is_deleted { 0 } else { self.listed };
        let mark = Mark {
            way: self.way,
            cookie: self.cookie,
            invocation: self.controller.invocation,
            number: self.controller.newest_change,
            deletions_told: self.deletions_told,
            listed,
            whole: self.whole,
        };
        let position = Position::new(self.fingerprint, &self.attributes, Some(mark));
        let known = Standing { server: self.url, vector }.to_known();
        Ok(Completion { watermark: position.to_watermark(), known: Some(known), absent_is_deleted })
    }

    pub(super) fn broken(&self) -> DirectoryError {
        DirectoryError::EndedEarly {
            url: self.url.clone(),
            reason: "the import was not read to its end".into(),
            transient: true,
        }
    }
}

/// Whether a controller was set back; said once.
fn set_back(url: &str, controller: &Controller, standing: Option<&Standing>) -> bool {
    let back = was_set_back(controller, standing);
    if back {
        tracing::warn!(
            url,
            "This controller has gone back behind what it told before: it was restored from a copy. Everything is read."
        );
    }
    back
}

impl ActiveDirectory {
    /// A digest over what decides which entries are read and how they look once they are.
    fn fingerprint(&self, controller: &Controller) -> String {
        let options = self.options.object.to_text();
        fingerprint(["active-directory", &controller.domain_id, &self.class_filter(), &options])
    }
}

impl fmt::Debug for ActiveDirectoryImport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ActiveDirectoryImport")
            .field("url", &self.url)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
