//! Change sequence numbers: how far each server of a replicated directory has come.

use std::collections::BTreeMap;

use crate::connection::Connection;
use crate::error::DirectoryError;
use crate::search::EVERYTHING;
use crate::search::few::{read_one, texts};

/// The last change of each server, by its id: an OpenLDAP directory's `contextCSN`, and what its cookies hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Csns(BTreeMap<String, String>);

impl Csns {
    /// Reads `contextCSN` of a suffix; none where the account may not see it or there is none.
    pub async fn read(connection: &mut Connection, suffix: &str) -> Result<Option<Self>, DirectoryError> {
        match read_one(connection, suffix, EVERYTHING, &["contextCSN"]).await {
            Ok(entry) => Ok(entry.and_then(|entry| Self::new(texts(&entry, "contextCSN")))),
            // The account may see the base, but not the suffix above it.
            Err(DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The numbers in these texts; none where there are none, or one of them is no number.
    fn new<'a>(numbers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut csns = BTreeMap::new();
        for number in numbers {
            let server = server_of(number)?;
            csns.insert(server.to_owned(), number.to_owned());
        }
        (!csns.is_empty()).then_some(Self(csns))
    }

    /// The numbers in a cookie such as `rid=000,sid=001,csn=A;B`.
    pub fn from_cookie(cookie: &str) -> Option<Self> {
        let list = cookie.split(',').find_map(|part| part.strip_prefix("csn="))?;
        Self::new(list.split(';'))
    }

    /// A cookie that says: known are all changes up to these.
    pub fn to_cookie(&self) -> String {
        let numbers: Vec<&str> = self.0.values().map(String::as_str).collect();
        format!("rid=000,csn={}", numbers.join(";"))
    }

    /// The later number of each server.
    pub fn merged(mut self, other: &Self) -> Self {
        for (server, number) in &other.0 {
            let own = self.0.entry(server.clone()).or_insert_with(|| number.clone());
            if *own < *number {
                own.clone_from(number);
            }
        }
        self
    }

    /// Whether none of the other's changes is later than what is known here.
    pub fn cover(&self, other: &Self) -> bool {
        other.0.iter().all(|(server, number)| self.0.get(server).is_some_and(|own| own >= number))
    }
}

/// The server id in a number of the form `20260131120000.000000Z#000000#001#000000`.
fn server_of(number: &str) -> Option<&str> {
    let parts: Vec<&str> = number.split('#').collect();
    let hexadecimal = |part: &str| !part.is_empty() && part.bytes().all(|octet| octet.is_ascii_hexdigit());
    match parts.as_slice() {
        [time, count, server, part]
            if time.len() == 22
                && time.ends_with('Z')
                && time.bytes().all(|octet| octet.is_ascii_digit() || matches!(octet, b'.' | b'Z'))
                && [count, server, part].into_iter().all(|part| hexadecimal(part)) =>
        {
            Some(server)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "20260131120000.000000Z#000000#001#000000";
    const ONE_LATER: &str = "20260131120000.000001Z#000000#001#000000";
    const TWO: &str = "20250131120000.000000Z#000000#002#000000";

    fn csns(numbers: &[&str]) -> Csns {
        Csns::new(numbers.iter().copied()).unwrap()
    }

    #[test]
    fn a_cookie_holds_a_number_for_each_server() {
        let both = Csns::from_cookie(&format!("rid=000,sid=001,csn={TWO};{ONE}")).unwrap();
        assert_eq!(both, csns(&[ONE, TWO]));
        assert_eq!(both.to_cookie(), format!("rid=000,csn={ONE};{TWO}"));
    }

    #[test]
    fn what_is_no_cookie_holds_nothing() {
        for cookie in
            ["", "rid=000", "rid=000,csn=", "csn=garbage", "csn=20260131120000.000000Z#x#001#0", "\u{0}\u{7f}"]
        {
            assert_eq!(Csns::from_cookie(cookie), None, "{cookie}");
        }
    }

    #[test]
    fn of_two_sets_the_later_number_of_each_server_is_kept() {
        assert_eq!(csns(&[ONE]).merged(&csns(&[ONE_LATER, TWO])), csns(&[ONE_LATER, TWO]));
        assert_eq!(csns(&[ONE_LATER, TWO]).merged(&csns(&[ONE])), csns(&[ONE_LATER, TWO]));
    }

    #[test]
    fn a_server_that_went_back_does_not_cover_what_was_known() {
        assert!(csns(&[ONE_LATER, TWO]).cover(&csns(&[ONE])));
        assert!(csns(&[ONE]).cover(&csns(&[ONE])));
        assert!(!csns(&[ONE]).cover(&csns(&[ONE_LATER])), "restored from a backup");
        assert!(!csns(&[ONE]).cover(&csns(&[ONE, TWO])), "another directory");
    }
}
