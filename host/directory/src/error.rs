//! What can go wrong with a source directory, told apart as far as somebody acts on it differently.

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a source directory could not be read. Each message says what happened, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// The options or the request cannot be meant so.
    #[error("{0}")]
    Configuration(String),
    /// No connection, or one that broke or fell silent.
    #[error(
        "{url} cannot be reached: {reason}. Check that the server runs and that the network lets this host through"
    )]
    Unreachable {
        /// The server.
        url: String,
        /// What happened.
        reason: String,
    },
    /// The connection could not be secured.
    #[error("The connection to {url} cannot be secured: {fault}")]
    Tls {
        /// The server.
        url: String,
        /// What is wrong.
        fault: TlsFault,
    },
    /// The server does not accept us as whom we bind.
    #[error("{url} refuses the bind of {who}: {reason}. {advice}")]
    Credentials {
        /// The server.
        url: String,
        /// Who was to be bound.
        who: String,
        /// The server's answer.
        reason: String,
        /// What to look at.
        advice: &'static str,
    },
    /// Kerberos gives no ticket by which the bind could be made. The server was not asked.
    #[error("There is no Kerberos ticket of {who} for {url}: {reason}. {advice}")]
    Ticket {
        /// The server for which it was to be.
        url: String,
        /// Whose ticket it was to be.
        who: String,
        /// What stands in the way.
        reason: String,
        /// What to look at.
        advice: &'static str,
    },
    /// None of several servers can be used.
    #[error("None of the servers in url can be used: {}", Each(.0))]
    NoServer(
        /// What is wrong with each, in the order in which they were tried.
        Vec<DirectoryError>,
    ),
    /// The base does not exist, or may not be seen.
    #[error(
        "{url} has no entry \"{base}\", or hides it from the account. Check base, and the account's right to read it"
    )]
    NoSuchBase {
        /// The server.
        url: String,
        /// The base that was searched.
        base: String,
    },
    /// The account may not read what is needed.
    #[error("{url} does not show what is needed: {reason}")]
    Rights {
        /// The server.
        url: String,
        /// What is missing and what to grant.
        reason: String,
    },
    /// A search ended before everything was read. What was read so far is no import.
    #[error("{url} ended the search before everything was read: {reason}")]
    EndedEarly {
        /// The server or file.
        url: String,
        /// Why, and what to do.
        reason: String,
        /// Whether trying again later may help.
        transient: bool,
    },
    /// The server no longer knows where the watermark stands, and said so when part of the import was already read.
    #[error("{url} cannot go on from where the last import ended: {reason}. Everything must be read")]
    WatermarkLost {
        /// The server.
        url: String,
        /// The server's answer.
        reason: String,
    },
    /// A server does not show that it knows what was already read, maybe from another one of the same directory. What it lacks is not gone.
    #[error("{url} is behind what was already read of this directory, or does not say how far it has come. {advice}")]
    Behind {
        /// The server.
        url: String,
        /// What becomes of it, and what to do.
        advice: &'static str,
    },
    /// The server refused an operation for a reason that is none of the others.
    #[error("{url} refuses {operation}: result {code}: {reason}")]
    Refused {
        /// The server.
        url: String,
        /// What was asked.
        operation: &'static str,
        /// The result code (RFC 4511, appendix A).
        code: u32,
        /// The server's words.
        reason: String,
    },
    /// The server sent what the protocol does not allow.
    #[error("{url} sent what cannot be understood: {reason}. Check that it is an LDAP server, and its version")]
    Protocol {
        /// The server.
        url: String,
        /// What was wrong.
        reason: String,
    },
    /// A file cannot be read, or what it holds is not right.
    #[error("{}: {reason}", Place(path, *line))]
    File {
        /// The file.
        path: PathBuf,
        /// The line that is wrong, counted from 1.
        line: Option<u64>,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// What stands in the way of a secure connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The server's certificate is out of date.
    #[error("the server's certificate has expired. Renew it on the server, and check this host's clock")]
    Expired,
    /// The server's certificate is not yet in force.
    #[error("the server's certificate is not valid yet. Check this host's clock and the server's certificate")]
    NotYetValid,
    /// Nobody we trust has issued the server's certificate.
    #[error(
        "the server's certificate was not issued by an authority that is trusted here. Set ca to the PEM file of the authority that issued it"
    )]
    UnknownIssuer,
    /// The server's certificate is for another host.
    #[error("the server's certificate is not for this name. Use a name in url that the certificate lists: {0}")]
    WrongName(String),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl DirectoryError {
    /// Whether the same may succeed later without anybody doing something.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Behind { .. } => true,
            Self::EndedEarly { transient, .. } => *transient,
            Self::NoServer(errors) => errors.iter().any(Self::is_transient),
            _ => false,
        }
    }

    /// Whether another server of the same directory may do what this one did not. What this host is told wrongly stays
    /// wrong everywhere, and a password that is refused is not tried again: that locks accounts.
    pub(crate) fn another_server_may_help(&self) -> bool {
        !matches!(self, Self::Configuration(_) | Self::Credentials { .. } | Self::Ticket { .. } | Self::File { .. })
    }

    /// What it means that all of these servers failed: one's own words where it is the only one. A server that was tried
    /// several times, and failed each time for the same reason, is told of once.
    pub(crate) fn of_servers(errors: Vec<Self>) -> Self {
        let single = errors.into_iter().flat_map(|error| match error {
            Self::NoServer(each) => each,
            one => vec![one],
        });
        let mut told = HashSet::new();
        let mut each: Vec<Self> = single.filter(|error| told.insert(error.to_string())).collect();
        match each.len() {
            1 => each.remove(0),
            _ => Self::NoServer(each),
        }
    }

    /// Whether an import without a watermark is the remedy.
    pub fn needs_full_import(&self) -> bool {
        matches!(self, Self::WatermarkLost { .. })
    }

    /// An error about a whole file.
    pub(crate) fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), line: None, reason: reason.into() }
    }

    /// An error about one line of a file.
    pub(crate) fn line(path: &Path, line: u64, reason: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), line: Some(line), reason: reason.into() }
    }
}

/// Errors in one line, numbered.
struct Each<'a>(&'a [DirectoryError]);

impl fmt::Display for Each<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "; " };
            write!(formatter, "{separator}{}) {error}", place + 1)?;
        }
        Ok(())
    }
}

/// A file and the line in it, as editors understand it.
struct Place<'a>(&'a Path, Option<u64>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(line) => write!(formatter, "{}:{line}", self.0.display()),
            None => write!(formatter, "{}", self.0.display()),
        }
    }
}

/// What a server wrote, made fit for one line of a log: bounded, and without control characters; Active Directory ends
/// its texts with one.
pub(crate) fn server_words(text: &str) -> String {
    text.trim_end_matches('\0')
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_a_file_names_its_line() {
        let error = DirectoryError::line(Path::new("people.ldif"), 17, "something is wrong");
        assert_eq!(error.to_string(), "people.ldif:17: something is wrong");
    }

    fn unreachable(url: &str, reason: &str) -> DirectoryError {
        DirectoryError::Unreachable { url: url.into(), reason: reason.into() }
    }

    #[test]
    fn a_server_that_fails_again_for_the_same_reason_is_told_of_once() {
        let away = || unreachable("ldaps://one", "Connection refused");
        let only = DirectoryError::of_servers(vec![away(), away()]);
        assert_eq!(only.to_string(), away().to_string(), "as if it had been tried once");
        let other = || unreachable("ldaps://two", "no answer");
        let both = || DirectoryError::of_servers(vec![away(), other()]);
        let again = DirectoryError::of_servers(vec![both(), both()]);
        assert_eq!(again.to_string(), both().to_string());
        assert!(again.is_transient());
        assert_eq!(again.to_string().matches("ldaps://two").count(), 1, "{again}");
        let otherwise = DirectoryError::of_servers(vec![away(), unreachable("ldaps://one", "no answer")]);
        assert!(otherwise.to_string().contains("2) ldaps://one"), "another reason is told too: {otherwise}");
    }

    #[test]
    fn what_a_server_writes_cannot_forge_lines_of_a_log() {
        assert_eq!(server_words("no\nERROR all lost\u{1b}[2J"), "no ERROR all lost [2J");
        assert_eq!(server_words(&"x".repeat(5000)).len(), 200);
        assert_eq!(server_words("data 52e, v4563\0"), "data 52e, v4563");
    }
}
