//! Samples and how they are told: minimum, median and maximum, and ratios pair by pair.

use serde_json::{Value, json};

use crate::program::Used;

/// What was measured in several runs, in the order of the runs.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// Adds the next run.
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The ratios to another series, run by run: drifts of the machine's speed fall out.
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(ours, theirs)| ours / theirs).collect())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle value, the lower of the two where their number is even.
    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }

    /// Median, minimum and maximum as text with this many decimal places.
    pub fn text(&self, places: usize) -> String {
        let sorted = self.sorted();
        match (sorted.first(), sorted.last()) {
            (Some(least), Some(most)) if sorted.len() > 1 => {
                format!("{:.places$} ({least:.places$} to {most:.places$})", self.median())
            }
            _ => format!("{:.places$}", self.median()),
        }
    }

    fn json(&self) -> Value {
        let sorted = self.sorted();
        json!({ "median": self.median(), "min": sorted.first(), "max": sorted.last(), "runs": self.0 })
    }
}

/// One line of the result.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// Wall time in seconds.
    pub seconds: Samples,
    /// What it is compared with, and the ratio.
    pub ratio: Option<(String, Samples)>,
    /// What the last run of the program used.
    pub used: Option<Used>,
    /// What is worth knowing besides, such as requests or steps.
    pub note: String,
}

impl Figure {
    /// A row of the table.
    pub fn row(&self) -> [String; 6] {
        let ratio = self.ratio.as_ref().map(|(to, ratio)| format!("{} {to}", ratio.text(2))).unwrap_or_default();
        let processor = self.used.map(|used| format!("{:.2}", used.processor)).unwrap_or_default();
        let memory = self.used.map(|used| format!("{:.0} MiB", used.memory)).unwrap_or_default();
        [self.what.clone(), self.seconds.text(2), ratio, processor, memory, self.note.clone()]
    }

    /// The same for programs.
    pub fn json(&self) -> Value {
        json!({
            "what": self.what,
            "seconds": self.seconds.json(),
            "ratio": self.ratio.as_ref().map(|(to, ratio)| json!({ "to": to, "value": ratio.json() })),
            "processor-seconds": self.used.map(|used| used.processor),
            "peak-memory-mib": self.used.map(|used| used.memory),
            "note": self.note,
        })
    }
}
