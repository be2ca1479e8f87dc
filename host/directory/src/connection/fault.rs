//! What ends a connection, as the relay finds it, and what that means to whoever waits for an answer.

use std::io;

use super::ber::{MAX_MESSAGE, MAX_PARTS};
use super::result::describe_code;
use crate::error::{DirectoryError, TlsFault};
use crate::tls;

/// What a server sent that the protocol, or its bounds here, do not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("octets that are no LDAP message")]
    NotLdap,
    #[error("a length without an end (the indefinite form)")]
    Indefinite,
    #[error("a message of {0} octets; {MAX_MESSAGE} are the most that is taken")]
    TooLong(u64),
    #[error("a message that is nested too deep")]
    TooDeep,
    #[error("a message of more than {MAX_PARTS} parts")]
    TooManyParts,
    #[error("a message with more than {0} controls")]
    TooManyControls(usize),
    #[error("a malformed {0}")]
    Malformed(&'static str),
    #[error("a malformed control")]
    Control,
    #[error("a {0} that nobody asked for")]
    Unasked(&'static str),
    #[error("a {0} in answer to a {1}")]
    OutOfPlace(&'static str, &'static str),
    #[error("an answer of more than {0} octets while another one was waited for")]
    TooMuch(usize),
    #[error("something else behind its answer to {0}")]
    Behind(&'static str),
}

/// Why a connection has ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// By us.
    Ours,
    /// The server sent what it must not.
    Fault(Fault),
    /// The server hung up: between two messages, or within one.
    HungUp { within_message: bool },
    /// The server said good-bye (notice of disconnection, RFC 4511, section 4.4.1).
    Notice { code: u32, text: String },
    /// TLS failed.
    Tls(TlsFault),
    /// The network failed.
    Network(String),
}

impl End {
    /// What a failed read or write means.
    pub fn of_io(error: &io::Error) -> Self {
        match tls::fault(error) {
            Some(fault) => Self::Tls(fault),
            // A server that hangs up without TLS's own farewell.
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::HungUp { within_message: false },
            None => Self::Network(error.to_string()),
        }
    }

    /// The error for whoever waits.
    pub fn into_error(self, url: &str) -> DirectoryError {
        let url = url.to_owned();
        let unreachable = |reason: String| DirectoryError::Unreachable { url: url.clone(), reason };
        match self {
            Self::Ours => unreachable("the connection was closed".into()),
            Self::Fault(fault) => DirectoryError::Protocol { url, reason: fault.to_string() },
            Self::HungUp { within_message: false } => unreachable("the server closed the connection".into()),
            Self::HungUp { within_message: true } => {
                unreachable("the server closed the connection in the middle of a message".into())
            }
            Self::Notice { code, text } => {
                unreachable(format!("the server ended the connection: {}", describe_code(code, &text)))
            }
            Self::Tls(fault) => DirectoryError::Tls { url, fault },
            Self::Network(reason) => unreachable(reason),
        }
    }
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
