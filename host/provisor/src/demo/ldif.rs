//! Writes LDIF (RFC 2849): base64 where a value needs it, long lines folded.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest line, in octets (RFC 2849, note 2 names 76).
const WIDTH: usize = 76;

/// An LDIF text in the making.
pub struct Ldif(String);

impl Ldif {
    /// A text without entries.
    pub fn new() -> Self {
        Self("version: 1\n".to_owned())
    }

    /// Begins an entry.
    pub fn begin(&mut self, dn: &str) {
        self.0.push('\n');
        self.value("dn", dn);
    }

    /// Adds a value to the entry.
    pub fn value(&mut self, name: &str, value: &str) {
        let line =
            if is_safe(value) { format!("{name}: {value}") } else { format!("{name}:: {}", STANDARD.encode(value)) };
        // A safe line is ASCII, and so is base64: every octet is a character, and a line may be cut anywhere.
        let mut rest = line.as_str();
        let mut width = WIDTH;
        while let Some((head, tail)) = rest.split_at_checked(width).filter(|(_, tail)| !tail.is_empty()) {
            self.0.push_str(head);
            self.0.push_str("\n ");
            rest = tail;
            width = WIDTH - 1;
        }
        self.0.push_str(rest);
        self.0.push('\n');
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// Whether a value may stand as it is (RFC 2849, SAFE-STRING; a blank at the end is encoded, too, as note 8 advises).
fn is_safe(value: &str) -> bool {
    value.bytes().all(|octet| octet.is_ascii() && !matches!(octet, 0 | b'\n' | b'\r'))
        && !value.starts_with([' ', ':', '<'])
        && !value.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_lines_folded_where_they_must() {
        let mut ldif = Ldif::new();
        ldif.begin("uid=ada,dc=lab");
        ldif.value("sn", "Lovelace");
        ldif.value("cn", "Äda");
        ldif.value("description", " leading");
        ldif.value("title", &"x".repeat(200));
        let text = ldif.into_text();
        assert!(
            text.starts_with(
                "version: 1\n\ndn: uid=ada,dc=lab\nsn: Lovelace\ncn:: w4RkYQ==\ndescription:: IGxlYWRpbmc=\n"
            ),
            "{text}"
        );
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
        assert!(text.replace("\n ", "").contains(&format!("title: {}\n", "x".repeat(200))), "{text}");
    }
}
