//! An import from an LDAP directory: an increment where the watermark serves, and otherwise everything, base by base.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::fmt;

use provisor_model::{AttributeName, SourceId};

use super::OpenLdap;
use super::doubt::Doubt;
use super::leavers::Leavers;
use super::plan::{Base, Plan, Task};
use super::position::{Mark, Marks, Standing};
use super::proof::Shown;
use super::ready::Ready;
use super::refresh::{End, Refresh};
use super::stamp::{Stamp, Stamps};
use super::way::{Dialect, Way};
use crate::clock::now;
use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::identity::is_unique_by_nature;
use crate::import::{Completion, ImportItem, ImportKind, ImportRequest};
use crate::options::SourceOptions;
use crate::reading::Reader;
use crate::search::paged::Paged;
use crate::selection::{Aliases, Selection};
use crate::state::{State, broken};
use crate::watermark::{Position, fingerprint};

/// A running import.
pub(crate) struct OpenLdapImport {
    pub(super) url: String,
    /// Open as long as there is something to ask.
    pub(super) connection: Option<Connection>,
    pub(super) reader: Reader,
    attributes: BTreeSet<AttributeName>,
    fingerprint: String,
    /// The servers that keep the directory.
    urls: Vec<String>,
    /// What the last complete import found out.
    known: Option<Standing>,
    /// What speaks against taking who is missing for deleted.
    doubt: Doubt,
    /// Whether all was read that may end the doubt.
    settled: bool,
    /// When this import began, in seconds since 1970.
    time: u64,
    pub(super) filter: String,
    pub(super) page_size: u32,
    pub(super) way: Way,
    kind: ImportKind,
    /// When everything was read last.
    whole: u64,
    pub(super) bases: Vec<Base>,
    tasks: VecDeque<(usize, Task)>,
    active: Option<(usize, Active)>,
    /// A page that was read beforehand: by it the server says whether it knows the cookie.
    first: Option<Vec<ImportItem>>,
    /// Where the feed's word for who left is not enough.
    pub(super) leavers: Option<Leavers>,
    leavers_sought: bool,
    pub(super) stamps: Stamps,
    /// The time by this host's clock before anything was read.
    began: Stamp,
    /// The ids that came, where the server does not see to it that they are unique.
    pub(super) ids: Option<HashSet<SourceId>>,
    /// For each base, by its number, an entry that came without being looked for by its id.
    pub(super) shown: BTreeMap<usize, Shown>,
    /// Whether not being found by an id has been shown to mean something.
    pub(super) lookups_proven: bool,
    state: State,
}

/// What is being done.
#[derive(Debug)]
pub(super) enum Active {
    /// Entries, page by page.
    Entries {
        paged: Paged,
        /// Whether every entry is among them.
        all: bool,
    },
    /// Ids and names, page by page.
    Ids(Paged),
    Refresh(Refresh),
    /// Entries by their ids.
    Reread(VecDeque<SourceId>),
    /// Those that left are looked for.
    Leavers,
}

impl OpenLdapImport {
    /// Connects, finds out what can be read, and asks for it.
    pub async fn begin(server: &OpenLdap, request: ImportRequest) -> Result<Self, DirectoryError> {
        // What may not be asked for is refused before anything is connected.
        Selection::new(&request.attributes, &server.options.object, Aliases::new())?;
        let began = Stamp::now();
        let Ready { mut connection, schema, object, mut way, known, fell_back } = server.ready(&request).await?;
        let fingerprint = server.fingerprint(&object);
        let fitting = Position::<Marks>::resume_or_why(request.watermark.as_ref(), &fingerprint, &request.attributes);
        let marks = fitting.as_ref().ok();
        let unchecked = !is_unique_by_nature(&object.source_id_attribute);
        let reader = OpenLdap::reader(&request.attributes, schema, object)?;

        let had_watermark = request.watermark.is_some();
        let time = now();
        let url = connection.url().to_owned();
        let bases = server.bases();
        let increment = |way: &Way| marks.and_then(|marks| Plan::increment(way, &bases, marks, &url, time));
        let mut plan = increment(&way);
        if plan.is_none()
            && let Some(reason) = server.silence(&mut connection, &way).await?
        {
            way = Way::without(server, reason)?;
            plan = increment(&way);
        }
        // One base and no filter: what the server says is gone is gone.
        let trusted = bases.len() == 1 && server.options.feed.filter.is_none();
        let mut import = Self {
            url: url.clone(),
            connection: None,
            reader,
            attributes: request.attributes,
            fingerprint,
            urls: server.options.connection.urls.clone(),
            doubt: Doubt::None,
            settled: false,
            known,
            time,
            filter: server.filter(),
            page_size: server.options.page_size,
            kind: ImportKind::Full,
            whole: marks.map_or(time, |marks| marks.whole),
            bases: Vec::new(),
            tasks: VecDeque::new(),
            active: None,
            first: None,
            leavers: (!trusted).then(Leavers::default),
            leavers_sought: false,
            stamps: Stamps::beginning(began.clone()),
            began,
            ids: unchecked.then(HashSet::new),
            shown: BTreeMap::new(),
            lookups_proven: false,
            state: State::Running,
            way,
        };
        import.doubt = if fell_back {
            Doubt::FellBack
        } else {
            server.doubt(&import.url, &import.way, import.known.as_ref(), time)
        };
        if let Some(plan) = plan {
            match import.begin_increment(&mut connection, plan).await {
                Ok(()) => {
                    import.connection = Some(connection);
                    return Ok(import);
                }
                Err(error) if error.needs_full_import() => {
                    tracing::info!(%error, "What changed cannot be told: everything is read once.");
                    if let Some(reason) = server.silence(&mut connection, &import.way).await? {
                        import.way = Way::without(server, reason)?;
                    }
                }
                Err(error) => return Err(error),
            }
        } else if had_watermark {
            let why = fitting.as_ref().map_or_else(|why| *why, |marks| Plan::why_full(&import.way, marks, time));
            tracing::info!(url = import.url, "{why}: everything is read once.");
        }
        let plan = Plan::full(&import.way, &bases);
        import.take_up(plan, ImportKind::Full);
        import.whole = time;
        // The first search is made now, so that what cannot be read at all is told at once.
        if let Some((base, task)) = import.tasks.pop_front() {
            import.active = Some((base, import.start(&mut connection, base, task).await?));
        }
        import.connection = Some(connection);
        Ok(import)
    }

    fn take_up(&mut self, plan: Plan, kind: ImportKind) {
        self.bases = plan.bases;
        self.tasks = plan.tasks;
        self.kind = kind;
        self.active = None;
        self.first = None;
    }

    async fn begin_increment(&mut self, connection: &mut Connection, plan: Plan) -> Result<(), DirectoryError> {
        self.take_up(plan, ImportKind::Incremental);
        let Some((base, task)) = self.tasks.pop_front() else { return Ok(()) };
        let mut active = self.start(connection, base, task).await?;
        if let Active::Refresh(refresh) = &mut active {
            self.first = refresh.next_page(&self.url, &mut self.reader).await?;
        }
        self.active = Some((base, active));
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
        let page = self.advance(&mut connection).await?;
        self.state.read(page.is_some());
        if page.is_some() || self.doubts_absence() {
            self.connection = Some(connection);
        } else {
            connection.close().await;
        }
        Ok(page)
    }

    async fn advance(&mut self, connection: &mut Connection) -> Result<Option<Vec<ImportItem>>, DirectoryError> {
        loop {
            let Some((base, mut active)) = self.active.take() else {
                let Some((base, task)) = self.next_task() else { return Ok(None) };
                self.active = Some((base, self.start(connection, base, task).await?));
                continue;
            };
            let page = match self.first.take() {
                Some(first) => Some(first),
                None => self.step(connection, base, &mut active).await?,
            };
            let Some(page) = page else {
                self.conclude(base, active)?;
                continue;
            };
            self.active = Some((base, active));
            let page = match (&mut self.leavers, &self.active) {
                (None, _) | (_, Some((_, Active::Leavers))) => page,
                (Some(leavers), _) => leavers.hold_back(base, page),
            };
            if !page.is_empty() {
                return Ok(Some(page));
            }
        }
    }

    /// What follows from a part that is done.
    fn conclude(&mut self, index: usize, active: Active) -> Result<(), DirectoryError> {
        let Some(base) = self.bases.get_mut(index) else { return Err(broken(&self.url)) };
        match active {
            Active::Entries { .. } | Active::Ids(_) => base.absent_is_deleted = true,
            Active::Refresh(mut refresh) => {
                let changed = refresh.take_changed();
                let Some(End { cookie, absent_is_deleted }) = refresh.end() else { return Err(broken(&self.url)) };
                if let Some(cookie) = cookie {
                    base.mark = Some(Mark::of_cookie(cookie.clone()));
                }
                // A refresh for its cookie alone is followed by the entries.
                base.absent_is_deleted = *absent_is_deleted;
                if !changed.is_empty() {
                    self.tasks.push_front((index, Task::Reread(changed)));
                }
            }
            Active::Reread(_) | Active::Leavers => {}
        }
        Ok(())
    }

    /// What is to be done next; none when all is done.
    fn next_task(&mut self) -> Option<(usize, Task)> {
        if let Some(task) = self.tasks.pop_front() {
            return Some(task);
        }
        // Once and for all: what follows from absence must not change on the way.
        if !std::mem::replace(&mut self.settled, true) {
            self.doubt.settle(self.stamps.shown(), self.time, &self.url);
        }
        // What one base does not name is gone only where the others name all that they have.
        if self.absent_is_deleted()
            && let Some(silent) = self.bases.iter().position(|base| !base.absent_is_deleted)
        {
            return Some((silent, Task::Ids));
        }
        if self.leavers.is_some() && !self.leavers_sought {
            self.leavers_sought = true;
            return Some((0, Task::Leavers));
        }
        None
    }

    pub fn doubts_absence(&self) -> bool {
        // Servers of which nothing is known may leave out of a listing what moves while it is made.
        self.absent_is_deleted() && (self.leavers.is_some() || !matches!(self.way, Way::Sync(Dialect::OpenLdap(_))))
    }

    fn absent_is_deleted(&self) -> bool {
        self.doubt == Doubt::None && self.bases.iter().any(|base| base.absent_is_deleted)
    }

    pub fn finish(self) -> Result<Completion, DirectoryError> {
        self.state.ended(&self.url)?;
        let absent_is_deleted = self.absent_is_deleted();
        let since = self.stamps.from(self.began.clone());
        let mark = |base: &Base| match (&self.way, &since) {
            (Way::Compare(_), None) => None,
            (Way::Compare(_), Some(time)) => Some(Mark::Since { time: time.clone(), server: self.url.clone() }),
            (Way::Sync(_), _) => base.mark.clone(),
        };
        let bases: BTreeMap<String, Option<Mark>> =
            self.bases.iter().map(|base| (base.name.clone(), mark(base))).collect();
        let source_id = self.reader.object().source_id_attribute.to_string();
        // By comparing, the listings of later imports show who is missing, too; otherwise they read everything again.
        let goes_on = match (&self.doubt, &self.way) {
            (Doubt::None, _) | (Doubt::Unshown(_), Way::Compare(_)) => true,
            (Doubt::Unshown(_) | Doubt::FellBack, _) => false,
        };
        let marked = |(base, mark): (&String, &Option<Mark>)| Some((base.clone(), mark.clone()?));
        let marks: Option<BTreeMap<String, Mark>> = bases.iter().filter(|_| goes_on).map(marked).collect();
        let marks = marks.filter(|_| goes_on).map(|bases| Marks {
            source_id: source_id.clone(),
            whole: self.whole,
            server: self.url.clone(),
            bases,
        });
        let earlier = self.known.as_ref();
        let newest = earlier.and_then(|known| known.newest.clone()).max(self.stamps.shown().cloned());
        let pending = self.doubt.pending();
        let bases = match (&self.doubt, earlier) {
            (Doubt::FellBack, Some(known)) => known.bases_with(bases),
            _ => bases,
        };
        let standing = Standing { source_id, server: self.url, urls: self.urls, bases, newest, pending };
        let position = Position::new(self.fingerprint, &self.attributes, marks);
        Ok(Completion { watermark: position.to_watermark(), known: Some(standing.to_known()), absent_is_deleted })
    }
}

impl OpenLdapImport {
    /// Whether entries are asked when they were changed.
    pub(super) fn reads_stamps(&self) -> bool {
        !matches!(self.way, Way::Sync(Dialect::OpenLdap(_))) || matches!(self.doubt, Doubt::Unshown(_))
    }
}

impl OpenLdap {
    /// A digest over what decides which entries are read and how they look once they are.
    pub(super) fn fingerprint(&self, object: &SourceOptions) -> String {
        let bases = self.bases().join("\n");
        // The first server stands for the directory: others keep the same.
        let url = self.options.connection.urls.first().map_or("", String::as_str);
        fingerprint(["ldap", url, &bases, &self.filter(), &object.to_text()])
    }
}

impl fmt::Debug for OpenLdapImport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("OpenLdapImport")
            .field("url", &self.url)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
