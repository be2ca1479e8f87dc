//! The DNS name of an entry's domain, from the settings or from the entry's distinguished name.

use std::borrow::Cow;

use provisor_sdk::prelude::*;

/// Which domain an entry is of.
pub struct Domain {
    configured: String,
    dn: Option<Text>,
}

impl Domain {
    /// The domain of the settings, where they name one; otherwise it is read from the distinguished name.
    pub fn read(contract: &mut MappingContract, configured: &str) -> Self {
        let configured = configured.trim().trim_start_matches('@').to_owned();
        let dn = configured.is_empty().then(|| contract.dn());
        Self { configured, dn }
    }

    /// The domain's name, such as `corp.example.com`; none where the distinguished name has no `DC=`.
    pub fn of(&self, entry: &Entry) -> Option<Cow<'_, str>> {
        match self.dn {
            None => Some(Cow::Borrowed(&self.configured)),
            Some(dn) => from_dn(entry.text(dn)?).map(Cow::Owned),
        }
    }
}

/// The `DC=` parts at the end of a distinguished name, joined by dots, in lower case.
fn from_dn(dn: &str) -> Option<String> {
    let mut labels = Vec::new();
    for part in parts(dn) {
        match part.split_once('=') {
            Some((name, label)) if name.trim().eq_ignore_ascii_case("DC") => labels.push(label.trim().to_lowercase()),
            // What stands before another part is no domain's name.
            _ => labels.clear(),
        }
    }
    let is_label = |label: &String| {
        !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
    };
    (!labels.is_empty() && labels.iter().all(is_label)).then(|| labels.join("."))
}

/// The parts between commas that are not escaped (RFC 4514, section 2.4).
fn parts(dn: &str) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    dn.split(move |letter| {
        let splits = letter == ',' && !escaped;
        escaped = letter == '\\' && !escaped;
        splits
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_what_stands_at_the_end_of_the_name() {
        for (dn, domain) in [
            ("CN=Ada,OU=Staff,DC=Corp,DC=example,DC=com", Some("corp.example.com")),
            ("cn=ada, dc=corp , dc=local", Some("corp.local")),
            (r"CN=Lovelace\, DC=evil,OU=x,DC=corp,DC=local", Some("corp.local")),
            (r"CN=back\\,DC=local", Some("local")),
            ("DC=www,CN=Zones,DC=corp,DC=local", Some("corp.local")),
            (r"CN=Ada,DC=co\,rp,DC=local", None),
            ("CN=Ada,O=Example", None),
            ("", None),
        ] {
            assert_eq!(from_dn(dn).as_deref(), domain, "{dn}");
        }
    }
}
