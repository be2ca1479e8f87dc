//! Log lines for the operator: limited in rate and size by the host, never part of the answer.

#[cfg(target_arch = "wasm32")]
use crate::bindings::{Level, emit};

macro_rules! levels {
    ($($(#[$doc:meta])* $function:ident $level:ident)*) => {$(
        $(#[$doc])*
        pub fn $function(message: &str) {
            #[cfg(target_arch = "wasm32")]
            emit(Level::$level, None, message);
            // Natively there is no host: the test's own output shows it when the test fails.
            #[cfg(not(target_arch = "wasm32"))]
            #[allow(clippy::print_stderr, reason = "native tests only")]
            {
                eprintln!("{}: {message}", stringify!($function));
            }
        }
    )*};
}

levels! {
    /// A line for who looks closely.
    debug Debug
    /// A line worth knowing.
    info Info
    /// A line about something that should be looked at.
    warn Warn
    /// A line about something wrong.
    error Error
}
