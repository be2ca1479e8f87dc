//! What commands print: text for a person, or one JSON document.

mod plain;
mod progress;
mod table;
mod time;

use std::io::{IsTerminal, Write, stderr, stdout};

use serde::Serialize;
use serde_json::json;

use crate::failure::Failure;

pub use plain::plain;
use plain::plain_lines;
pub use progress::{ProgressLine, word as step_word};
pub use table::{counts, table};
pub use time::{ago, clock, since};

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Prints for a person, or as JSON.
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a document: as JSON, or as the text that `show` makes of it.
    pub fn print<T: Serialize>(self, document: &T, show: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json {
            self.write(&serde_json::to_string_pretty(document).map_err(anyhow::Error::from)?);
        } else {
            self.say(&show(document));
        }
        Ok(())
    }

    /// Prints a line or more for a person; with `--json` nothing.
    pub fn say(self, text: &str) {
        if !self.json {
            self.write(&plain_lines(text));
        }
    }

    /// Prints what another program is to read, such as CSV, as it is.
    pub fn data(self, text: &str) {
        self.write(text);
    }

    /// Says why the command failed: on standard error, and with `--json` as the document, too.
    pub fn failure(self, failure: &Failure) {
        if self.json {
            self.write(&format!("{:#}", json!({ "error": failure })));
        }
        // A closed standard error leaves nobody to tell.
        let _ = writeln!(stderr(), "provisor: {}", plain_lines(&failure.to_string()));
    }

    /// A progress line for long work: on a terminal, and not with `--json`.
    pub fn progress(self) -> ProgressLine {
        ProgressLine::new(!self.json && stderr().is_terminal())
    }

    fn write(self, text: &str) {
        let mut out = stdout().lock();
        // Who closed the pipe, as `head` does, has read enough.
        let _ = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush());
    }
}
