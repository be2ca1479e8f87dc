//! Changes by DirSync (MS-ADTS, section 3.1.1.3.4.1.3): answer after answer, as long as the controller has more.

use ldap3::Scope;

use super::controls::{DIR_SYNC, DirSyncEnd, dir_sync, dir_sync_end, domain_scope, extended_dn};
use super::objects::Object;
use super::whole::object;
use crate::connection::{Connection, Results, Search, describe, result_error};
use crate::error::DirectoryError;
use crate::import::{PAGE_ITEMS, PAGE_OCTETS, cost_of_values};
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

/// How many answers without an object are taken, one after the other: there may be much that the filter leaves out.
const MAX_EMPTY: u32 = 10_000;

/// Changes that are being read.
#[derive(Debug)]
pub(crate) struct DirSync {
    asked: Asked,
    /// The cookie of the last answer of which all was given out.
    cookie: Vec<u8>,
    results: Option<Results>,
    /// How the answer ended of which the last objects were given out: it counts once they were taken.
    end: Option<DirSyncEnd>,
    /// Whether any answer was read to its end.
    answered: bool,
    empty: u32,
}

impl DirSync {
    /// Asks.
    pub async fn begin(connection: &mut Connection, asked: Asked) -> Result<Self, DirectoryError> {
        let cookie = asked.cookie.clone();
        let mut changes = Self { asked, cookie, results: None, end: None, answered: false, empty: 0 };
        changes.ask(connection).await?;
        Ok(changes)
    }

    /// Asks again, of another connection to the same controller, for what came behind the last whole answer.
    pub async fn resume(&mut self, connection: &mut Connection) -> Result<(), DirectoryError> {
        self.ask(connection).await
    }

    async fn ask(&mut self, connection: &mut Connection) -> Result<(), DirectoryError> {
        self.end = None;
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
        loop {
            // What was given out has been taken by now: an answer counts from here on.
            if let Some(DirSyncEnd { more, cookie }) = self.end.take() {
                self.cookie = cookie;
                if more {
                    self.ask(connection).await?;
                }
            }
            let Some(mut results) = self.results.take() else { return Ok(None) };
            while objects.len() < PAGE_ITEMS && octets < PAGE_OCTETS {
                let Some(message) = results.next().await? else { break };
                match message::read(message).map_err(|error| malformed(&url, &error))? {
                    Message::Entry(raw, _) => {
                        octets += raw.octets() + cost_of_values(raw.count_values());
                        objects.push(object(&url, &raw, true)?);
                    }
                    // Other domains are not asked after.
                    Message::Reference | Message::SyncInfo(_) | Message::Other => {}
                }
            }
            if objects.len() >= PAGE_ITEMS || octets >= PAGE_OCTETS {
                self.results = Some(results);
                return Ok(Some(objects));
            }
            self.conclude(results, &url, objects.is_empty()).await?;
            if !objects.is_empty() {
                return Ok(Some(objects));
            }
        }
    }

    /// Reads how an answer ended.
    async fn conclude(&mut self, results: Results, url: &str, empty: bool) -> Result<(), DirectoryError> {
        let result = results.finish().await;
        match result.rc {
            0 => {}
            // What controllers answer to a cookie that they cannot place.
            2 | 12 | 53 | 80 if !self.asked.cookie.is_empty() && !self.answered => {
                return Err(DirectoryError::WatermarkLost { url: url.to_owned(), reason: describe(&result) });
            }
            50 => {
                let reason = format!(
                    "{}. Grant the account the right Replicating Directory Changes on the domain (provisor check has the command)",
                    describe(&result)
                );
                return Err(DirectoryError::Rights { url: url.to_owned(), reason });
            }
            _ => return Err(result_error(url, "a question for changes (DirSync)", &self.asked.base, &result)),
        }
        let end = match message::result_control(&result, DIR_SYNC) {
            Some(value) => dir_sync_end(value).map_err(|error| malformed(url, &error.into()))?,
            None => return Err(protocol(url, "the end of an answer to DirSync without its control")),
        };
        if end.cookie.is_empty() {
            return Err(protocol(url, "the end of an answer to DirSync without a cookie"));
        }
        self.empty = if empty { self.empty + 1 } else { 0 };
        if self.empty > MAX_EMPTY {
            return Err(protocol(url, "that there are more changes, again and again, and none of them"));
        }
        self.answered = true;
        self.end = Some(end);
        Ok(())
    }

    /// Where to go on, behind what was read to its end.
    pub fn cookie(&self) -> &[u8] {
        &self.cookie
    }
}
