//! The table at the end: what was measured in this run, in nanoseconds for each entry.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;

use crate::{ATTRIBUTES, BATCHES, SETTINGS};

/// The forms that an entry is measured in, as columns.
const FORMS: [(&str, &str); 6] = [
    ("clone", "native clone"),
    ("native", "native rule"),
    ("host-rules", "host: rules"),
    ("host", "host: octets to drafts"),
    ("flat", "flat, call alone"),
    ("typed", "typed, call alone"),
];

/// Knows what was measured before.
pub struct Table(SystemTime);

/// The name of a size.
pub fn at(attributes: usize, batch: usize) -> String {
    format!("{attributes}x{batch}")
}

impl Table {
    pub fn begin() -> Self {
        Self(SystemTime::now())
    }

    /// Prints all that was measured since.
    pub fn print(&self) {
        let columns: Vec<&str> = FORMS.iter().map(|(_, column)| *column).collect();
        println!("\nns for each entry\n\n| attributes | batch | {} |", columns.join(" | "));
        println!("|---|---|{}", "---|".repeat(FORMS.len()));
        for attributes in ATTRIBUTES {
            for batch in BATCHES {
                let cell = |(form, _): &(&str, &str)| self.cell("entry", form, attributes, batch);
                let cells: Vec<String> = FORMS.iter().map(cell).collect();
                println!("| {attributes} | {batch} | {} |", cells.join(" | "));
            }
        }
        let (attributes, batch) = SETTINGS;
        println!(
            "\n{attributes} attributes in batches of {batch}, call alone\n\n| setting | ns for each entry |\n|---|---|"
        );
        for (name, ..) in crate::raw::settings() {
            println!("| {name} | {} |", self.cell("settings", name, attributes, batch));
        }
    }

    fn cell(&self, group: &str, what: &str, attributes: usize, batch: usize) -> String {
        let estimate = self.estimate(&folder().join(group).join(what).join(at(attributes, batch)));
        estimate.map_or_else(String::new, |time| format!("{:.0}", time / batch as f64))
    }

    /// The median that criterion left in a folder, where it is of this run.
    fn estimate(&self, folder: &Path) -> Option<f64> {
        let file = folder.join("new/estimates.json");
        let fresh = fs::metadata(&file).ok()?.modified().ok()? >= self.0;
        let estimates: Value = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
        fresh.then(|| estimates["median"]["point_estimate"].as_f64()).flatten()
    }
}

/// Where criterion puts its estimates.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/criterion")
}
