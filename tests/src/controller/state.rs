//! What all connections of a double share: its replica, how it behaves, what it was asked, what is to go wrong.

use super::fault::Planned;
use super::read::BehindTheEnd;
use super::replica::Replica;

/// How a controller behaves. What a new one does is what Windows does; all of it may change while it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    /// The most entries of an answer or a page (`MaxPageSize`).
    pub max_page_size: usize,
    /// The most values of an attribute in an entry (`MaxValRange`).
    pub max_values: usize,
    /// What a range behind the last value comes to.
    pub behind_the_end: BehindTheEnd,
    /// Whether searches from a naming context's root refer to the contexts below it.
    pub references: bool,
    /// Whether the accounts have the right "Replicating Directory Changes".
    pub may_replicate: bool,
    /// The most results of an answer to DirSync.
    pub dirsync_page: usize,
    /// The most values of a linked attribute in one result of DirSync.
    pub dirsync_values: usize,
    /// Whether a first DirSync also tells of values that were taken away long ago.
    pub dirsync_tells_absent: bool,
    /// Whether deleted objects are told to an account without the right to replicate.
    pub deleted_are_told: bool,
    /// Whether a cookie of another controller brings everything again, and not only what its client has not heard of.
    pub foreign_cookies_repeat: bool,
    /// Whether every cookie of DirSync is refused.
    pub refuse_cookies: bool,
    /// The result for a cookie that is refused: 12 or 53.
    pub bad_cookie: u32,
    /// The number that a wrong password is refused with.
    pub wrong_password: String,
    /// The number that even the right password is refused with, such as 775 for a locked account.
    pub refuse_binds: Option<String>,
    /// Whether binds over an unencrypted connection are refused.
    pub require_encryption: bool,
    /// Whether all searches but those of the rootDSE are answered with `busy`.
    pub busy: bool,
    /// Controls that are neither announced nor obeyed, by their OIDs.
    pub withheld: Vec<String>,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            max_page_size: 1000,
            max_values: 1500,
            behind_the_end: BehindTheEnd::Error,
            references: true,
            may_replicate: true,
            dirsync_page: 1000,
            dirsync_values: 1500,
            dirsync_tells_absent: true,
            deleted_are_told: true,
            foreign_cookies_repeat: false,
            refuse_cookies: false,
            bad_cookie: 12,
            wrong_password: "52e".to_owned(),
            refuse_binds: None,
            require_encryption: false,
            busy: false,
            withheld: Vec::new(),
        }
    }
}

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// A bind of any sort.
    Bind,
    /// A change to encryption.
    StartTls,
    /// A search of one object, or of the server itself.
    Base,
    /// A search that asks for a range of values.
    Range,
    /// A page of a search.
    Page,
    /// A synchronisation by DirSync.
    DirSync,
    /// Any other search.
    Search,
    /// Anything else that is answered.
    Other,
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What kind.
    pub kind: RequestKind,
    /// Where a search began, or who bound.
    pub base: String,
    /// Which attributes were asked for.
    pub attributes: Vec<String>,
    /// The OIDs of its controls.
    pub controls: Vec<String>,
    /// The flags of a DirSync control.
    pub flags: u32,
}

/// What the connections share.
#[derive(Debug)]
pub(super) struct State {
    pub replica: Replica,
    pub behaviour: Behaviour,
    pub asked: Vec<Asked>,
    pub planned: Vec<Planned>,
    /// How many connections there have been.
    pub connections: u64,
}
