//! The agent and its plugins folder where events fail: a change that nobody tells, and more events than the queue holds.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Running, World, rebuilt_people, wait_until};

/// An agent that is at rest: its one cycle is over, and the next is a day away.
fn at_rest(world: &World) -> Running {
    world.people(1..=3);
    world.configure("hr", "interval = \"1d\"", "");
    let host = world.start();
    wait_until("everybody is there", || world.user_names().len() == 3, || host.log());
    host
}

/// The hash of the file that is in the folder as the plugin `people`, where the agent uses it.
fn in_use(world: &World) -> Option<String> {
    let (_, report) = world.json(&["plugin", "list"]);
    let people = report["plugins"].as_array()?.iter().find(|plugin| plugin["name"] == "people")?;
    (people["state"] == "active").then(|| people["hash"].as_str().map(str::to_owned))?
}

/// A link to a file elsewhere: as on a network file system, no event comes when that is written.
#[test]
fn a_plugin_that_is_replaced_in_silence_is_found_by_looking_now_and_then() {
    let world = World::new();
    fs::create_dir(world.path("elsewhere")).unwrap();
    world.write("elsewhere/people.wasm", rebuilt_people(0));
    symlink(world.path("elsewhere/people.wasm"), world.path("plugins/people.wasm")).unwrap();
    let host = at_rest(&world);
    let before = in_use(&world);
    world.write("elsewhere/people.wasm", rebuilt_people(1));
    wait_until("the other file is in use", || in_use(&world).is_some_and(|now| Some(now) != before), || host.log());
    assert_eq!(host.end_by(Signal::SIGTERM).0, 0);
}

#[test]
fn a_plugin_that_is_replaced_when_the_queue_of_events_is_full_is_taken_all_the_same() {
    let world = World::new();
    world.write("plugins/people.wasm", rebuilt_people(0));
    let host = at_rest(&world);
    let before = in_use(&world);
    let process = Pid::from_raw(i32::try_from(host.process()).unwrap());
    let stat = format!("/proc/{process}/stat");
    kill(process, Signal::SIGSTOP).unwrap();
    wait_until("it stands still", || fs::read_to_string(&stat).unwrap().contains(") T "), || host.log());
    let most: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    // Two files in turn: events that are alike and follow each other are told as one.
    let noise = ["plugins/noise1", "plugins/noise2"].map(|name| world.path(name));
    noise.iter().for_each(|file| fs::write(file, "").unwrap());
    for turn in 0..=most {
        fs::set_permissions(&noise[turn % 2], Permissions::from_mode(0o600)).unwrap();
    }
    world.write("plugins/people.wasm", rebuilt_people(1));
    kill(process, Signal::SIGCONT).unwrap();
    wait_until("the other file is in use", || in_use(&world).is_some_and(|now| Some(now) != before), || host.log());
    assert_eq!(host.end_by(Signal::SIGTERM).0, 0);
}
