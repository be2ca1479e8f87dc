//! Changes by DirSync (MS-ADTS, section 3.1.1.3.4.1.3): answer after answer, as long as the controller has more.

use ldap3::Scope;

use super::controls::{DIR_SYNC, DirSyncEnd, dir_sync, dir_sync_end, domain_scope, extended_dn};
use super::objects::Object;
use super::whole::object;
use crate::connection::{Connection, Results, Search, describe, result_error};
use crate::error::DirectoryError;
use crate::import::{PAGE_ITEMS, PAGE_OCTETS};
use crate::search::few::malformed;
use crate::search::message::{self, Message};
use crate::search::paged::protocol;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The domain.
    pub base: String,
    /// Which objects, by their classes alone: who leaves a finer filter is not told of.
    pub filter: String,
    pub attributes: Vec<String>,
    /// How the controller is to answer.
    pub flags: u32,
    /// Where to go on; empty for everything.
    pub cookie: Vec<u8>,
}

/// How many answers without an object and without a new cookie are taken.
const MAX_EMPTY: u32 = 100;

/// Changes that are being read.
#[derive(Debug)]
pub(crate) struct DirSync {
    asked: Asked,
    /// The cookie of the last answer that was read to its end.
    cookie: Vec<u8>,
    results: Option<Results>,
    /// Whether any answer was read to its end.
    answered: bool,
    empty: u32,
}

impl DirSync {
    /// Asks.
    pub async fn begin(connection: &mut Connection, asked: Asked) -> Result<Self, DirectoryError> {
        let cookie = asked.cookie.clone();
        let mut changes = Self { asked, cookie, results: None, answered: false, empty: 0 };
        changes.ask(connection).await?;
        Ok(changes)
    }

    /// The same from another cookie on, not asked yet.
    pub fn from(self, cookie: Vec<u8>) -> Self {
        Self { asked: Asked { cookie: cookie.clone(), ..self.asked }, cookie, results: None, answered: false, empty: 0 }
    }

    /// Asks again, of another connection to the same controller, for what came behind the last whole answer.
    pub async fn resume(&mut self, connection: &mut Connection) -> Result<(), DirectoryError> {
        self.ask(connection).await
    }

    async fn ask(&mut self, connection: &mut Connection) -> Result<(), DirectoryError> {
        let search = Search {
            base: &self.asked.base,
            scope: Scope::Subtree,
            filter: &self.asked.filter,
            attributes: &self.asked.attributes,
            controls: vec![dir_sync(self.asked.flags, &self.cookie), extended_dn(), domain_scope()],
            size_limit: 0,
        };
        self.results = Some(connection.search(search).await?);
        Ok(())
    }

    /// The next objects; none when there are no more.
    ///
    /// # Errors
    /// Among others [`DirectoryError::Rights`] where the account may not ask so, and [`DirectoryError::WatermarkLost`]
    /// where the controller does not take the cookie.
    pub async fn next_objects(&mut self, connection: &mut Connection) -> Result<Option<Vec<Object>>, DirectoryError> {
        let url = connection.url().to_owned();
        let (mut objects, mut octets) = (Vec::new(), 0);
        while let Some(mut results) = self.results.take() {
            while objects.len() < PAGE_ITEMS && octets < PAGE_OCTETS {
                let Some(message) = results.next().await? else { break };
                match message::read(message).map_err(|error| malformed(&url, &error))? {
                    Message::Entry(raw, _) => {
                        octets += raw.octets();
                        objects.push(object(&url, &raw, true)?);
                    }
                    // Other domains are not asked after.
                    Message::Reference | Message::SyncInfo(_) | Message::Other => {}
                }
            }
            if objects.len() >= PAGE_ITEMS || octets >= PAGE_OCTETS {
                self.results = Some(results);
                break;
            }
            self.conclude(results, &url, objects.is_empty(), connection).await?;
            if !objects.is_empty() {
                break;
            }
        }
        Ok(if objects.is_empty() { None } else { Some(objects) })
    }

    /// Reads how an answer ended, and asks for the next where there is one.
    async fn conclude(
        &mut self,
        results: Results,
        url: &str,
        empty: bool,
        connection: &mut Connection,
    ) -> Result<(), DirectoryError> {
        let result = results.finish().await;
        match result.rc {
            0 => {}
            // What controllers answer to a cookie that they cannot place.
            2 | 12 | 53 | 80 if !self.asked.cookie.is_empty() && !self.answered => {
                return Err(DirectoryError::WatermarkLost { url: url.to_owned(), reason: describe(&result) });
            }
            _ => return Err(result_error(url, "a question for changes (DirSync)", &self.asked.base, &result)),
        }
        let DirSyncEnd { more, cookie } = match message::result_control(&result, DIR_SYNC) {
            Some(value) => dir_sync_end(value).map_err(|error| malformed(url, &error.into()))?,
            None => return Err(protocol(url, "the end of an answer to DirSync without its control")),
        };
        if cookie.is_empty() {
            return Err(protocol(url, "the end of an answer to DirSync without a cookie"));
        }
        self.empty = if empty && cookie == self.cookie { self.empty + 1 } else { 0 };
        if self.empty > MAX_EMPTY {
            return Err(protocol(url, "that there are more changes, again and again, and none of them"));
        }
        self.cookie = cookie;
        self.answered = true;
        if more { self.ask(connection).await } else { Ok(()) }
    }

    /// Where to go on, behind what was read to its end.
    pub fn cookie(&self) -> &[u8] {
        &self.cookie
    }
}
