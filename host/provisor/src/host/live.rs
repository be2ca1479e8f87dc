//! Listening to a source between the cycles of a configuration: news of a change brings the next cycle forward.

use std::sync::Arc;
use std::time::Duration;

use provisor_sync::LiveSource;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The wait after a connection was lost; it doubles with each failure, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long a connection must have held for the next failure to count as the first.
const STEADY: Duration = Duration::from_secs(30);

/// What listens for one configuration.
#[derive(Default)]
pub struct Live {
    news: Arc<Notify>,
    listening: Option<Listening>,
}

struct Listening {
    source: watch::Sender<LiveSource>,
    task: JoinHandle<()>,
}

impl Live {
    /// What is notified when something has changed.
    pub fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// Listens to this source from now on, or to none. Who listens already goes on, and takes it up when its connection
    /// is lost.
    pub fn follow(&mut self, name: &str, source: Option<LiveSource>) {
        match (&self.listening, source) {
            (_, None) => self.stop(),
            (Some(listening), Some(source)) => drop(listening.source.send_replace(source)),
            (None, Some(source)) => {
                let (source, sources) = watch::channel(source);
                let task = tokio::spawn(listen(name.to_owned(), sources, self.news()));
                self.listening = Some(Listening { source, task });
            }
        }
    }

    /// Listens no longer.
    pub fn stop(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.task.abort();
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listen(configuration: String, sources: watch::Receiver<LiveSource>, news: Arc<Notify>) {
    let mut pause = FIRST_PAUSE;
    let mut lost = false;
    loop {
        let source = sources.borrow().clone();
        let began = Instant::now();
        let error = match source.listen().await {
            Ok(None) => {
                tracing::warn!(
                    configuration,
                    "the source does not announce its changes; they are found at the interval, as without live"
                );
                return;
            }
            Ok(Some(mut listener)) => {
                tracing::info!(configuration, "listening to the source");
                loop {
                    match listener.changed().await {
                        Ok(()) => {
                            lost = false;
                            news.notify_one();
                        }
                        Err(error) => break error,
                    }
                }
            }
            Err(error) => error,
        };
        if error.needs_full_import() {
            // The next cycle finds out what is left of the watermark, and has another one afterwards.
            news.notify_one();
        }
        if began.elapsed() >= STEADY {
            pause = FIRST_PAUSE;
            lost = false;
        }
        if lost {
            tracing::debug!(configuration, %error, ?pause, "the source still cannot be listened to");
        } else {
            tracing::warn!(configuration, %error, "the source is not heard any more; until it is, the interval serves");
        }
        lost = true;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
