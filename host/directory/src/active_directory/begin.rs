//! The begin of an import: which controller, how its changes are read, and from where on.

use super::ActiveDirectory;
use super::controls::{INCREMENTAL_VALUES, OBJECT_SECURITY};
use super::cookie::Vector;
use super::dirsync::{Asked, DirSync};
use super::domain::Controller;
use super::objects::Object;
use super::options::DomainChanges;
use super::position::{Mark, Standing, Way};
use crate::clock::now;
use crate::connection::Connection;
use crate::error::DirectoryError;

/// What to do about a controller that was set back, beside others.
const SET_BACK: &str = "It has gone back behind what it told before: it was set back to a copy, which its partners do not notice. \
                        Take it out of url, leave another controller in it, and run provisor sync once with --initial; then \
                        demote it and join it to the domain again";

/// How changes are read, and the first of them.
#[derive(Debug)]
pub(crate) enum Start {
    /// DirSync has answered; whether it goes on from a cookie.
    DirSync { way: Way, changes: Box<DirSync>, first: Option<Vec<Object>>, goes_on: bool },
    /// By change numbers, for this reason; from this number on, or everything.
    ChangeNumbers { reason: String, from: Option<u64> },
}

impl ActiveDirectory {
    /// Finds out how this controller can be read, by asking.
    pub(super) async fn start(
        &self,
        connection: &mut Connection,
        controller: &Controller,
        wire: &[String],
        mark: Option<&Mark>,
    ) -> Result<Start, DirectoryError> {
        let numbers = |reason: &str| Start::ChangeNumbers {
            reason: reason.to_owned(),
            from: mark.and_then(|mark| number_of(mark, controller)),
        };
        match self.options.changes {
            DomainChanges::ChangeNumbers => return Ok(numbers("changes = \"change-numbers\" is set")),
            DomainChanges::Auto if !controller.dir_sync => return Ok(numbers("the controller does not offer DirSync")),
            DomainChanges::Auto | DomainChanges::DirSync => {}
        }
        let asked = |flags, cookie| Asked {
            base: controller.domain.clone(),
            filter: self.class_filter(),
            attributes: wire.to_vec(),
            flags,
            cookie,
        };
        let mut refused = None;
        for (way, flags) in [(Way::DirSync, 0), (Way::DirSyncOfVisible, OBJECT_SECURITY)] {
            let cookie = mark.filter(|mark| mark.way == way).map(|mark| mark.cookie.clone()).unwrap_or_default();
            match self.ask(connection, way, asked(INCREMENTAL_VALUES | flags, cookie)).await {
                Ok(start) => return Ok(start),
                // Insufficient rights, and a control that is not taken. What else goes wrong may go right the next time.
                Err(error @ (DirectoryError::Rights { .. } | DirectoryError::Refused { code: 12, .. })) => {
                    self.not_less(mark, way, connection.url(), &error)?;
                    refused = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        match refused {
            Some(error) if self.options.changes == DomainChanges::DirSync => Err(error),
            Some(error) => Ok(numbers(&format!("DirSync is refused: {error}"))),
            None => Ok(numbers("DirSync was not tried")),
        }
    }

    /// Whether a controller was set back, and is read anew because the domain has no other.
    ///
    /// # Errors
    /// When it was set back and the domain has others: nothing is to be read of it.
    pub(super) fn set_back(
        &self,
        url: &str,
        controller: &Controller,
        standing: Option<&Standing>,
    ) -> Result<bool, DirectoryError> {
        match (was_set_back(controller, standing), self.is_alone(controller)) {
            (false, _) => Ok(false),
            (true, true) => {
                tracing::warn!(
                    url,
                    "The only controller of the domain has gone back behind what it told before: it was restored from a copy. \
                     Everything is read."
                );
                Ok(true)
            }
            (true, false) => Err(DirectoryError::Behind { url: url.to_owned(), advice: SET_BACK }),
        }
    }

    /// Whether the domain has no other controller, as this one says itself; where it does not say, whether none is configured.
    pub(super) fn is_alone(&self, controller: &Controller) -> bool {
        controller.alone.unwrap_or(!self.endpoint.has_several())
    }

    /// Who was told so far and is not any more sees less: what is out of sight is not gone.
    fn not_less(
        &self,
        mark: Option<&Mark>,
        refused: Way,
        url: &str,
        error: &DirectoryError,
    ) -> Result<(), DirectoryError> {
        if mark.is_none_or(|mark| mark.way < refused) {
            return Ok(());
        }
        let why = match error {
            DirectoryError::Rights { reason, .. } => reason.clone(),
            other => other.to_string(),
        };
        let reason = format!(
            "DirSync was granted so far, and is not any more: {why}. Nothing was taken for deleted; to go on with less, run \
             provisor sync once with --initial"
        );
        Err(DirectoryError::Rights { url: url.to_owned(), reason })
    }

    /// Asks by DirSync and waits for the first objects; once more from the beginning where the cookie is not taken.
    async fn ask(&self, connection: &mut Connection, way: Way, mut asked: Asked) -> Result<Start, DirectoryError> {
        loop {
            let goes_on = !asked.cookie.is_empty();
            let mut changes = DirSync::begin(connection, asked.clone()).await?;
            match changes.next_objects(connection).await {
                Ok(first) => return Ok(Start::DirSync { way, changes: Box::new(changes), first, goes_on }),
                Err(error) if goes_on && error.needs_full_import() => {
                    tracing::info!(%error, "The controller does not take up what was read last.");
                    asked.cookie.clear();
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// From which number on this controller's changes are to be read: its numbers count as long as it lives.
fn number_of(mark: &Mark, controller: &Controller) -> Option<u64> {
    let same = mark.way == Way::ChangeNumbers && mark.invocation.is_some() && mark.invocation == controller.invocation;
    mark.number.filter(|_| same && !mark.whole_is_due(now()))
}

/// Whether this controller has gone back behind what it told before: it was restored in a way that nobody was told of.
fn was_set_back(controller: &Controller, standing: Option<&Standing>) -> bool {
    let own = |standing: &Standing| {
        let known = standing.vector().of(controller.invocation.as_ref()?)?;
        Some(controller.newest_change? < known)
    };
    standing.and_then(own).unwrap_or(false)
}

/// How far a controller has come by its own word.
pub(crate) fn vector_of(controller: &Controller, cookie: &[u8]) -> Vector {
    let own = controller.invocation.as_ref().zip(controller.newest_change);
    let own = own.map_or_else(Vector::default, |(invocation, number)| Vector::of_one(invocation, number));
    let heard = own.merged(&controller.heard);
    match Vector::of_cookie(cookie) {
        Some(vector) => vector.merged(&heard),
        None => heard,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(invocation: &str, number: u64) -> Controller {
        Controller {
            domain: "DC=lab".into(),
            domain_id: "17".into(),
            invocation: Some(invocation.into()),
            newest_change: Some(number),
            host_name: None,
            dir_sync: true,
            heard: Vector::default(),
            alone: None,
        }
    }

    #[test]
    fn a_controller_whose_numbers_went_back_in_the_same_life_was_restored() {
        let mut standing = Standing::default();
        standing.learn("ldaps://one", &Vector::of_one("a", 70));
        assert!(was_set_back(&controller("a", 69), Some(&standing)));
        assert!(!was_set_back(&controller("a", 70), Some(&standing)));
        assert!(!was_set_back(&controller("b", 1), Some(&standing)), "another life counts anew");
        assert!(!was_set_back(&controller("a", 1), None));
    }

    #[test]
    fn change_numbers_serve_in_the_life_in_which_they_were_counted() {
        let mark = |way, invocation: &str| Mark {
            way,
            cookie: Vec::new(),
            invocation: Some(invocation.into()),
            number: Some(70),
            deletions_told: true,
            listed: 0,
            whole: now(),
        };
        let old = Mark { whole: 0, ..mark(Way::ChangeNumbers, "a") };
        assert_eq!(number_of(&old, &controller("a", 90)), None, "numbers do not tell of links that were lost");
        assert_eq!(number_of(&mark(Way::ChangeNumbers, "a"), &controller("a", 90)), Some(70));
        assert_eq!(number_of(&mark(Way::ChangeNumbers, "a"), &controller("b", 90)), None);
        assert_eq!(number_of(&mark(Way::DirSync, "a"), &controller("a", 90)), None);
    }
}
