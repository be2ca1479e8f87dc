//! Text that came from outside, such as names of a directory, as it may be shown on a terminal.

use std::borrow::Cow;

/// A text in one line, without what could steer a terminal: control characters, and those that turn the direction of writing
/// around, are a backslash and the hexadecimal digits of each octet. So names have them (RFC 4514), and what is shown of
/// one can be given to a command: `CN=twin\0ACNF:...`.
pub fn plain(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The same for a text of several lines, which may hold tabs.
pub fn plain_lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, but: impl Fn(char) -> bool) -> Cow<'_, str> {
    let steers = |character: char| !but(character) && (character.is_control() || turns(character));
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if steers(character) {
            let mut octets = [0; 4];
            for octet in character.encode_utf8(&mut octets).bytes() {
                shown.push_str(&format!("\\{octet:02X}"));
            }
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Whether a character turns the direction of writing around, for all that follows.
fn turns(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_steer_a_terminal_is_shown_as_names_have_it() {
        let twin = "CN=twin\nCNF:00e0ed2e-4a0e-4c12-8d5e-0f8f8a0c6b1e,OU=Sales,DC=lab";
        assert_eq!(plain(twin), "CN=twin\\0ACNF:00e0ed2e-4a0e-4c12-8d5e-0f8f8a0c6b1e,OU=Sales,DC=lab");
        assert_eq!(plain("\u{1b}[2J\r\u{7f}\t"), "\\1B[2J\\0D\\7F\\09");
        assert_eq!(
            plain("a\u{9b}31mb"),
            "a\\C2\\9B31mb",
            "one octet to some terminals, and the beginning of a command"
        );
        assert_eq!(plain("nimda\u{202e}"), "nimda\\E2\\80\\AE");
        assert!(matches!(plain("Zoë Şahin, مدير"), Cow::Borrowed(_)));
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(plain_lines("one\n\ttwo\u{1b}[31m\r\n"), "one\n\ttwo\\1B[31m\\0D\n");
    }
}
