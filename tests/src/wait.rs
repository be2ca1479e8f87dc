//! Waiting for a condition, with a deadline; and ports that nothing listens on.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The pause between two looks at a condition: short against what a test takes, long against what a look costs.
const PAUSE: Duration = Duration::from_millis(10);

/// Blocks until the condition holds; fails, naming `what`, when it does not within `limit`.
///
/// This is the one place where a test may pause: it returns as soon as the condition holds, and never decides by time.
#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at something that tells nobody when it changes"
)]
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= deadline {
            bail!("waited {} s in vain for {what}", limit.as_secs_f32());
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// The same for async tests: the runtime goes on while it waits, and looking may itself be async.
pub async fn wait_until_async(what: &str, limit: Duration, mut condition: impl AsyncFnMut() -> bool) -> Result<()> {
    let looking = async {
        while !condition().await {
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(limit, looking).await {
        Ok(()) => Ok(()),
        Err(_) => bail!("waited {} s in vain for {what}", limit.as_secs_f32()),
    }
}

/// A loopback port that nothing listens on now. Another program may take it first, so that a server which cannot have
/// its port is started again on another.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
    Ok(listener.local_addr()?.port())
}

/// Whether something accepts connections on this loopback port.
#[must_use]
pub fn port_answers(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_never_holds_is_named() {
        let error = wait_until("the impossible", Duration::from_millis(30), || false).unwrap_err();
        assert!(error.to_string().contains("in vain for the impossible"), "{error}");
    }

    #[test]
    fn waiting_ends_when_the_condition_holds() {
        let mut looks = 0;
        wait_until("the third look", Duration::from_secs(20), || {
            looks += 1;
            looks == 3
        })
        .unwrap();
        assert_eq!(looks, 3);
    }

    #[tokio::test]
    async fn an_async_condition_that_never_holds_is_named() {
        let error = wait_until_async("the impossible", Duration::from_millis(30), async || false).await.unwrap_err();
        assert!(error.to_string().contains("in vain for the impossible"), "{error}");
    }

    #[test]
    fn a_free_port_answers_only_once_something_listens() {
        let port = free_port().unwrap();
        assert!(!port_answers(port));
        let _listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        assert!(port_answers(port));
    }
}
