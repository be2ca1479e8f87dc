//! Binds by Kerberos (SASL GSSAPI, RFC 4752): the domain's Kerberos servers give a ticket for the key in a keytab, and the
//! ticket is shown to the server, tied to the TLS session. It goes on over TLS alone: no layer of Kerberos' own is laid
//! over the messages, which nobody could check then.

mod binding;
mod failure;
mod tickets;

use std::path::PathBuf;

use ldap3::LdapResult;
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext as _};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_NT_HOSTBASED_SERVICE};

use super::endpoint::{Endpoint, Route};
use super::exchange::exchange;
use super::fault::{End, Fault};
use super::grammar::{self, Kind};
use super::reach::{Reached, hinted};
use super::refusal::refusal;
use crate::error::DirectoryError;
pub(super) use binding::channel_binding;
use failure::Failure;
use tickets::Tickets;

/// The result of a bind that needs a further step.
const IN_PROGRESS: u32 = 14;
/// The most steps of a bind: one proves who we are, one takes the server's proof, one agrees on the layer; and some to
/// spare.
const MAX_STEPS: u32 = 8;
/// The layer that leaves messages as they are, and the largest message that it takes, which must be 0 (RFC 4752,
/// section 3.1).
const NO_LAYER: [u8; 4] = [1, 0, 0, 0];

/// As whom a Kerberos bind is made.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    /// The file that has the account's key.
    pub keytab: PathBuf,
    /// The account: `name@REALM`.
    pub principal: String,
}

impl Account {
    /// An account, once its name is found to be one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(keytab: PathBuf, principal: String) -> Result<Self, String> {
        let odd = |character: char| character.is_whitespace() || character.is_control();
        match principal.split_once('@') {
            Some((name, realm))
                if !name.is_empty() && !realm.is_empty() && !realm.contains('@') && !principal.contains(odd) =>
            {
                Ok(Self { keytab, principal })
            }
            _ => Err(format!("principal is \"{principal}\"; it must be name@REALM, as klist -k shows it")),
        }
    }

    fn realm(&self) -> &str {
        self.principal.split_once('@').map_or("", |(_, realm)| realm)
    }

    /// For messages.
    fn who(&self) -> String {
        format!("\"{}\"", self.principal)
    }
}

/// What a bind goes by, on whatever thread.
#[derive(Clone)]
struct Attempt {
    account: Account,
    url: String,
    host: String,
    binding: Option<Vec<u8>>,
}

/// Binds, and gives the connection back.
///
/// # Errors
/// When no ticket is to be had, the server does not accept it or does not prove who it is, or the connection fails.
pub(super) async fn bind(
    mut reached: Reached,
    endpoint: &Endpoint,
    account: &Account,
) -> Result<Reached, DirectoryError> {
    let Route::Network { host, .. } = &reached.server.route else {
        return Err(DirectoryError::Configuration("Kerberos needs a server with a host name".into()));
    };
    let binding = reached.tls.as_ref().and_then(|tls| tls.binding.clone());
    let attempt = Attempt { account: account.clone(), url: reached.server.url.clone(), host: host.clone(), binding };
    let (mut dialogue, mut token) = begin(&attempt, endpoint).await?;
    for _ in 0..MAX_STEPS {
        let answer = ask(&mut reached, endpoint, &token).await?;
        token = match answer.result.rc {
            IN_PROGRESS => dialogue.step(&answer.token).map_err(|reason| malformed(&attempt, reason))?,
            0 if dialogue.agreed => return Ok(reached),
            0 => return Err(malformed(&attempt, "a bind that succeeds before the server has proved who it is".into())),
            _ => return Err(refusal(&attempt.url, account.who(), &endpoint.bind, true, &answer.result)),
        };
    }
    Err(malformed(&attempt, "a bind without an end".into()))
}

fn malformed(attempt: &Attempt, reason: String) -> DirectoryError {
    DirectoryError::Protocol { url: attempt.url.clone(), reason }
}

/// Gets the tickets and the first token, on a thread where that may block. The library has deadlines of its own for the
/// servers that it asks, so that a thread that is given up here ends as well.
async fn begin(attempt: &Attempt, endpoint: &Endpoint) -> Result<(Dialogue, Vec<u8>), DirectoryError> {
    let owned = attempt.clone();
    let begun = tokio::task::spawn_blocking(move || {
        failure::readable(&owned)?;
        Dialogue::begin(&owned).map_err(|failure| failure.into_error(&owned))
    });
    match tokio::time::timeout(endpoint.timeout, begun).await {
        Ok(Ok(begun)) => begun,
        Ok(Err(_)) => Err(DirectoryError::Configuration("The Kerberos library cannot be used on this host".into())),
        Err(_) => {
            let seconds = endpoint.timeout.as_secs_f32().ceil();
            let reason = format!(
                "no Kerberos server (KDC) of {} gave a ticket within {seconds} s. krb5.conf or the domain's DNS must \
                 name one that answers",
                attempt.account.realm()
            );
            Err(DirectoryError::Unreachable { url: attempt.url.clone(), reason })
        }
    }
}

/// Our side of the bind.
struct Dialogue {
    context: ClientCtx,
    binding: Option<Vec<u8>>,
    /// The server has proved who it is, and was told that there is to be no layer.
    agreed: bool,
    /// Kept for as long as the context may look into them.
    _tickets: Tickets,
}

impl Dialogue {
    /// Begins it; returns the first token besides.
    fn begin(attempt: &Attempt) -> Result<(Self, Vec<u8>), Failure> {
        let tickets = Tickets::acquire(&attempt.account.keytab, &attempt.account.principal)?;
        let service = format!("ldap@{}", attempt.host);
        let target = Name::new(service.as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
        // Neither integrity nor confidentiality: Active Directory refuses both over TLS.
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG | CtxFlags::GSS_C_SEQUENCE_FLAG;
        let mut context = ClientCtx::new(Some(tickets.credential()), target, flags, Some(GSS_MECH_KRB5));
        let token = context.step(None, attempt.binding.as_deref())?.map(|token| token.to_vec()).unwrap_or_default();
        Ok((Self { context, binding: attempt.binding.clone(), agreed: false, _tickets: tickets }, token))
    }

    /// Takes what the server said, and returns what it is to be told.
    ///
    /// # Errors
    /// What is wrong with what it said.
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        let wrong = |failure: Failure| format!("a Kerberos token that is not right: {}", failure.words);
        if self.agreed {
            return Err("a further step of a bind that was over".into());
        }
        if !self.context.is_complete() {
            let answer = self.context.step(Some(token), self.binding.as_deref());
            return Ok(answer.map_err(|error| wrong(error.into()))?.map(|token| token.to_vec()).unwrap_or_default());
        }
        let offer = self.context.unwrap(token).map_err(|error| wrong(error.into()))?;
        let choice = layer(&offer)?;
        let answer = self.context.wrap(false, &choice).map_err(|error| wrong(error.into()))?;
        self.agreed = true;
        Ok(answer.to_vec())
    }
}

/// The choice among the layers that a server offers: none, or nothing.
fn layer(offer: &[u8]) -> Result<[u8; 4], String> {
    match offer {
        [layers, _, _, _] if layers & NO_LAYER[0] != 0 => Ok(NO_LAYER),
        [_, _, _, _] => Err("an offer of Kerberos layers alone. Let it take binds without one over TLS".into()),
        _ => Err("a malformed offer of Kerberos layers".into()),
    }
}

/// What a server answers to a step.
struct Answer {
    result: LdapResult,
    token: Vec<u8>,
}

/// Sends a step of the bind, and waits for the answer no longer than the deadline.
async fn ask(reached: &mut Reached, endpoint: &Endpoint, token: &[u8]) -> Result<Answer, DirectoryError> {
    let request = request(token);
    let asked = exchange(&mut reached.stream, &request, "a bind");
    let url = &reached.server.url;
    let answered = match tokio::time::timeout(reached.timeout, asked).await {
        Ok(octets) => octets.and_then(|octets| answer(&octets)),
        Err(_) => return Err(super::silent(url, reached.timeout)),
    };
    answered.map_err(|end| {
        let error = end.clone().into_error(url);
        hinted(error, Some(&end), reached.tls.as_ref(), endpoint)
    })
}

fn answer(octets: &[u8]) -> Result<Answer, End> {
    let message = grammar::check(octets)?;
    match message.outcome {
        Some(outcome) if message.id == 1 && message.kind == Kind::BindResponse => {
            let (rc, text) = (outcome.code, outcome.text.to_owned());
            let result = LdapResult { rc, matched: String::new(), text, refs: Vec::new(), ctrls: Vec::new() };
            Ok(Answer { result, token: outcome.token.unwrap_or_default().to_vec() })
        }
        Some(outcome) if message.id == 0 => Err(End::Notice { code: outcome.code, text: outcome.text.to_owned() }),
        _ => Err(Fault::OutOfPlace(message.kind.name(), "bind").into()),
    }
}

/// A bind request with a token (RFC 4511, section 4.2), as message 1: each is answered before the next is sent.
fn request(token: &[u8]) -> Vec<u8> {
    let sasl = [part(0x04, b"GSSAPI"), part(0x04, token)].concat();
    let bind = [part(0x02, &[3]), part(0x04, b""), part(0xa3, &sasl)].concat();
    part(0x30, &[part(0x02, &[1]), part(0x60, &bind)].concat())
}

/// A tag, a length in the long form, and what they stand before.
fn part(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[tag, 0x84], length.as_slice(), content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_layer_is_chosen_or_nothing() {
        assert_eq!(layer(&[7, 0, 255, 255]), Ok(NO_LAYER));
        assert_eq!(layer(&[1, 0, 0, 0]), Ok(NO_LAYER));
        assert!(layer(&[6, 0, 255, 255]).is_err(), "signed or sealed alone");
        for offer in [&[][..], &[1], &[1, 0, 0], &[1, 0, 0, 0, 0]] {
            assert!(layer(offer).is_err(), "{offer:?}");
        }
    }

    #[test]
    fn a_step_is_a_bind_request_with_the_token() {
        let request = request(b"token");
        let read = grammar::request(&request).unwrap();
        assert_eq!((read.id, read.operation.tag), (1, 0x60));
        assert!(read.operation.content.ends_with(b"\x04\x84\x00\x00\x00\x06GSSAPI\x04\x84\x00\x00\x00\x05token"));
    }

    #[test]
    fn an_answer_s_token_is_found() {
        let response = b"\x30\x13\x02\x01\x01\x61\x0e\x0a\x01\x0e\x04\x00\x04\x00\x87\x05token";
        let found = answer(response).unwrap();
        assert_eq!((found.result.rc, found.token.as_slice()), (IN_PROGRESS, b"token".as_slice()));
        let other = b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert!(answer(other).is_err(), "of another request");
        let done = b"\x30\x0c\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00";
        assert!(answer(done).is_err(), "the end of a search");
    }

    #[test]
    fn a_principal_is_a_name_and_a_realm() {
        let account = |principal: &str| Account::new("/etc/sync.keytab".into(), principal.into());
        for principal in ["sync@LAB.TEST", "HOST1$@LAB.TEST", "provisor/host1.lab.test@LAB.TEST"] {
            assert_eq!(account(principal).unwrap().realm(), "LAB.TEST", "{principal}");
        }
        for principal in ["", "sync", "@LAB.TEST", "sync@", "sync@LAB@TEST", "sync @LAB.TEST", "sync@LAB\n"] {
            assert!(account(principal).unwrap_err().contains("name@REALM"), "{principal}");
        }
    }
}
