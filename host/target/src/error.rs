//! What can go wrong with a target, told apart by what is to be done about it.

use std::fmt;
use std::time::Duration;

/// Why a target did not do what was asked. Messages name the place, without secrets or personal data, and the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The settings cannot work; nothing was sent.
    #[error("{0}")]
    Configuration(String),
    /// No connection came about: the request was never sent.
    #[error(
        "{url} cannot be reached: {reason}. Check the address, the firewall and, where one is needed, the proxy setting"
    )]
    Unreachable {
        /// Where the connection was to go.
        url: String,
        /// What the network said.
        reason: String,
    },
    /// The connection is not secure: the request was never sent.
    #[error("the TLS connection to {url} failed: {problem}")]
    Tls {
        /// Where the connection was to go.
        url: String,
        /// What is wrong with it.
        problem: TlsProblem,
    },
    /// The credentials were refused.
    #[error(
        "{url} refused the token or password (HTTP {status}{}). Check that it is the one for this service, has not expired, and \
         may read and write users and groups", with_detail(.detail)
    )]
    Unauthorized {
        /// What was asked for.
        url: String,
        /// The HTTP status, 401 or 403.
        status: u16,
        /// What the service said about it.
        detail: String,
    },
    /// The token endpoint gave no token.
    #[error("{url} gave no token ({reason}). {advice}")]
    TokenRefused {
        /// The token endpoint.
        url: String,
        /// What it said.
        reason: String,
        /// What to do about it.
        advice: String,
    },
    /// What answered is no SCIM 2.0 service.
    #[error(
        "{url} does not answer as a SCIM 2.0 service: {found}. Check that the URL is the service's SCIM base, such as \
         https://tenant.example/scim/v2"
    )]
    NotScim {
        /// What was asked for.
        url: String,
        /// What came instead.
        found: String,
    },
    /// The service asked to slow down for longer than one request may wait.
    #[error(
        "{url} still asks to slow down after {} s of waiting (HTTP 429). The next cycle goes on; a lower concurrency, or a higher \
         quota at the service, makes it faster", .waited.as_secs()
    )]
    Throttled {
        /// What was asked for.
        url: String,
        /// How long the request has waited altogether.
        waited: Duration,
    },
    /// The service failed at every attempt, and has not done what was asked.
    #[error(
        "{operation} failed at every one of {attempts} attempts, at last with: {reason}. It is tried again later; see the service's own log"
    )]
    Unavailable {
        /// What was tried.
        operation: String,
        /// How often.
        attempts: u32,
        /// How it ended the last time.
        reason: String,
        /// Whether other requests of the time fared no better, so that the service as a whole is to blame.
        widespread: bool,
    },
    /// The service refused this one request.
    #[error("{operation} was refused (HTTP {status}{}){}", with_scim_type(.scim_type), after_colon(.detail))]
    Refused {
        /// What was tried.
        operation: String,
        /// The HTTP status.
        status: u16,
        /// SCIM's word for the reason (RFC 7644, table 9).
        scim_type: Option<String>,
        /// What the service said about it.
        detail: String,
    },
    /// A value that must be unique is another resource's already, or the resource is already there.
    #[error("{operation} conflicts with what the target has{}{}", in_brackets(.scim_type), after_colon(.detail))]
    Conflict {
        /// What was tried.
        operation: String,
        /// SCIM's word for the reason, mostly `uniqueness`.
        scim_type: Option<String>,
        /// What the service said about it.
        detail: String,
    },
    /// The resource is not there.
    #[error("{operation}: the target has no such resource (HTTP 404)")]
    NotFound {
        /// What was tried.
        operation: String,
    },
    /// The request was sent and its reply was lost: it may have been carried out or not. Match before trying again.
    #[error(
        "{operation} may have been carried out or not: {reason}. The object is matched again before the next attempt"
    )]
    Uncertain {
        /// What was tried.
        operation: String,
        /// What happened to the reply.
        reason: String,
    },
    /// A listing did not come whole. Nothing may be concluded from what is not in it.
    #[error("the listing of {kind} at {url} is not whole: {reason}. Try again when nobody else writes to the target")]
    ListingIncomplete {
        /// The resource type.
        kind: String,
        /// What was asked for.
        url: String,
        /// How it was noticed.
        reason: String,
    },
    /// The target cannot do this at all.
    #[error("{0}")]
    Unsupported(String),
}

impl TargetError {
    /// Whether other requests would fare the same, so that the cycle should stop; otherwise only this object is concerned.
    pub fn concerns_whole_target(&self) -> bool {
        match self {
            Self::Configuration(_)
            | Self::Unreachable { .. }
            | Self::Tls { .. }
            | Self::Unauthorized { .. }
            | Self::TokenRefused { .. }
            | Self::NotScim { .. }
            | Self::Throttled { .. } => true,
            Self::Unavailable { widespread, .. } => *widespread,
            Self::Refused { .. }
            | Self::Conflict { .. }
            | Self::NotFound { .. }
            | Self::Uncertain { .. }
            | Self::ListingIncomplete { .. }
            | Self::Unsupported(_) => false,
        }
    }

    /// Whether a write may have been carried out although it is reported as failed.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Uncertain { .. } | Self::Unavailable { .. } | Self::NotScim { .. })
    }
}

fn with_detail(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(", \"{detail}\"") }
}

fn with_scim_type(scim_type: &Option<String>) -> String {
    scim_type.as_ref().map_or_else(String::new, |word| format!(", {word}"))
}

fn in_brackets(scim_type: &Option<String>) -> String {
    scim_type.as_ref().map_or_else(String::new, |word| format!(" ({word})"))
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

/// What is wrong with a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsProblem {
    /// The certificate's time is over.
    Expired,
    /// The certificate's time has not come, by this machine's clock.
    NotYetValid,
    /// The certificate was not issued by an authority that is trusted here.
    UnknownIssuer,
    /// The certificate is for other names.
    WrongName,
    /// The certificate has been revoked.
    Revoked,
    /// The certificate is an authority's own, and used for a service.
    SelfSigned,
    /// What answers does not speak TLS.
    NoTls,
    /// The service does not accept the client's certificate, or wants one and was shown none.
    ClientCertificate,
    /// Anything else, in the TLS library's words.
    Other(String),
}

impl fmt::Display for TlsProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => formatter.write_str("the service's certificate has expired. Its operator must renew it"),
            Self::NotYetValid => {
                formatter.write_str("the service's certificate is not valid yet. Check the clock of this machine and of the service")
            }
            Self::UnknownIssuer => formatter.write_str(
                "the service's certificate was issued by an authority that is not trusted here. If it is a private one, name its \
                 certificate file with the target's \"ca\" setting",
            ),
            Self::WrongName => formatter.write_str(
                "the service's certificate is for another name. Use the host name that stands in the certificate, or have one \
                 issued for this name",
            ),
            Self::SelfSigned => formatter.write_str(
                "the service uses a certificate of an authority (CA:TRUE), as self-signed ones often are. It needs one of its own, \
                 issued by that authority",
            ),
            Self::Revoked => formatter.write_str("the service's certificate has been revoked. Its operator must replace it"),
            Self::NoTls => formatter.write_str("what answers there does not speak TLS. Check the scheme (https or http) and the port"),
            Self::ClientCertificate => formatter.write_str(
                "the service wants a client certificate that it knows. Check the target's \"client-certificate\" and \"client-key\", \
                 and that the certificate has not expired",
            ),
            Self::Other(reason) => write!(formatter, "{reason}. Check the service's certificate and TLS settings"),
        }
    }
}
