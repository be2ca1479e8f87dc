//! Private servers for tests: started on loopback, on free ports, in folders of their own, and gone when dropped.
//!
//! The harness is synchronous, so that plain and async tests can use it alike: what it does takes tenths of a second,
//! and it needs no task of the test's runtime to go on. `cargo xtask setup` installs the programs that it starts.

#![allow(clippy::missing_errors_doc, reason = "every error here ends a test, with its text as the reason")]

pub mod certificates;
pub mod controller;
pub mod daemon;
pub mod django_scim;
pub mod installed;
pub mod ldif;
pub mod netscape;
pub mod rebuilt;
pub mod samba;
pub mod scim2_server;
pub mod scimmy;
pub mod slapd;
pub mod tinyproxy;
pub mod wait;

pub use certificates::{Authority, ServerCertificate, Validity};
pub use controller::{Class, ControllerDouble, ControllerOptions, Fault, Guid, Replica, RequestKind};
pub use django_scim::DjangoScim;
pub use netscape::{Netscape, NetscapeOptions};
pub use rebuilt::rebuilt_people;
pub use samba::{Samba, SambaOptions};
pub use scim2_server::Scim2Server;
pub use scimmy::Scimmy;
pub use slapd::{ChangeLog, Slapd, SlapdOptions};
pub use tinyproxy::Tinyproxy;
pub use wait::{free_port, wait_until, wait_until_async};
