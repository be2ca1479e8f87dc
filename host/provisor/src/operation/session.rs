//! One request from a command: to the running host where there is one, else on the data folder itself.

use std::time::Duration;

use provisor_sync::{CycleWatch, HostSettings, Progress};
use tokio::time::Instant;

use super::{Answer, Own, Request};
use crate::data_folder::{DataFolder, Refusal};
use crate::failure::Failure;
use crate::process::StopSignals;
use crate::socket::Client;

/// How long a folder may be in use by somebody who cannot be asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// The wait between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Has a request carried out, and shows its progress. Ctrl-C asks the cycle to pause; a second one gives up waiting.
pub async fn perform(
    settings: &HostSettings,
    request: Request,
    show: &mut (dyn FnMut(Progress) + Send),
) -> Result<Answer, Failure> {
    let mut signals = StopSignals::take_over()?;
    let data_folder = match reach(settings).await? {
        Reached::Host(client) => return client.perform(&request, show, &mut signals).await,
        Reached::Folder(data_folder) => data_folder,
    };
    let own = Own::open(settings.clone(), data_folder).await?;
    let watch = CycleWatch::new();
    let mut progress = watch.progress();
    let mut work = std::pin::pin!(own.perform(request, &watch));
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            () = signals.next() => {
                if watch.stopping() {
                    return Err(Failure::failed("interrupted; what was done is kept, and the next cycle goes on from there"));
                }
                watch.stop();
            }
            Ok(()) = progress.changed() => show(*progress.borrow_and_update()),
        }
    }
}

/// What stands behind a data folder.
pub enum Reached {
    /// The host that runs on it.
    Host(Client),
    /// Nobody: it is ours now.
    Folder(DataFolder),
}

/// Reaches the host that runs on the data folder, or takes the folder. Where neither is possible, a host is about to
/// start or another command is at work: that is waited out for some seconds.
pub async fn reach(settings: &HostSettings) -> Result<Reached, Failure> {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(client) = Client::connect(&settings.socket()).await? {
            return Ok(Reached::Host(client));
        }
        match DataFolder::take(&settings.data_folder) {
            Err(Refusal::InUse(_)) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
            taken => return Ok(Reached::Folder(taken?)),
        }
    }
}
