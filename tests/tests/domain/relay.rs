//! Stands before a controller, at its own address so that the certificate holds, and breaks down when told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use provisor_tests::Samba;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The relay; gone when dropped.
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    /// How many octets of the controller's came through.
    passed: AtomicU64,
    /// How many may.
    limit: u64,
    broken: watch::Sender<bool>,
}

impl Relay {
    /// A relay that lets so many octets of the controller's through, and then closes all connections and takes no more.
    pub async fn before(controller: &Samba, limit: u64) -> Self {
        let listener = TcpListener::bind((controller.address(), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = SocketAddr::from((controller.address(), 636));
        let state = Arc::new(State { passed: AtomicU64::new(0), limit, broken: watch::Sender::new(false) });
        let own = Arc::clone(&state);
        tokio::spawn(async move {
            let mut broken = own.broken.subscribe();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        tokio::spawn(connection(accepted.unwrap().0, service, Arc::clone(&own)));
                    }
                    // The listener goes with this task: who comes now is refused.
                    _ = broken.wait_for(|broken| *broken) => return,
                }
            }
        });
        Self { address, state }
    }

    pub fn url(&self) -> String {
        format!("ldaps://{}", self.address)
    }

    pub fn passed(&self) -> u64 {
        self.state.passed.load(Ordering::SeqCst)
    }

    pub fn is_broken(&self) -> bool {
        *self.state.broken.borrow()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.state.broken.send_replace(true);
    }
}

async fn connection(near: TcpStream, service: SocketAddr, state: Arc<State>) {
    let Ok(far) = TcpStream::connect(service).await else { return };
    let mut broken = state.broken.subscribe();
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
    let answers = async {
        let mut octets = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = far_in.read(&mut octets).await {
            let passed = state.passed.fetch_add(count as u64, Ordering::SeqCst) + count as u64;
            if passed > state.limit {
                state.broken.send_replace(true);
                return;
            }
            if near_out.write_all(&octets[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = answers => {}
        _ = copy(&mut near_in, &mut far_out) => {}
        _ = broken.wait_for(|broken| *broken) => {}
    }
}
