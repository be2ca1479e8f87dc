//! Writing LDIF (RFC 2849): base64 for what is not plain text, long lines folded.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest line, in characters.
const LINE: usize = 76;

/// An LDIF text under construction.
#[derive(Default)]
pub struct Writer {
    text: String,
}

impl Writer {
    /// Begins an entry: its name and its object classes.
    pub fn begin(&mut self, dn: &str, object_classes: &[&str]) {
        self.value("dn", dn);
        for class in object_classes {
            self.value("objectClass", class);
        }
    }

    /// Writes one value of an attribute.
    pub fn value(&mut self, attribute: &str, value: &str) {
        if is_safe(value) {
            self.line(&format!("{attribute}: {value}"));
        } else {
            self.line(&format!("{attribute}:: {}", STANDARD.encode(value)));
        }
    }

    /// Ends an entry.
    pub fn end(&mut self) {
        self.text.push('\n');
    }

    /// The text.
    pub fn finish(self) -> String {
        self.text
    }

    /// Writes a line of ASCII, folded: each further line begins with a space, which counts.
    fn line(&mut self, line: &str) {
        let mut room = LINE;
        for character in line.chars() {
            if room == 0 {
                self.text.push_str("\n ");
                room = LINE - 1;
            }
            self.text.push(character);
            room -= 1;
        }
        self.text.push('\n');
    }
}

/// RFC 2849's SAFE-STRING, and no space at the end, which editors lose.
fn is_safe(value: &str) -> bool {
    !value.starts_with([' ', ':', '<'])
        && !value.ends_with(' ')
        && value.bytes().all(|byte| byte.is_ascii() && !matches!(byte, 0 | b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(attribute: &str, value: &str) -> String {
        let mut writer = Writer::default();
        writer.value(attribute, value);
        writer.finish()
    }

    #[test]
    fn plain_text_is_written_as_it_is() {
        assert_eq!(written("cn", "Ann: <Lee>"), "cn: Ann: <Lee>\n");
    }

    #[test]
    fn what_a_reader_would_mistake_is_written_in_base64() {
        for value in [" a", ":a", "<a", "a ", "a\nb", "é"] {
            assert!(written("cn", value).starts_with("cn:: "), "{value:?}");
        }
    }

    #[test]
    fn a_long_line_is_folded_and_unfolds_to_itself() {
        let value = "x".repeat(200);
        let text = written("cn", &value);
        assert!(text.lines().all(|line| line.len() <= LINE));
        assert_eq!(text.replace("\n ", ""), format!("cn: {value}\n"));
    }
}
