//! Another family of directories, against a real 389 Directory Server: by comparing, and by its content synchronisation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::fmt::Write as _;
use std::time::Duration;

use provisor_directory::{
    ChangeReading, ConnectionOptions, Directory, Feed, LdapKind, ObjectQuery, OpenLdap, OpenLdapOptions, SourceOptions,
};
use provisor_model::{CheckOutcome, Secret};
use provisor_tests::ldif::{Directory as Generated, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::slapd::{ADMIN_DN, ADMIN_PASSWORD};
use provisor_tests::{Netscape, NetscapeOptions};
use support::{Report, Store, everything, names};

const ATTRIBUTES: &[&str] = &["uid", "cn", "sn", "displayName", "mail", "title", "manager", "member", "ou"];

fn generated() -> Generated {
    Generated::generate(Size { people: 50, groups: 5, big: 0 }, 7)
}

fn server(synchronises: bool, forgetful: bool) -> Netscape {
    let ldif = generated().to_ldif(false);
    Netscape::start(&NetscapeOptions { ldif, synchronises, forgetful }).unwrap()
}

fn directory(server: &Netscape, changes: ChangeReading) -> Directory {
    let feed = Feed { kind: LdapKind::Any, changes, detect_source_id: true, live: true, ..Feed::default() };
    with(server, feed)
}

fn with(server: &Netscape, feed: Feed) -> Directory {
    let options = OpenLdapOptions {
        connection: ConnectionOptions::simple(server.url(), ADMIN_DN, Secret::new(ADMIN_PASSWORD)),
        base: SUFFIX.parse().unwrap(),
        page_size: 20,
        object: SourceOptions::default(),
        feed,
    };
    OpenLdap::new(options).unwrap().into()
}

/// One of each sort of change: added, changed, renamed, moved, deleted, and a member more.
fn change_everything(server: &Netscape) {
    let dn = |number: usize| generated().people[number].dn();
    let mut ldif = format!(
        "dn: uid=new,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n\n\
         dn: {}\nchangetype: modify\nreplace: title\ntitle: Changed\n\n",
        dn(0)
    );
    let group = generated().groups[0].dn();
    write!(ldif, "dn: {group}\nchangetype: modify\nadd: member\nmember: uid=new,ou=people,{SUFFIX}\n").unwrap();
    server.apply(&ldif).unwrap();
    server.rename(&dn(1), "uid=renamed", None).unwrap();
    server.rename(&dn(2), dn(2).split(',').next().unwrap(), Some(&format!("ou=svc,{SUFFIX}"))).unwrap();
    server.delete(&dn(3)).unwrap();
}

/// A change of each sort arrives, the units above included, and an unchanged directory brings nothing.
async fn follow(server: &mut Netscape, directory: &Directory) -> Store {
    let mut store = everything(directory, ATTRIBUTES).await;
    assert_eq!(store.entries.len(), 50 + 5 + 5, "people, groups, and what holds them");
    let before = store.content();
    assert!(!store.import(directory, ATTRIBUTES).await.unwrap().full);
    assert_eq!(store.content(), before, "nothing changed");

    change_everything(server);
    let report = store.import(directory, ATTRIBUTES).await.unwrap();
    assert!(!report.full, "{report:?}");
    assert_eq!(store.content(), everything(directory, ATTRIBUTES).await.content());
    assert!(store.entry("uid=renamed").is_some() && store.entry("uid=new").is_some());

    server.rename(&format!("ou=people,{SUFFIX}"), "ou=folk", None).unwrap();
    assert!(!store.import(directory, ATTRIBUTES).await.unwrap().full);
    assert_eq!(store.content(), everything(directory, ATTRIBUTES).await.content(), "all below a unit moves with it");

    server.restart().unwrap();
    server.delete(&format!("uid=new,ou=folk,{SUFFIX}")).unwrap();
    let report = store.import(directory, ATTRIBUTES).await.unwrap();
    assert!(!report.full && store.entry("uid=new").is_none(), "{report:?}");
    assert_eq!(store.content(), everything(directory, ATTRIBUTES).await.content());
    store
}

#[tokio::test]
async fn a_server_without_synchronisation_is_followed_by_comparing() {
    let mut server = server(false, false);
    let directory = directory(&server, ChangeReading::Auto);
    let store = follow(&mut server, &directory).await;
    let id = store.entry("uid=renamed").unwrap().source_id.clone();
    let found = directory.read_object(ObjectQuery::SourceId(id), &names(ATTRIBUTES), None).await.unwrap();
    assert_eq!(found.len(), 1, "an id leads back to its entry");
    let lines = directory.check().await;
    let line = |what: &str| lines.iter().find(|line| line.what == what).unwrap().outcome.clone();
    assert!(matches!(line("changes"), CheckOutcome::Ok(text) if text.contains("does not announce")), "{lines:?}");
    assert!(matches!(line("source id"), CheckOutcome::Ok(text) if text.contains("nsUniqueId")), "{lines:?}");
    assert!(matches!(line("live"), CheckOutcome::Warning(text) if text.contains("interval")), "{lines:?}");
    assert!(directory.listen(None).await.unwrap().is_none());
}

#[tokio::test]
async fn its_synchronisation_is_followed_where_that_is_set() {
    let mut server = server(true, false);
    let directory = directory(&server, ChangeReading::Sync);
    let mut store = follow(&mut server, &directory).await;
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert_eq!(report, Report::default(), "nothing changed, and nothing is even listed");
    let by_comparing = with(&server, Feed { kind: LdapKind::Any, detect_source_id: true, ..Feed::default() });
    assert_eq!(store.content(), everything(&by_comparing, ATTRIBUTES).await.content(), "the ids are the same");
}

#[tokio::test]
async fn what_its_changelog_does_not_tell_is_found_all_the_same() {
    let server = server(true, true);
    let directory = directory(&server, ChangeReading::Sync);
    let mut store = everything(&directory, ATTRIBUTES).await;
    change_everything(&server);
    assert!(store.import(&directory, ATTRIBUTES).await.unwrap().full, "it says that there are changes, but not which");
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
}

#[tokio::test]
async fn operational_attributes_do_not_vanish_with_a_change() {
    let server = server(true, false);
    let directory = directory(&server, ChangeReading::Sync);
    let dn = generated().people[0].dn();
    server.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: nsAccountLock\nnsAccountLock: true\n")).unwrap();
    let mut store = everything(&directory, &["cn", "nsAccountLock"]).await;
    server.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: cn\ncn: Changed\n")).unwrap();
    assert!(!store.import(&directory, &["cn", "nsAccountLock"]).await.unwrap().full);
    let entry = store.entries.values().find(|entry| entry.dn.to_string() == dn).unwrap();
    assert_eq!(entry.attributes.first_text("cn"), Some("Changed"));
    assert_eq!(entry.attributes.first_text("nsAccountLock"), Some("true"));
}

#[tokio::test]
async fn it_announces_that_something_changed() {
    let server = server(true, false);
    let directory = directory(&server, ChangeReading::Sync);
    let store = everything(&directory, ATTRIBUTES).await;
    let mut listener = directory.listen(store.watermark.as_ref()).await.unwrap().unwrap();
    change_everything(&server);
    tokio::time::timeout(Duration::from_secs(20), listener.changed()).await.expect("news").unwrap();
}

/// Lets the sync account read everything, and search for all but, maybe, the ids.
fn grant(server: &Netscape, ids: &str) {
    let aci = |what: &str, rights: &str| {
        let subject = format!("allow ({rights}) userdn = \"ldap:///{SYNC_DN}\"");
        format!("aci: (targetattr {what})(version 3.0; acl \"{rights}\"; {subject};)\n")
    };
    // An attribute that is not named here is one of all others.
    let others = aci("!= \"nsUniqueId || userPassword\"", "read, search, compare");
    let change = format!("dn: {SUFFIX}\nchangetype: modify\nreplace: aci\n{others}{}", aci("= \"nsUniqueId\"", ids));
    server.apply(&change).unwrap();
}

#[tokio::test]
async fn an_account_that_may_not_search_for_ids_takes_nobody_for_deleted() {
    let server = server(false, false);
    grant(&server, "read");
    let options = OpenLdapOptions {
        connection: ConnectionOptions::simple(server.url(), SYNC_DN, Secret::new(SYNC_PASSWORD)),
        base: SUFFIX.parse().unwrap(),
        page_size: 20,
        object: SourceOptions::default(),
        feed: Feed { kind: LdapKind::Any, detect_source_id: true, ..Feed::default() },
    };
    let directory: Directory = OpenLdap::new(options).unwrap().into();
    let mut store = everything(&directory, ATTRIBUTES).await;
    let count = store.entries.len();
    server.delete(&generated().people[0].dn()).unwrap();
    let error = store.import(&directory, ATTRIBUTES).await.unwrap_err().to_string();
    assert!(error.contains("search nsUniqueId"), "{error}");
    assert_eq!(store.entries.len(), count, "nothing was deleted");
    grant(&server, "read, search");
    store.import(&directory, ATTRIBUTES).await.unwrap();
    assert_eq!(store.entries.len(), count - 1);
}

/// Another address of a server, until it is dropped.
struct Detour {
    url: String,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Detour {
    async fn to(server: &Netscape) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ldap://{}", listener.local_addr().unwrap());
        let address = server.url().trim_start_matches("ldap://").to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = tokio::net::TcpStream::connect(&address).await.unwrap();
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
            }
        });
        Self { url, accepting }
    }
}

/// The second server, which is the first by another address, knows nothing of the first one's cookies; and for all that
/// is known it may lag.
#[tokio::test]
async fn a_failover_with_opaque_cookies_another_filter_or_base_deletes_nobody() {
    for changes in [ChangeReading::Sync, ChangeReading::Compare] {
        let server = server(true, false);
        let detour = Detour::to(&server).await;
        let urls = vec![detour.url.clone(), server.url()];
        let reading = |base: &str, filter: Option<&str>| {
            let filter = filter.map(str::to_owned);
            let feed = Feed { kind: LdapKind::Any, changes, detect_source_id: true, filter, ..Feed::default() };
            let simple = ConnectionOptions::simple("", ADMIN_DN, Secret::new(ADMIN_PASSWORD));
            let options = OpenLdapOptions {
                connection: ConnectionOptions { urls: urls.clone(), ..simple },
                base: base.parse().unwrap(),
                page_size: 20,
                object: SourceOptions::default(),
                feed,
            };
            Directory::from(OpenLdap::new(options).unwrap())
        };
        let first = everything(&reading(SUFFIX, None), ATTRIBUTES).await;
        drop(detour);
        server.delete(&generated().people[0].dn()).unwrap();
        let people = format!("ou=people,{SUFFIX}");
        for (base, filter) in [(SUFFIX, None), (SUFFIX, Some("(uid=*)")), (people.as_str(), None)] {
            let directory = reading(base, filter);
            for watermark in [first.watermark.clone(), None] {
                let mut store = Store { watermark, ..first.clone() };
                for _ in 0..2 {
                    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
                    assert!(
                        !report.absent_is_deleted && report.deleted == 0,
                        "{changes:?} {base} {filter:?}: {report:?}"
                    );
                    assert_eq!(store.entries.len(), first.entries.len(), "{changes:?} {base} {filter:?}");
                }
            }
        }
    }
}
