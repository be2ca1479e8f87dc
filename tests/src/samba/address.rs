//! A loopback address for one controller: its ports are fixed, so that each needs an address of its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::PORTS;

/// How many addresses are tried. More than one is needed only where a killed test left its server behind.
const TRIES: usize = 50;

/// An address that nobody else has while this is held, in this process or another.
#[derive(Debug)]
pub struct Address {
    ip: Ipv4Addr,
    /// The kernel gives a port to one listener at a time, and the address is made of the port: holding it is the claim.
    _claim: TcpListener,
}

impl Address {
    /// Claims an address on which nothing listens.
    pub fn claim() -> Result<Self> {
        // Those that are in use are kept until one is found that is not, so that none comes twice.
        let mut in_use = Vec::new();
        for _ in 0..TRIES {
            let claim = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on loopback")?;
            let [high, low] = claim.local_addr()?.port().to_be_bytes();
            let address = Self { ip: Ipv4Addr::new(127, 83, high, low), _claim: claim };
            if PORTS.iter().all(|port| !address.answers(*port)) {
                return Ok(address);
            }
            in_use.push(address);
        }
        bail!("of {TRIES} loopback addresses none was free: is a domain controller here that listens on all of them?")
    }

    /// The address.
    pub fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Whether something accepts connections on this port of the address.
    pub fn answers(&self, port: u16) -> bool {
        TcpStream::connect_timeout(&SocketAddr::from((self.ip, port)), Duration::from_secs(1)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_controllers_have_the_same_address() {
        let claims: Vec<Address> = (0..20).map(|_| Address::claim().unwrap()).collect();
        let mut addresses: Vec<Ipv4Addr> = claims.iter().map(Address::ip).collect();
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 20);
        assert!(addresses.iter().all(Ipv4Addr::is_loopback));
    }
}
