//! WASI 0.2 as a rule may have it: everything answers, nothing differs from one call or machine to another.
//!
//! The standard libraries of most languages import WASI whether or not a rule uses it. So the clocks stand still, randomness
//! is the same number always, there are no arguments, variables, files or sockets, and what is printed goes to the log.
//! What has no harmless answer traps by its name when it is called.

use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::bindings::log::Level;
use crate::store::State;

/// What is met: the packages of WASI 0.2 that standard libraries are made of.
const PACKAGES: [&str; 6] =
    ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];
/// The longest line of output before it is broken, in octets.
const LINE_OCTETS: usize = 1024;
/// What may be written at once, as the stream says it.
const PERMIT: u64 = 4096;
/// The most random octets of one call.
const RANDOM_OCTETS: u64 = 1 << 20;
/// What randomness always is.
const RANDOM: u64 = 0x9E37_79B9_7F4A_7C15;
/// The handle of standard output; the other one is standard error.
const STDOUT: u32 = 0;
const STDERR: u32 = 1;

type Store<'a> = StoreContextMut<'a, State>;

struct InputStream;
struct OutputStream;
struct Pollable;
struct IoError;
struct Network;
/// A resource that nobody is ever given.
struct Never;

#[derive(ComponentType, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[expect(dead_code, reason = "the type has it; no operation here fails")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

/// What was written since the last line's end.
#[derive(Default)]
pub(crate) struct Output(Vec<u8>);

/// Whether an import is one of those that are met here.
pub(crate) fn is_met(import: &str) -> bool {
    let (interface, version) = import.split_once('@').unwrap_or((import, ""));
    PACKAGES.iter().any(|package| interface.starts_with(package)) && version.starts_with("0.2.")
}

/// Defines what the component imports of WASI.
pub(crate) fn define(linker: &mut Linker<State>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    for (import, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(interface) = &item.ty else { continue };
        if !is_met(import) {
            continue;
        }
        let name = import.split_once('@').map_or(import, |(name, _)| name);
        let mut instance = linker.instance(import)?;
        for (member, item) in interface.exports(engine) {
            match item.ty {
                ComponentItem::Resource(_) => instance.resource(member, resource(member), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(function) => {
                    let known = define_known(&mut instance, name, member)?;
                    (!known).then(|| deny(&mut instance, format!("{name}#{member}"), member, &function)).transpose()?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Resources go by their name: the interfaces use each other's.
fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<IoError>(),
        "network" => ResourceType::host::<Network>(),
        _ => ResourceType::host::<Never>(),
    }
}

/// Defines a function that has an answer; false: it has none.
fn define_known(instance: &mut LinkerInstance<'_, State>, interface: &str, function: &str) -> wasmtime::Result<bool> {
    match interface.strip_prefix("wasi:").unwrap_or(interface) {
        "cli/environment" => match function {
            "get-environment" => instance.func_wrap(function, |_, ()| Ok((Vec::<(String, String)>::new(),)))?,
            "get-arguments" => instance.func_wrap(function, |_, ()| Ok((Vec::<String>::new(),)))?,
            "initial-cwd" => instance.func_wrap(function, |_, ()| Ok((None::<String>,)))?,
            _ => return Ok(false),
        },
        "cli/stdin" => instance.func_wrap(function, |_, ()| Ok((Resource::<InputStream>::new_own(0),)))?,
        "cli/stdout" => instance.func_wrap(function, |_, ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)))?,
        "cli/stderr" => instance.func_wrap(function, |_, ()| Ok((Resource::<OutputStream>::new_own(STDERR),)))?,
        "cli/terminal-stdin" | "cli/terminal-stdout" | "cli/terminal-stderr" => {
            instance.func_wrap(function, |_, ()| Ok((None::<Resource<Never>>,)))?;
        }
        "clocks/monotonic-clock" => match function {
            "now" => instance.func_wrap(function, |_, ()| Ok((0_u64,)))?,
            "resolution" => instance.func_wrap(function, |_, ()| Ok((1_u64,)))?,
            "subscribe-instant" | "subscribe-duration" => {
                instance.func_wrap(function, |_, (_,): (u64,)| Ok((Resource::<Pollable>::new_own(0),)))?;
            }
            _ => return Ok(false),
        },
        "clocks/wall-clock" => match function {
            "now" => instance.func_wrap(function, |_, ()| Ok((Datetime { seconds: 0, nanoseconds: 0 },)))?,
            "resolution" => instance.func_wrap(function, |_, ()| Ok((Datetime { seconds: 0, nanoseconds: 1 },)))?,
            _ => return Ok(false),
        },
        "filesystem/preopens" => {
            instance.func_wrap(function, |_, ()| Ok((Vec::<(Resource<Never>, String)>::new(),)))?;
        }
        "filesystem/types" if function == "filesystem-error-code" => return Ok(false),
        "io/error" => {
            instance.func_wrap(function, |_, (_,): (Resource<IoError>,)| Ok(("closed".to_owned(),)))?;
        }
        "io/poll" => match function {
            "[method]pollable.ready" => instance.func_wrap(function, |_, (_,): (Resource<Pollable>,)| Ok((true,)))?,
            "[method]pollable.block" => instance.func_wrap(function, |_, (_,): (Resource<Pollable>,)| Ok(()))?,
            "poll" => instance.func_wrap(function, |_, (all,): (Vec<Resource<Pollable>>,)| {
                // Time stands still, so all that was waited for is there.
                Ok(((0..).take(all.len()).collect::<Vec<u32>>(),))
            })?,
            _ => return Ok(false),
        },
        "io/streams" => return define_stream(instance, function),
        "random/random" | "random/insecure" => match function {
            "get-random-u64" | "get-insecure-random-u64" => instance.func_wrap(function, |_, ()| Ok((RANDOM,)))?,
            "get-random-bytes" | "get-insecure-random-bytes" => {
                instance.func_wrap(function, |_, (octets,): (u64,)| Ok((random(octets)?,)))?;
            }
            _ => return Ok(false),
        },
        "random/insecure-seed" => instance.func_wrap(function, |_, ()| Ok(((RANDOM, !RANDOM),)))?,
        "sockets/instance-network" => {
            instance.func_wrap(function, |_, ()| Ok((Resource::<Network>::new_own(0),)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Input is at its end; output goes to the log.
fn define_stream(instance: &mut LinkerInstance<'_, State>, function: &str) -> wasmtime::Result<bool> {
    type Written = (Result<(), StreamError>,);
    let Some((_, method)) = function.split_once('.') else { return Ok(false) };
    match method {
        "read" | "blocking-read" => instance.func_wrap(function, |_, (_, _): (Resource<InputStream>, u64)| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?,
        "skip" | "blocking-skip" => instance
            .func_wrap(function, |_, (_, _): (Resource<InputStream>, u64)| Ok((Err::<u64, _>(StreamError::Closed),)))?,
        "subscribe" if function.contains("input") => {
            instance
                .func_wrap(function, |_, (_,): (Resource<InputStream>,)| Ok((Resource::<Pollable>::new_own(0),)))?;
        }
        "subscribe" => instance
            .func_wrap(function, |_, (_,): (Resource<OutputStream>,)| Ok((Resource::<Pollable>::new_own(0),)))?,
        "check-write" => {
            instance.func_wrap(function, |_, (_,): (Resource<OutputStream>,)| Ok((Ok::<u64, StreamError>(PERMIT),)))?
        }
        "write" | "blocking-write-and-flush" => {
            instance.func_wrap(
                function,
                |mut store: Store<'_>,
                 (stream, octets): (Resource<OutputStream>, Vec<u8>)|
                 -> wasmtime::Result<Written> {
                    store.data_mut().write(stream.rep(), &octets);
                    Ok((Ok(()),))
                },
            )?;
        }
        "flush" | "blocking-flush" => instance
            .func_wrap(function, |_, (_,): (Resource<OutputStream>,)| -> wasmtime::Result<Written> { Ok((Ok(()),)) })?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// A function that is refused: with the error that its type has for it, or else by a trap that names it.
fn deny(
    instance: &mut LinkerInstance<'_, State>,
    whole_name: String,
    name: &str,
    function: &ComponentFunc,
) -> wasmtime::Result<()> {
    let refusal = function.results().next().and_then(|result| match result {
        Type::Result(result) => match result.err() {
            Some(Type::Enum(codes)) => {
                let code = codes.names().find(|name| ["access-denied", "access"].contains(name))?;
                Some(Val::Result(Err(Some(Box::new(Val::Enum(code.to_owned()))))))
            }
            _ => None,
        },
        _ => None,
    });
    instance.func_new(name, move |_, _, _, results| match (&refusal, results) {
        (Some(refusal), [result]) => {
            *result = refusal.clone();
            Ok(())
        }
        _ if whole_name.starts_with("wasi:cli/exit") => Err(wasmtime::Error::msg("it ended itself by exit")),
        _ => Err(wasmtime::Error::msg(format!("it called {whole_name}, which rules do not have"))),
    })
}

fn random(octets: u64) -> wasmtime::Result<Vec<u8>> {
    if octets > RANDOM_OCTETS {
        return Err(wasmtime::Error::msg(format!("it asked for {octets} random octets at once")));
    }
    let length = usize::try_from(octets).unwrap_or(usize::MAX);
    Ok(RANDOM.to_le_bytes().into_iter().cycle().take(length).collect())
}

impl State {
    /// Takes output in: each whole line is a line of the log.
    fn write(&mut self, stream: u32, octets: &[u8]) {
        let (level, from_stderr) = if stream == STDERR { (Level::Warn, true) } else { (Level::Info, false) };
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            let Some(output) = self.output.get_mut(usize::from(from_stderr)) else { return };
            let room = LINE_OCTETS.saturating_sub(output.0.len());
            output.0.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") || output.0.len() >= LINE_OCTETS {
                let line = std::mem::take(&mut output.0);
                let line = String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned();
                if !line.is_empty() {
                    self.say(level, None, line, from_stderr);
                }
            }
        }
    }

    /// Ends the lines that have no end yet: with the call, what was printed for it is over.
    pub(crate) fn end_lines(&mut self) {
        for stream in [STDOUT, STDERR] {
            if self.output.get(usize::from(stream == STDERR)).is_some_and(|output| !output.0.is_empty()) {
                self.write(stream, b"\n");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Limits;

    #[test]
    fn output_is_told_by_lines_and_a_long_line_is_cut() {
        let mut state = State::new(&Limits::default());
        state.write(STDOUT, b"one\ntw");
        state.write(STDERR, b"wrong\n\n");
        state.write(STDOUT, b"o");
        state.end_lines();
        state.write(STDOUT, &[b'x'; 3000]);
        let lines: Vec<String> = state.take_lines().0.into_iter().map(|line| line.message).collect();
        assert_eq!(lines.iter().take(3).collect::<Vec<_>>(), ["one", "wrong", "two"]);
        assert!(lines.iter().all(|line| line.len() <= LINE_OCTETS));
    }

    #[test]
    fn only_the_packages_of_standard_libraries_are_met() {
        assert!(is_met("wasi:clocks/wall-clock@0.2.6") && is_met("wasi:sockets/tcp@0.2.0"));
        assert!(!is_met("wasi:http/outgoing-handler@0.2.0") && !is_met("wasi:clocks/wall-clock@0.3.0"));
        assert!(!is_met("acme:cli/stdout@0.2.0"));
    }
}
