//! How changes and differences are shown, in every command alike.

use provisor_sync::ShownChange;

use crate::output::plain;

/// Changes, a line each: `title: "Engineer" to "Manager" (people)`.
pub fn changes(changes: &[ShownChange], indent: &str) -> String {
    let quoted = |value: &Option<String>| value.as_ref().map_or_else(|| "nothing".to_owned(), |value| shortened(value));
    let line = |change: &ShownChange| {
        let by = change.by.as_ref().map_or_else(String::new, |plugin| format!(" ({plugin})"));
        match (&change.old, &change.new) {
            (None, Some(new)) => format!("{indent}{}: {}{by}\n", change.path, shortened(new)),
            (old, new) => format!("{indent}{}: {} -> {}{by}\n", change.path, quoted(old), quoted(new)),
        }
    };
    changes.iter().map(line).collect()
}

/// A value in one line, of bearable length, without what could steer a terminal.
fn shortened(value: &str) -> String {
    const LONGEST: usize = 100;
    let start: String = value.chars().take(LONGEST).collect();
    let more = if value.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("{}{more}", plain(&start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_one_line_of_bearable_length() {
        let change = |old: Option<&str>, new: Option<&str>| ShownChange {
            path: "title".into(),
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
            by: Some("people".into()),
        };
        assert_eq!(changes(&[change(Some("A"), Some("B"))], "  "), "  title: A -> B (people)\n");
        assert_eq!(changes(&[change(None, Some("B\u{1b}"))], ""), "title: B\\1B (people)\n");
        assert_eq!(changes(&[change(Some("A"), None)], ""), "title: A -> nothing (people)\n");
        assert!(changes(&[change(None, Some(&"x".repeat(500)))], "").chars().count() < 130);
    }
}
