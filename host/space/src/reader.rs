//! Reading beside whoever writes: connections of their own for worker threads, and entries by the page, as they are stored.

use std::ops::{Deref, Range};

use provisor_model::{Anchor, AttributeLanes, AttributeName, AttributesView, DnView, EntryView, SourceId};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Row, params};

use crate::entries::{STORED_JOINS, stored_columns};
use crate::memberships::with_computed;
use crate::rows::{self, Standing};
use crate::space::BUSY;
use crate::{EntryKey, Space, SpaceError};

/// A connector space as it stood when this was opened, for one thread. Nothing can be written by it.
pub struct Reader(Space);

impl Deref for Reader {
    type Target = Space;

    fn deref(&self) -> &Space {
        &self.0
    }
}

impl Space {
    /// Opens another connection, that sees what is committed now and nothing that comes later. All that are open at a time
    /// share the memory for pages, so each is told of how many it is one.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn reader(&self, of: usize) -> Result<Reader, SpaceError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(self.path(), flags)?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.busy_timeout(BUSY)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // 32 MiB of pages for all of them.
        let pages = i64::try_from(32_768 / of.max(1)).unwrap_or_default().max(1_024);
        connection.pragma_update(None, "cache_size", -pages)?;
        let journal: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        // Where the file system has no room for a write-ahead log, whoever reads for long keeps the others from writing.
        if journal.eq_ignore_ascii_case("wal") {
            connection.execute_batch("BEGIN")?;
            // Only with its first question does a transaction choose what it sees.
            connection.query_row("SELECT count(*) FROM meta", [], |row| row.get::<_, i64>(0))?;
        }
        let (by_value, memberships) = (self.by_value.clone(), self.memberships.clone());
        let (cross_references, path) = (self.cross_references.clone(), self.path().to_owned());
        Ok(Reader(Self { connection, by_value, memberships, cross_references, filling: None, path }))
    }

    /// The numbers of the entries that wait for their evaluation: in the order of numbers, in which they are stored, or
    /// `by_id`, in that of their source ids.
    ///
    /// # Errors
    /// When the database fails.
    pub fn dirty_keys(&self, by_id: bool) -> Result<Vec<EntryKey>, SpaceError> {
        let mut statement = self.connection.prepare_cached("SELECT entry_id FROM dirty ORDER BY source_id")?;
        let mut keys =
            statement.query_map([], |row| row.get(0).map(EntryKey))?.collect::<Result<Vec<_>, rusqlite::Error>>()?;
        if !by_id {
            keys.sort_unstable();
        }
        Ok(keys)
    }

    /// The numbers of all entries, gone ones too, in the same orders.
    ///
    /// # Errors
    /// When the database fails.
    pub fn all_keys(&self, by_id: bool) -> Result<Vec<EntryKey>, SpaceError> {
        let order = if by_id { "source_id" } else { "id" };
        let mut statement =
            self.connection.prepare_cached(&format!("SELECT id FROM entry WHERE gone <> 3 ORDER BY {order}"))?;
        Ok(statement.query_map([], |row| row.get(0).map(EntryKey))?.collect::<Result<_, rusqlite::Error>>()?)
    }

    /// Anchors that more than one entry has, in the form they are stored in; none where they are more than `most`.
    ///
    /// # Errors
    /// When the database fails.
    pub fn shared_anchors(&self, most: usize) -> Result<Option<Vec<Vec<u8>>>, SpaceError> {
        let mut statement =
            self.connection.prepare_cached("SELECT anchor FROM entry GROUP BY anchor HAVING count(*) > 1 LIMIT ?1")?;
        let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
        let found =
            statement.query_map([limit], |row| row.get(0))?.collect::<Result<Vec<Vec<u8>>, rusqlite::Error>>()?;
        Ok((found.len() <= most).then_some(found))
    }

    /// Reads entries by their numbers, as many as may be in memory at once; returns how many of the numbers were passed.
    /// Numbers without an entry are passed over.
    ///
    /// # Errors
    /// When the database fails or a row is damaged.
    pub fn read_entries(&self, keys: &[EntryKey], page: &mut EntryPage) -> Result<usize, SpaceError> {
        page.octets.clear();
        page.rows.clear();
        let sql = format!(
            "SELECT {} FROM entry e {STORED_JOINS} WHERE e.id BETWEEN ?1 AND ?2 ORDER BY e.id",
            stored_columns()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let (mut passed, computes) = (0, self.memberships.names_groups());
        // Numbers that follow one another are read in one go: that is how all entries stand in the file.
        while let Some(first) = keys.get(passed) {
            let run = keys.iter().skip(passed).zip(first.0..).take_while(|(key, number)| key.0 == *number).count();
            let mut rows = statement.query(params![first.0, first.0 + run as i64 - 1])?;
            while let Some(row) = rows.next()? {
                let computed = if computes { self.computed(EntryKey(row.get(0)?))? } else { Vec::new() };
                page.push(row, &computed)?;
                if page.octets.len() > page.most {
                    let last = page.rows.last().map_or(first.0, |row| row.key.0);
                    return Ok(passed + usize::try_from(last - first.0).unwrap_or_default() + 1);
                }
            }
            passed += run;
        }
        Ok(passed)
    }
}

/// Stored entries, one behind the other in one piece of memory that serves many pages.
pub struct EntryPage {
    /// How many octets are enough.
    most: usize,
    octets: Vec<u8>,
    rows: Vec<PageRow>,
}

/// Where the parts of a stored entry lie.
struct PageRow {
    key: EntryKey,
    anchor: Anchor,
    standing: Standing,
    uncertain: bool,
    source_id: Range<usize>,
    dn: Range<usize>,
    object_class: Range<usize>,
    attributes: Range<usize>,
    decision: Option<Range<usize>>,
    link: Option<PageLink>,
}

struct PageLink {
    kind: Range<usize>,
    resource_id: Range<usize>,
    anchor: Anchor,
    disabled: bool,
    exported: Range<usize>,
}

/// A link as it is stored.
#[derive(Clone, Copy)]
pub struct LinkView<'a> {
    /// The name of the resource type.
    pub kind: &'a str,
    /// What the target calls the resource.
    pub resource_id: &'a str,
    /// The anchor that it was created or joined with.
    pub anchor: &'a Anchor,
    /// Whether it was disabled because its entry left.
    pub disabled: bool,
    exported: &'a [u8],
}

impl LinkView<'_> {
    /// Whether this is what was last exported, octet by octet: false may still mean the same in another form.
    ///
    /// # Errors
    /// When the state has no stored form.
    pub fn is_exported(&self, state: &crate::Sent) -> Result<bool, SpaceError> {
        Ok(postcard::to_extend(state, Vec::with_capacity(self.exported.len()))? == self.exported)
    }

    /// What was last exported, by path.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn exported(&self) -> Result<crate::Sent, SpaceError> {
        Ok(postcard::from_bytes(self.exported)?)
    }
}

/// A stored entry of a page.
#[derive(Clone, Copy)]
pub struct StoredView<'a> {
    page: &'a EntryPage,
    row: &'a PageRow,
}

impl EntryPage {
    /// A page without entries, one of so many that share the memory for them.
    pub fn new(of: usize) -> Self {
        Self { most: rows::PAGE_OCTETS / of.max(1), octets: Vec::new(), rows: Vec::new() }
    }

    /// The entries of the page.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = StoredView<'_>> {
        self.rows.iter().map(|row| StoredView { page: self, row })
    }

    fn keep(&mut self, octets: &[u8]) -> Range<usize> {
        let first = self.octets.len();
        self.octets.extend_from_slice(octets);
        first..self.octets.len()
    }

    /// Appends an entry, with attributes that are not stored with it.
    fn push(&mut self, row: &Row<'_>, computed: &[(AttributeName, Vec<String>)]) -> Result<(), SpaceError> {
        let blob = |column: usize| -> Result<&[u8], SpaceError> {
            Ok(row.get_ref(column)?.as_bytes().map_err(rusqlite::Error::from)?)
        };
        let link = match row.get_ref(9)?.as_str_or_null().map_err(rusqlite::Error::from)? {
            None => None,
            Some(kind) => Some(PageLink {
                kind: self.keep(kind.as_bytes()),
                resource_id: self.keep(blob(10)?),
                anchor: Anchor::from_storage(blob(11)?)?,
                disabled: row.get(12)?,
                exported: self.keep(blob(13)?),
            }),
        };
        let decision = row.get_ref(7)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        let row = PageRow {
            key: EntryKey(row.get(0)?),
            source_id: self.keep(blob(1)?),
            anchor: Anchor::from_storage(blob(2)?)?,
            dn: self.keep(blob(3)?),
            object_class: self.keep(blob(4)?),
            attributes: match computed {
                [] => self.keep(blob(5)?),
                computed => self.keep(&with_computed(blob(5)?, computed)?),
            },
            standing: Standing::from_column(row.get(6)?),
            decision: decision.map(|decision| self.keep(decision.as_bytes())),
            uncertain: row.get::<_, Option<i64>>(8)?.is_some(),
            link,
        };
        self.rows.push(row);
        Ok(())
    }

    fn octets(&self, place: &Range<usize>) -> &[u8] {
        self.octets.get(place.clone()).unwrap_or_default()
    }

    fn text(&self, place: &Range<usize>) -> Result<&str, SpaceError> {
        std::str::from_utf8(self.octets(place)).map_err(|error| SpaceError::Damaged(error.to_string()))
    }
}

impl<'a> StoredView<'a> {
    /// Its number.
    pub fn key(&self) -> EntryKey {
        self.row.key
    }

    /// Whether it is no longer in the source.
    pub fn gone(&self) -> bool {
        self.row.standing == Standing::Gone
    }

    /// Whether it is in the directory, but no longer among what is read of it.
    pub fn excluded(&self) -> bool {
        self.row.standing == Standing::Excluded
    }

    /// Whether the outcome of its last request is unknown.
    pub fn uncertain(&self) -> bool {
        self.row.uncertain
    }

    /// What the change feed calls it, in the form it is stored in.
    pub fn stored_id(&self) -> &'a [u8] {
        self.page.octets(&self.row.source_id)
    }

    /// What the change feed calls it.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn source_id(&self) -> Result<SourceId, SpaceError> {
        Ok(SourceId::from_storage(self.stored_id())?)
    }

    /// What the target knows it by.
    pub fn anchor(&self) -> &'a Anchor {
        &self.row.anchor
    }

    /// Where it stands, as text.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn dn(&self) -> Result<&'a str, SpaceError> {
        self.page.text(&self.row.dn)
    }

    /// One word for rules and configuration.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn object_class(&self) -> Result<&'a str, SpaceError> {
        self.page.text(&self.row.object_class)
    }

    /// What was last decided about it, as a short text.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn decision(&self) -> Result<Option<&'a str>, SpaceError> {
        self.row.decision.as_ref().map(|place| self.page.text(place)).transpose()
    }

    /// Its resource.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn link(&self) -> Result<Option<LinkView<'a>>, SpaceError> {
        let Some(link) = &self.row.link else { return Ok(None) };
        Ok(Some(LinkView {
            kind: self.page.text(&link.kind)?,
            resource_id: self.page.text(&link.resource_id)?,
            anchor: &link.anchor,
            disabled: link.disabled,
            exported: self.page.octets(&link.exported),
        }))
    }

    /// Appends its attributes to the lanes.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn push_attributes(&self, lanes: &mut AttributeLanes<'a>) -> Result<(), SpaceError> {
        let mut stored = postcard::Deserializer::from_bytes(self.page.octets(&self.row.attributes));
        Ok(lanes.push_stored(&mut stored)?)
    }

    /// The entry as rules see it, with its attributes as they stand in the lanes.
    ///
    /// # Errors
    /// When the row is damaged.
    pub fn view<'v>(&self, attributes: AttributesView<'v>) -> Result<EntryView<'v>, SpaceError>
    where
        'a: 'v,
    {
        let (dn, object_class) = (DnView::Text(self.dn()?), self.object_class()?);
        Ok(EntryView { anchor: self.anchor(), dn, object_class, attributes })
    }
}
