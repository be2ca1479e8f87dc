//! What a hostile component comes to, and whether the host says so.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

use provisor_rules::{Binding, RulesHost};

use super::{Lab, binding, evaluate, held, no_config, user};

/// What a component comes to.
pub enum Comes {
    /// Refused when it is bound, with these words.
    Refused(String),
    /// Bound, and its entries held, with this code and words; none: they are not.
    Held(&'static str, String),
}
use Comes::{Held, Refused};

pub fn refused(words: impl Into<String>) -> Comes {
    Refused(words.into())
}

pub fn holds(code: &'static str, words: impl Into<String>) -> Comes {
    Held(code, words.into())
}

/// Bound, and nothing is wrong with its answers.
pub fn harmless() -> Comes {
    holds("", "")
}

/// Binds and runs a component under a fresh name, with other rules after it; tells what differs from what it should come
/// to.
pub fn judge(
    lab: &Lab,
    host: &RulesHost,
    name: &str,
    (bytes, beside): (&[u8], &[Binding]),
    comes: &Comes,
) -> Result<(), String> {
    lab.put("hostile", bytes);
    host.scan();
    let bound = host.bind(name, &[&[binding("hostile", no_config())], beside].concat());
    let told = match (comes, bound) {
        (Refused(words), Err(error)) if error.to_string().contains(words) && is_harmless(&error.to_string()) => {
            let status = host.status().into_iter().find(|status| status.name == "hostile").unwrap();
            if is_harmless(&format!("{:?}", status.state)) { Ok(()) } else { Err(format!("steers: {status:?}")) }
        }
        (Refused(words), Err(error)) => Err(format!("should say {words:?}: {error}")),
        (Refused(words), Ok(_)) => Err(format!("should be refused: {words}")),
        (Held(..), Err(error)) => Err(format!("should be bound: {error}")),
        (Held("", _), Ok(chain)) => match held(&evaluate(&chain, &[user("ada")])[0]) {
            None => Ok(()),
            Some(held) => Err(format!("should be harmless: {held:?}")),
        },
        (Held(code, words), Ok(chain)) => match held(&evaluate(&chain, &[user("ada")])[0]) {
            Some((found, detail)) if found == *code && detail.contains(words) && is_harmless(detail) => Ok(()),
            other => Err(format!("should be held by {code} {words:?}: {other:?}")),
        },
    };
    host.release(name);
    told
}

/// Nothing that would steer a terminal or fill it.
fn is_harmless(words: &str) -> bool {
    words.len() < 10_000 && !words.chars().any(char::is_control)
}
