//! A rules plugin that uses the standard library as if it ran on a system, for the tests of the plugin host.
//!
//! `cargo xtask plugins --tests` builds it where the target wasm32-wasip2 can be had.

use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use provisor_sdk::prelude::*;

/// There is nothing to be set.
#[derive(Clone, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {}

/// Maps `user` entries to `User` resources; the uid says what it asks the system for.
pub struct Asking {
    uid: Text,
    user_name: Target,
    title: Target,
}

impl Mapping for Asking {
    type Config = Config;

    fn configure(_: Config, contract: &mut MappingContract) -> Result<Self, String> {
        contract.object_class("user");
        contract.resource_kind("User");
        Ok(Self { uid: contract.text("uid"), user_name: contract.write("userName"), title: contract.write("title") })
    }

    fn map(&self, entry: &Entry, resource: &mut Resource) -> Result<(), Refusal> {
        let uid = entry.text(self.uid).ok_or_else(|| fail("no-uid", "the entry has no uid"))?;
        resource.set(self.user_name, uid);
        resource.set(self.title, ask(uid));
        Ok(())
    }
}

/// What a rule should not ask, and what it is told.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "what the tests ask for"
)]
fn ask(what: &str) -> String {
    match what {
        // The order of a hash map follows its random keys.
        "random" => {
            let map: HashMap<u32, ()> = (0..50).map(|number| (number, ())).collect();
            map.keys().map(u32::to_string).collect::<Vec<_>>().join(" ")
        }
        "clock" => {
            let start = Instant::now();
            let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos());
            format!("{time} {}", start.elapsed().as_nanos())
        }
        "sleep" => {
            std::thread::sleep(std::time::Duration::from_secs(3600));
            "slept".to_owned()
        }
        "system" => {
            let file =
                std::fs::read("/etc/passwd").map_or_else(|error| error.kind().to_string(), |_| "read".to_owned());
            let socket = std::net::TcpStream::connect("127.0.0.1:22")
                .map_or_else(|error| error.kind().to_string(), |_| "connected".to_owned());
            let variables = std::env::vars().count();
            let arguments = std::env::args().count();
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line).unwrap_or(99);
            format!("{file}; {socket}; {variables} {arguments} {read}")
        }
        "print" => {
            println!("to the\u{1b}[31m output");
            eprintln!("to the errors");
            "printed".to_owned()
        }
        "flood" => {
            for number in 0..100_000 {
                println!("line {number}");
            }
            "flooded".to_owned()
        }
        "panic" => panic!("the guest panics"),
        "exit" => std::process::exit(3),
        other => other.to_owned(),
    }
}

#[cfg(target_arch = "wasm32")]
provisor_sdk::export_mapping!(Asking);
