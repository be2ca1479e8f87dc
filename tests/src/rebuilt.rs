//! The plugin `people` as if it had been built anew: one that says and does something else.

use anyhow::{Context as _, Result};

/// The component of `people` with this number, of at most five digits, as the type of a second mail address, in its code as
/// in its test cases.
pub fn rebuilt_people(whole: &[u8], number: usize) -> Result<Vec<u8>> {
    let mut octets = whole.to_vec();
    let number = format!("{number:05}");
    for (before, after) in [("workprimary", ""), ("\"type\":\"", "\"")] {
        let word = format!("{before}other{after}");
        let place = octets.windows(word.len()).position(|window| window == word.as_bytes());
        let begin = place.context("the plugin does not name the type where it is looked for")? + before.len();
        octets.splice(begin..begin + "other".len(), number.bytes());
    }
    Ok(octets)
}
