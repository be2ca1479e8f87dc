//! Changes as they happen: a search that persists (RFC 4533, section 3.4) announces that there are some, no more. What they
//! are, the next import reads, so that nothing is read twice and the watermark has one owner.

use std::sync::Arc;
use std::time::Duration;

use ldap3::Scope;
use ldap3::controls::{MakeCritical, RawControl, RefreshMode, SyncRequest};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::OpenLdap;
use super::csn::Csns;
use super::position::Marks;
use super::root::RootDse;
use crate::connection::{Connection, Endpoint, Results, Search, result_error};
use crate::error::DirectoryError;
use crate::search::EVERYTHING;
use crate::search::controls::{EntryState, SyncInfo};
use crate::search::few::{malformed, read_one};
use crate::search::message::{self, Message};
use crate::search::paged::{manage_dsa_it, reference};
use crate::watermark::{Position, Watermark};

/// How long a server may say nothing before it is asked whether it is still there; less where its timeout is shorter.
const SILENCE: Duration = Duration::from_secs(20);

/// Announces that something changed in a directory. Dropped, it is closed.
#[derive(Debug)]
pub struct Listener {
    news: mpsc::Receiver<Result<(), DirectoryError>>,
    _searches: JoinSet<()>,
}

impl Listener {
    /// Waits until something has changed since the last call, or since the watermark.
    ///
    /// # Errors
    /// When the connection is lost; then nothing more comes.
    pub async fn changed(&mut self) -> Result<(), DirectoryError> {
        let lost = || DirectoryError::Unreachable {
            url: "the directory".into(),
            reason: "it is not listened to any more".into(),
        };
        let news = self.news.recv().await.unwrap_or_else(|| Err(lost()));
        // Several changes are one piece of news.
        while let Ok(more) = self.news.try_recv() {
            more?;
        }
        news
    }
}

/// Begins to listen below each base; none where the server does not synchronise.
pub(crate) async fn listen(
    server: &OpenLdap,
    watermark: Option<&Watermark>,
) -> Result<Option<Listener>, DirectoryError> {
    let mut connection = Connection::try_open(&server.endpoint).await?;
    let root = RootDse::read(&mut connection).await?;
    connection.close().await;
    if !root.synchronises {
        return Ok(None);
    }
    let marks = Position::<Marks>::read(watermark).and_then(|position| position.mark);
    // One of them waiting is enough: it says that there is something.
    let (tell, news) = mpsc::channel(1);
    let mut searches = JoinSet::new();
    for base in server.bases() {
        let cookie = marks.as_ref().and_then(|marks| marks.bases.get(&base)?.cookie().map(<[u8]>::to_vec));
        let maker = marks.as_ref().map(|marks| marks.server.clone()).unwrap_or_default();
        let ear = Ear {
            endpoint: Arc::clone(&server.endpoint),
            base,
            filter: server.filter(),
            cookie,
            maker,
            tell: tell.clone(),
        };
        searches.spawn(async move {
            let tell = ear.tell.clone();
            if let Err(error) = ear.listen().await {
                // Whoever listened may have stopped to.
                let _ = tell.send(Err(error)).await;
            }
        });
    }
    Ok(Some(Listener { news, _searches: searches }))
}

/// What listens below one base.
struct Ear {
    endpoint: Arc<Endpoint>,
    base: String,
    filter: String,
    cookie: Option<Vec<u8>>,
    /// The server that made the cookie.
    maker: String,
    tell: mpsc::Sender<Result<(), DirectoryError>>,
}

impl Ear {
    async fn listen(self) -> Result<(), DirectoryError> {
        let mut connection = Connection::try_open(&self.endpoint).await?;
        let mode = RefreshMode::RefreshAndPersist;
        // Only the numbers of OpenLDAP mean something to other servers than the one that made the cookie.
        let numbers = |cookie: &[u8]| std::str::from_utf8(cookie).ok().and_then(Csns::from_cookie).is_some();
        let cookie = self.cookie.clone().filter(|cookie| self.maker == connection.url() || numbers(cookie));
        let request: RawControl = SyncRequest { mode, cookie, reload_hint: false }.critical().into();
        let search = Search {
            base: &self.base,
            scope: Scope::Subtree,
            filter: &self.filter,
            attributes: &["1.1".to_owned()],
            controls: vec![request, manage_dsa_it()],
            size_limit: 0,
        };
        let mut results = connection.search(search).await?;
        let silence = SILENCE.min(self.endpoint.timeout / 2);
        loop {
            match tokio::time::timeout(silence, results.next()).await {
                // A connection whose other end has gone without a word stays silent as well.
                Err(_) => drop(read_one(&mut connection, "", EVERYTHING, &["1.1"]).await?),
                Ok(message) => match message? {
                    Some(message) => {
                        let message = message::read(message).map_err(|error| malformed(connection.url(), &error))?;
                        if is_news(&message, connection.url())? {
                            self.announce();
                        }
                    }
                    None => return Err(self.ended(connection.url(), results).await),
                },
            }
        }
    }

    /// Says that there is something, unless that has been said and not yet been heard.
    fn announce(&self) {
        let _ = self.tell.try_send(Ok(()));
    }

    /// Why a search that should have persisted ended.
    async fn ended(&self, url: &str, results: Results) -> DirectoryError {
        let result = results.finish().await;
        match result.rc {
            0 => DirectoryError::EndedEarly {
                url: url.to_owned(),
                reason: "it ended the search that was to announce changes".into(),
                transient: true,
            },
            4096 | 2 | 12 => {
                DirectoryError::WatermarkLost { url: url.to_owned(), reason: crate::connection::describe(&result) }
            }
            _ => result_error(url, "a search that announces changes", &self.base, &result),
        }
    }
}

/// Whether a message says that something changed. A present phase may, by what it leaves out.
fn is_news(message: &Message, url: &str) -> Result<bool, DirectoryError> {
    Ok(match message {
        Message::Reference => return Err(reference(url)),
        Message::Entry(_, state) => state.as_ref().is_none_or(|state| state.state != EntryState::Present),
        Message::SyncInfo(SyncInfo::RefreshPresent { .. } | SyncInfo::IdSet { deleted: true, .. }) => true,
        Message::SyncInfo(_) | Message::Other => false,
    })
}
