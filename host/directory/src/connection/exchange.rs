//! One request and its answer, while neither the relay nor the LDAP library has the connection: StartTLS, and binds of
//! several steps.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::ber;
use super::fault::{End, Fault};
use super::relay::Stream;

/// The most octets of an answer.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends a request, and returns the message that answers it, whole and not yet checked. It must be all there is: what
/// came behind the answer to StartTLS would pass for secured later on, and nothing is asked before its time.
///
/// # Errors
/// Where the connection ends, or what comes is no message or not the only one; `what` says what it is the answer to.
pub(super) async fn exchange(stream: &mut impl Stream, request: &[u8], what: &'static str) -> Result<Vec<u8>, End> {
    stream.write_all(request).await.map_err(|error| End::of_io(&error))?;
    stream.flush().await.map_err(|error| End::of_io(&error))?;
    let mut buffer = Vec::new();
    let length = loop {
        match ber::message_length(&buffer)? {
            Some(length) if length > MAX_ANSWER => return Err(Fault::TooLong(length as u64).into()),
            Some(length) if length <= buffer.len() => break length,
            _ => {}
        }
        if stream.read_buf(&mut buffer).await.map_err(|error| End::of_io(&error))? == 0 {
            return Err(End::HungUp { within_message: !buffer.is_empty() });
        }
    };
    if length < buffer.len() { Err(Fault::Behind(what).into()) } else { Ok(buffer) }
}
