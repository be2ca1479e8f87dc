//! Going on after a connection broke in mid-import: at the same controller from where it stood, at another from where the import
//! began.

use super::domain::Controller;
use super::import::{Active, ActiveDirectoryImport, Task};
use super::position::Way;
use crate::connection::Connection;
use crate::error::DirectoryError;

impl ActiveDirectoryImport {
    /// Connects again, maybe to another controller, and goes on where that can be done.
    pub(super) async fn connect_again(&mut self, error: DirectoryError) -> Result<Connection, DirectoryError> {
        if self.retries < self.server.endpoint.servers.len() {
            // It is not the first time: the next controller may be steadier.
            self.server.endpoint.pass_over(&self.url);
        }
        tracing::warn!(%error, "The connection was lost in mid-import; it is made again.");
        let (mut connection, controller) = self.reach_again().await?;
        let same = controller.invocation.is_some() && controller.invocation == self.controller.invocation;
        if self.server.set_back(connection.url(), &controller, self.standing.as_ref())? {
            // Everything is read of it by the next cycle.
            return Err(error);
        }
        self.first = None;
        let active = self.active.take();
        if self.way == Way::ChangeNumbers {
            // Numbers and listings are of one controller and one moment: they begin anew with the next cycle.
            return Err(error);
        }
        match active {
            Some(Active::Changes(mut changes)) if same => {
                changes.resume(&mut connection).await?;
                self.active = Some(Active::Changes(changes));
            }
            Some(Active::Undecided(objects)) if same => {
                self.undecided.extend(objects.into_iter().map(|object| (object.id.clone(), object)));
            }
            Some(Active::Unclear(ids)) if same => self.unclear.extend(ids),
            // A listing that broke off is made another time.
            Some(Active::Told(_) | Active::List(_)) | None if same => {}
            _ => {
                // Another controller understands where an import began, not where another one stood within it. It may be behind
                // that one, so that nothing is to be read of it beside that one's cookie.
                self.undecided.clear();
                self.unclear.clear();
                self.tasks = [Task::Changes].into();
                self.cookie.clone_from(&self.began_at);
                self.answered_by = None;
            }
        }
        self.url = connection.url().to_owned();
        // What changed since the first look comes with the next import.
        let newest_change = if same { self.controller.newest_change } else { controller.newest_change };
        self.controller = Controller { newest_change, ..controller };
        Ok(connection)
    }

    /// A connection to a controller that says how far it is; to the next where one breaks off at once.
    async fn reach_again(&mut self) -> Result<(Connection, Controller), DirectoryError> {
        let mut failed = Vec::new();
        while self.retries > 0 {
            self.retries -= 1;
            let mut connection = Connection::open(&self.server.endpoint).await?;
            match Controller::read(&mut connection, self.server.options.base.as_ref()).await {
                Err(error) if error.is_transient() => {
                    self.server.endpoint.pass_over(connection.url());
                    failed.push(error);
                }
                read => return Ok((connection, read?)),
            }
        }
        Err(DirectoryError::of_servers(failed))
    }
}
