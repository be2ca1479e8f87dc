//! Tables for a person.

use std::collections::BTreeMap;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};

use super::plain;

/// A table with a header. It is as wide as the terminal at most.
pub fn table<R>(header: impl IntoIterator<Item = &'static str>, rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = String>,
{
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.into_iter().collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.into_iter().map(|cell| plain(&cell).into_owned()).collect::<Vec<_>>());
    }
    table.to_string()
}

/// Numbers by word in one line: `3 create, 1 update`.
pub fn counts(counts: &BTreeMap<String, u64>) -> String {
    let shown: Vec<String> =
        counts.iter().filter(|(_, count)| **count > 0).map(|(word, count)| format!("{count} {word}")).collect();
    if shown.is_empty() { "nothing".to_owned() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_one_line() {
        let some = BTreeMap::from([("create".to_owned(), 3), ("join".to_owned(), 0), ("update".to_owned(), 1)]);
        assert_eq!(counts(&some), "3 create, 1 update");
        assert_eq!(counts(&BTreeMap::new()), "nothing");
    }

    #[test]
    fn control_characters_of_a_directory_do_not_reach_the_terminal() {
        let shown = table(["name"], [["\u{1b}[2Jada\nCNF:1".to_owned()]]);
        assert!(shown.contains("\\1B[2Jada\\0ACNF:1"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown}");
    }
}
