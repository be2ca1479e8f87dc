//! Faults: how a call into a plugin fails, in words that an operator and the plugin's author can use.

use provisor_model::Reason;
use wasmtime::{FrameInfo, FrameSymbol, PoolConcurrencyLimitError, Trap, WasmBacktrace};

/// The most frames of a backtrace that are told.
const FRAMES: usize = 6;

/// What is told of a call that took too long.
const TIMED_OUT: &str = "it did not answer in time";

/// What is told where an instance was waited for in vain.
const NO_ROOM: &str = "too many rules run at once on this machine, and no room for it came free";

/// Whether what is told here may have been the machine's fault, so that it is worth another try.
pub(crate) fn is_for_now(reason: &str) -> bool {
    [TIMED_OUT, NO_ROOM].iter().any(|why| reason.contains(why))
}

/// How a plugin failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// It trapped.
    Trap,
    /// It took too long.
    Time,
    /// It wanted too much memory.
    Memory,
    /// It gave back too much.
    Output,
    /// Its answer breaks the interface or its contract.
    Contract,
    /// It answered with an error for the whole batch.
    Refused,
    /// There was no room for it, for which it cannot help.
    Room,
}

/// A failed call.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    kind: FaultKind,
    detail: String,
}

/// A limit was reached: what the limiter ends a call with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TooMuch {
    #[error("it wants more than its {0} MiB of memory")]
    Memory(usize),
    #[error("it wants more than its {0} table elements")]
    Elements(usize),
}

impl Fault {
    pub(crate) fn new(kind: FaultKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: told(detail.into(), 2000) }
    }

    /// Reads what the engine says; `said` is the last error line that the plugin logged before.
    pub(crate) fn from_engine(error: &wasmtime::Error, said: Option<&str>) -> Self {
        if let Some(limit) = error.downcast_ref::<TooMuch>() {
            return Self::new(FaultKind::Memory, limit.to_string());
        }
        if error.is::<PoolConcurrencyLimitError>() {
            return Self::new(FaultKind::Room, NO_ROOM);
        }
        let root = error.root_cause().to_string();
        match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => {
                return Self::new(
                    FaultKind::Time,
                    format!("{TIMED_OUT} (limits call-time and entry-time){}", frames(error)),
                );
            }
            None if root.contains("fuel allocated for hostcalls") => {
                return Self::new(
                    FaultKind::Output,
                    "it gave back more octets than one answer may have (limit output-mib)".to_owned(),
                );
            }
            None if root.contains("handle limit exceeded") => {
                return Self::new(FaultKind::Memory, "it holds more handles than it may have".to_owned());
            }
            None if root.contains("resource limit exceeded") => {
                return Self::new(FaultKind::Memory, format!("it is made of more parts than it may have: {root}"));
            }
            _ => {}
        }
        let said = said.map(|said| format!(" ({said})")).unwrap_or_default();
        Self::new(FaultKind::Trap, format!("it trapped: {root}{said}{}", frames(error)))
    }

    /// The reason that an entry is held with.
    pub(crate) fn reason(&self) -> Reason {
        let code = match self.kind {
            FaultKind::Trap => "plugin-trap",
            FaultKind::Time => "plugin-time",
            FaultKind::Memory => "plugin-memory",
            FaultKind::Output => "plugin-output",
            FaultKind::Contract => "plugin-contract",
            FaultKind::Refused => "plugin-error",
            FaultKind::Room => "plugin-waits",
        };
        Reason::new(code, self.detail.clone())
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    /// Whether there was no room for an instance, so that it may be tried again.
    pub(crate) fn is_lack_of_room(&self) -> bool {
        self.kind == FaultKind::Room
    }
}

/// The innermost functions of the plugin, where the engine knows them, with file and line where the component carries
/// them; how its language panics is no news.
fn frames(error: &wasmtime::Error) -> String {
    const MACHINERY: [&str; 5] = ["core::", "std::", "alloc::", "__rust", "rust_panic"];
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let is_machinery = |name: &str| MACHINERY.iter().any(|prefix| name.starts_with(prefix));
    let named = |frame: &FrameInfo| {
        let function = frame.func_name().map(demangled);
        // Several are functions that were compiled into this one, the innermost first.
        let written = |symbol: &FrameSymbol| {
            let name = symbol.name().map(demangled).or_else(|| function.clone())?;
            Some((name, place(symbol)))
        };
        let own = frame.symbols().iter().filter_map(written).find(|(name, _)| !is_machinery(name));
        own.or_else(|| function.clone().map(|name| (name, String::new())))
    };
    let own = backtrace.frames().iter().filter_map(named).skip_while(|(name, _)| is_machinery(name));
    let names: Vec<String> = own.take(FRAMES).map(|(name, place)| name + &place).collect();
    if names.is_empty() { String::new() } else { format!(", in {}", names.join(" < ")) }
}

/// Where it was written: the end of the path, which is enough for its author and says little of their machine.
fn place(symbol: &FrameSymbol) -> String {
    let Some((file, line)) = symbol.file().zip(symbol.line()) else { return String::new() };
    let mut parts: Vec<&str> = file.rsplit(['/', '\\']).take(2).collect();
    parts.reverse();
    let file: String = parts.join("/").chars().take(80).collect();
    format!(" ({file}:{line})")
}

/// A function's name for a person; a name in another language stays as it is.
fn demangled(name: &str) -> String {
    let demangled = rustc_demangle::try_demangle(name).map_or_else(|_| name.to_owned(), |name| format!("{name:#}"));
    demangled.chars().take(120).collect()
}

/// A text that came from a plugin, without what would steer a terminal or break a line of the log.
pub(crate) fn legible(text: &str) -> String {
    let character = |character| match character {
        '\n' | '\r' | '\t' => ' ',
        character if is_legible(character) => character,
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(character).collect()
}

/// A text that came from a plugin as a person may be shown it: legible, and of at most so many octets.
pub(crate) fn told(mut text: String, octets: usize) -> String {
    // Before, so that little is gone through; and after, because what takes the place of a character may be longer.
    shorten(&mut text, octets);
    let mut told = legible(&text);
    shorten(&mut told, octets);
    told
}

/// Neither a control character nor one that turns the direction of writing around.
pub(crate) fn is_legible(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cuts a text that came from a plugin to at most `octets`, at a character.
pub(crate) fn shorten(text: &mut String, octets: usize) {
    if text.len() > octets {
        let end = (0..=octets).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut text = "äääää".to_owned();
        shorten(&mut text, 5);
        assert_eq!(text, "ää…");
    }

    #[test]
    fn what_is_told_is_no_longer_than_it_may_be_whatever_stood_in_it() {
        let told = told("\u{1b}\u{202e}".repeat(1000), 100);
        assert!(told.starts_with("\u{fffd}\u{fffd}\u{fffd}") && told.len() <= 100 + "…".len(), "{told}");
    }
}
