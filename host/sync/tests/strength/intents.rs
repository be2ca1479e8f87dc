//! Every request that writes finds its intent stored: who is asked looks into the connector space before it answers.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use provisor_model::{IdSyntax, ResourceId, SourceId};
use provisor_space::Space;
use serde_json::Value;

use crate::lab::{Directory, Lab, RULES};

/// What a witness has seen: requests that write, by method, and those that had no intent.
#[derive(Default)]
struct Seen {
    writes: BTreeMap<String, u32>,
    unannounced: Vec<String>,
}

/// A proxy between the pipeline and the tenant that looks into the connector space whenever a request writes.
struct Witness {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Witness {
    fn start(space: PathBuf) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (kept, space) = (Arc::clone(&seen), Arc::new((space, Mutex::new(None))));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (kept, space) = (Arc::clone(&kept), Arc::clone(&space));
                thread::spawn(move || pass_on(stream, &kept, &space));
            }
        });
        Self { address, seen }
    }
}

/// Passes one request on, and its answer back.
fn pass_on(mut client: TcpStream, seen: &Mutex<Seen>, space: &(PathBuf, Mutex<Option<Space>>)) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let lines = || head.lines().skip(1).filter(|line| !line.is_empty());
    let named = |line: &&str, name: &str| line.split(':').next().is_some_and(|head| head.eq_ignore_ascii_case(name));
    let length =
        lines().find(|line| named(line, "content-length")).map_or(0, |line| line[15..].trim().parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut words = head.split_whitespace();
    let (method, url) = (words.next().unwrap(), words.next().unwrap());
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    if method != "GET" {
        let is_announced = is_announced(space, path, &body);
        let mut seen = seen.lock().unwrap();
        *seen.writes.entry(method.to_owned()).or_default() += 1;
        if !is_announced {
            seen.unannounced.push(format!("{method} {path}"));
        }
    }
    let mut service = TcpStream::connect(host).unwrap();
    let kept: Vec<&str> = lines().filter(|line| !named(line, "connection")).collect();
    write!(service, "{method} /{path} HTTP/1.1\r\n{}\r\nConnection: close\r\n\r\n", kept.join("\r\n")).unwrap();
    service.write_all(&body).unwrap();
    let mut answer = Vec::new();
    service.read_to_end(&mut answer).unwrap();
    // The other side may have been dropped with the test.
    let _ = client.write_all(&answer);
}

/// Whether what is stored at this moment says that a request for this resource is out.
fn is_announced((file, space): &(PathBuf, Mutex<Option<Space>>), path: &str, body: &[u8]) -> bool {
    let mut space = space.lock().unwrap();
    let space = space.get_or_insert_with(|| Space::open(file).unwrap());
    let (parent, last) = path.rsplit_once('/').unwrap();
    let entry = match parent.rsplit('/').next().unwrap() {
        kind @ ("Users" | "Groups") => {
            let owner = space.owner_of(kind.trim_end_matches('s'), &ResourceId::new(last)).unwrap();
            owner.and_then(|(key, _, _)| space.entry(key).unwrap())
        }
        _ => {
            let body: Value = serde_json::from_slice(body).unwrap();
            let id = SourceId::parse(IdSyntax::Uuid, body["externalId"].as_str().unwrap()).unwrap();
            space.entry_by_source_id(&id).unwrap()
        }
    };
    entry.is_some_and(|entry| entry.uncertain)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_that_writes_goes_out_before_its_intent_is_stored() {
    let mut directory = Directory::of(1..=400);
    for group in 0..10 {
        directory = directory.with_group(500 + group, (1..=400).filter(|person| (person + group) % 7 < 3));
    }
    // A circle, so that a reference is settled behind the creations.
    directory.person(1).manager = Some(400);
    let mut lab = Lab::new(directory).await;
    let witness = Witness::start(lab.folder.path().join("data/lab.space"));
    lab.change_settings(&format!("concurrency = 16\nproxy = \"http://{}\"\n{RULES}", witness.address)).await;
    lab.sync().await;
    lab.assert_in_step();
    for number in 1..=100 {
        lab.directory.person(number).title = "Director".into();
    }
    for number in 380..=399 {
        lab.directory.people.remove(&number);
    }
    lab.sync().await;
    let seen = witness.seen.lock().unwrap();
    assert_eq!(seen.unannounced, Vec::<String>::new());
    assert_eq!(seen.writes.get("POST"), Some(&410));
    assert!(seen.writes.get("PATCH").is_some_and(|count| *count > 100), "{:?}", seen.writes);
    assert_eq!(seen.writes.get("DELETE"), Some(&20));
}
