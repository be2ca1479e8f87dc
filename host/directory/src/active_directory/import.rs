//! An import from Active Directory: what changed where the watermark serves, and otherwise everything; on the next
//! controller where one breaks off.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use provisor_model::{AttributeName, SourceId};

use super::begin::Start;
use super::dirsync::DirSync;
use super::domain::{Controller, LAGS};
use super::entries::Entries;
use super::objects::Object;
use super::position::{Mark, Standing, Way};
use super::{ActiveDirectory, read_schema};
use crate::clock::now;
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::import::{ImportItem, ImportKind, ImportRequest};
use crate::search::message::WireEntry;
use crate::search::paged::Paged;
use crate::state::{State, broken};
use crate::watermark::{Position, fingerprint};

/// How often everything is listed where the controller tells of deletions: rights may be taken away without a word.
const LISTED_ANYWAY: u64 = 24 * 3600;

/// A running import.
pub(crate) struct ActiveDirectoryImport {
    pub(super) server: ActiveDirectory,
    /// Open as long as there is something to ask.
    pub(super) connection: Option<Connection>,
    pub(super) controller: Controller,
    pub(super) url: String,
    pub(super) entries: Entries,
    pub(super) attributes: BTreeSet<AttributeName>,
    pub(super) fingerprint: String,
    pub(super) way: Way,
    pub(super) kind: ImportKind,
    /// Where the increment began; empty for everything.
    pub(super) began_at: Vec<u8>,
    pub(super) tasks: VecDeque<Task>,
    pub(super) active: Option<Active>,
    /// Objects that came before the first page was asked for.
    pub(super) first: Option<Vec<Object>>,
    /// Where DirSync goes on after this import.
    pub(super) cookie: Vec<u8>,
    /// From which number on changes are read; none for everything.
    pub(super) from: Option<u64>,
    /// The controller's life that the cookie is of.
    pub(super) answered_by: Option<String>,
    /// Objects with what came of them, until it is known what decides about them.
    pub(super) undecided: BTreeMap<SourceId, Object>,
    /// Objects of which what came does not tell what they have become.
    pub(super) unclear: BTreeSet<SourceId>,
    /// Whether the controller has shown that it tells of deletions.
    pub(super) deletions_told: bool,
    /// When all was listed last.
    pub(super) listed: u64,
    /// When all was read last.
    pub(super) whole: u64,
    /// Whether all that is there has been named.
    pub(super) all_named: bool,
    pub(super) standing: Option<Standing>,
    /// How often another connection may still be made.
    pub(super) retries: usize,
    pub(super) time: u64,
    pub(super) state: State,
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
    /// What decides about those that changed so.
    Undecided,
    /// What has to be read whole.
    Unclear,
}

/// What is being done.
#[derive(Debug)]
pub(super) enum Active {
    Changes(Box<DirSync>),
    /// Entries, whole.
    Entries {
        paged: Paged,
        /// What came of the last page and was not given out.
        found: VecDeque<WireEntry>,
        /// Whether all are among them.
        all: bool,
    },
    Tombstones(Paged),
    List(Paged),
    /// The same by DirSync.
    Told(Box<DirSync>),
    Undecided(VecDeque<Object>),
    Unclear(VecDeque<SourceId>),
}

impl ActiveDirectoryImport {
    /// Connects, finds out what can be read, and asks for it: of the first controller that is not behind what is known, where
    /// everything is to be read.
    pub async fn begin(server: &ActiveDirectory, request: ImportRequest) -> Result<Self, DirectoryError> {
        // What may not be asked for is refused before anything is connected.
        server.allow(&request.attributes)?;
        Connection::at_any(&server.endpoint, |connection| Self::begin_at(server, &request, connection)).await
    }

    async fn begin_at(
        server: &ActiveDirectory,
        request: &ImportRequest,
        mut connection: Connection,
    ) -> Result<Self, DirectoryError> {
        let time = now();
        let controller = Controller::read(&mut connection, server.options.base.as_ref()).await?;
        let standing = Standing::read(request.known.as_ref(), &server.options.connection.urls);
        let was_set_back = server.set_back(connection.url(), &controller, standing.as_ref())?;
        let schema = read_schema(&mut connection, &controller.domain).await?;
        let entries = Entries::new(&request.attributes, schema, server.options.object.clone())?;
        let fingerprint = server.fingerprint(&controller);
        let fitting = Position::<Mark>::resume_or_why(request.watermark.as_ref(), &fingerprint, &request.attributes);
        let mark = fitting.as_ref().ok().cloned();
        let mark = mark.filter(|_| !was_set_back);
        let mark = mark.filter(|mark| mark.way == Way::ChangeNumbers || !mark.whole_is_due(time));
        let start = server.start(&mut connection, &controller, entries.wire(), mark.as_ref()).await?;
        let mut import = Self {
            server: server.clone(),
            url: connection.url().to_owned(),
            connection: None,
            controller,
            entries,
            attributes: request.attributes.clone(),
            fingerprint,
            way: Way::ChangeNumbers,
            kind: ImportKind::Full,
            began_at: Vec::new(),
            tasks: VecDeque::new(),
            active: None,
            first: None,
            cookie: Vec::new(),
            from: None,
            answered_by: None,
            undecided: BTreeMap::new(),
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
            let why =
                fitting.as_ref().map_or_else(|why| *why, |mark| mark.why_whole(import.way, &import.controller, time));
            tracing::info!(url = import.url, "{why}: everything is read once.");
        }
        if import.kind == ImportKind::Full && !import.controller.heard.is_empty() && !import.knows_all() {
            return Err(DirectoryError::Behind { url: import.url, advice: LAGS });
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
        // Another controller has to show it anew: the account's rights may let it see less there.
        let same = mark.invocation.is_some() && mark.invocation == self.controller.invocation;
        self.deletions_told |= mark.deletions_told && same && self.way != Way::ChangeNumbers;
        (self.listed, self.whole) = (mark.listed, mark.whole);
        let surely = self.deletions_told && self.way == Way::DirSync;
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
        if !self.state.begin(&self.url)? {
            return Ok(None);
        }
        let Some(mut connection) = self.connection.take() else { return Err(broken(&self.url)) };
        let page = loop {
            match self.advance(&mut connection).await {
                Err(error) if error.is_transient() && self.retries > 0 => {
                    connection = self.connect_again(error).await?;
                }
                page => break page?,
            }
        };
        if page.is_none() && self.kind == ImportKind::Full && !self.knows_all() {
            // What it has not learnt would be undone, and who is missing there is not gone. The next cycle asks another.
            self.server.endpoint.pass_over(&self.url);
            return Err(DirectoryError::Behind { url: self.url.clone(), advice: LAGS });
        }
        if page.is_none() && self.kind == ImportKind::Incremental && self.is_alone() && !self.covers_all() {
            // It has another life, and forgot changes that the cookie says are known: nobody would ever tell that they are undone.
            return Err(DirectoryError::WatermarkLost {
                url: self.url.clone(),
                reason: "the only controller of the domain was restored from a backup".into(),
            });
        }
        self.state.read(page.is_some());
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
            Active::Changes(changes) => {
                self.cookie = changes.cookie().to_vec();
                self.answered_by = self.controller.invocation.clone();
            }
            Active::Entries { all: true, .. } | Active::List(_) | Active::Told(_) => self.all_named = true,
            Active::Entries { all: false, .. } | Active::Tombstones(_) => {}
            Active::Undecided(_) | Active::Unclear(_) => {}
        }
    }

    /// What is to be done next; none when all is done.
    fn next_task(&mut self) -> Option<Task> {
        if !self.undecided.is_empty() {
            return Some(Task::Undecided);
        }
        if !self.unclear.is_empty() {
            return Some(Task::Unclear);
        }
        let task = self.tasks.pop_front()?;
        if task == Task::List && !self.knows_all() {
            tracing::warn!(
                url = self.url,
                "This controller has not learnt all that another one knew: what it has yet to learn would look gone, so that \
                 nothing is listed until it has. If the other controller is gone for good, take it out of url."
            );
            return self.next_task();
        }
        Some(task)
    }

    pub fn doubts_absence(&self) -> bool {
        self.absent_is_deleted()
    }

    /// Which of these objects are still there.
    pub async fn still_there(&mut self, ids: &[SourceId]) -> Result<Vec<ImportItem>, DirectoryError> {
        let mut connection = self.connection.take().ok_or_else(|| broken(&self.url))?;
        let items = self.look_after(&mut connection, ids).await?;
        self.connection = Some(connection);
        Ok(items)
    }

    /// These objects as they stand, whole; those that are not there are deleted.
    pub async fn whole(&mut self, ids: &[SourceId]) -> Result<Vec<ImportItem>, DirectoryError> {
        if self.way == Way::ChangeNumbers && self.kind == ImportKind::Incremental && !ids.is_empty() {
            return Err(self.came_back("an object"));
        }
        let mut connection = self.connection.take().ok_or_else(|| broken(&self.url))?;
        let items = self.read_whole(&mut connection, ids).await?;
        self.connection = Some(connection);
        Ok(items)
    }
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
