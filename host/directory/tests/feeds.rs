//! What is read of a directory and how its changes are found, against a real slapd: comparing, filters, several bases, ids
//! of all sorts, cookies of several servers, and listening.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use provisor_directory::{
    ChangeReading, Completion, ConnectionOptions, Directory, DirectoryError, Feed, ImportItem, ImportKind,
    ImportRequest, LdapKind, ObjectQuery, OpenLdap, OpenLdapOptions, SourceOptions, Watermark,
};
use provisor_model::{CheckOutcome, Secret};
use provisor_tests::ldif::{Directory as Generated, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{ChangeLog, Slapd, SlapdOptions};
use support::{Report, Store, everything, names, taken_apart};

const ATTRIBUTES: &[&str] = &["uid", "cn", "sn", "mail", "title", "employeeNumber", "member", "ou"];

fn generated() -> Generated {
    Generated::generate(Size { people: 30, groups: 3, big: 0 }, 7)
}

fn slapd(change_log: ChangeLog) -> Slapd {
    Slapd::start(&SlapdOptions { ldif: generated().to_ldif(true), change_log, ..SlapdOptions::default() }).unwrap()
}

fn options(slapd: &Slapd, feed: Feed) -> OpenLdapOptions {
    OpenLdapOptions {
        connection: ConnectionOptions {
            ca: Some(slapd.ca_file()),
            timeout: Duration::from_secs(20),
            ..ConnectionOptions::simple(slapd.tls_url(), SYNC_DN, Secret::new(SYNC_PASSWORD))
        },
        base: SUFFIX.parse().unwrap(),
        page_size: 10,
        object: SourceOptions::default(),
        feed,
    }
}

fn directory(slapd: &Slapd, feed: Feed) -> Directory {
    OpenLdap::new(options(slapd, feed)).unwrap().into()
}

fn comparing() -> Feed {
    Feed { changes: ChangeReading::Compare, ..Feed::default() }
}

fn person(number: usize) -> String {
    generated().people[number].dn()
}

fn set(slapd: &Slapd, dn: &str, attribute: &str, value: &str) {
    slapd.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{attribute}: {value}\n")).unwrap();
}

/// Imports what changed, which must come to the same as reading everything.
async fn follow(store: &mut Store, directory: &Directory) -> Report {
    let report = store.import(directory, ATTRIBUTES).await.unwrap();
    assert_eq!(store.content(), everything(directory, ATTRIBUTES).await.content());
    report
}

#[tokio::test]
async fn comparing_finds_what_a_synchronisation_would_have_told() {
    let slapd = slapd(ChangeLog::SessionLog(100));
    let directory = directory(&slapd, comparing());
    let mut store = everything(&directory, ATTRIBUTES).await;
    assert!(!follow(&mut store, &directory).await.full, "nothing changed");
    set(&slapd, &person(0), "title", "Changed");
    slapd.rename(&person(1), "uid=renamed", None).unwrap();
    slapd.delete(&person(2)).unwrap();
    slapd
        .apply(&format!("dn: uid=new,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: new\ncn: N\nsn: N\n"))
        .unwrap();
    let report = follow(&mut store, &directory).await;
    assert!(!report.full && report.listed > 30 && report.deleted == 0, "{report:?}");
    slapd.rename(&format!("ou=people,{SUFFIX}"), "ou=folk", None).unwrap();
    assert!(!follow(&mut store, &directory).await.full, "what is below a renamed unit moves with it");
    let lines = directory.check().await;
    let changes = lines.iter().find(|line| line.what == "changes").unwrap();
    assert!(matches!(&changes.outcome, CheckOutcome::Ok(text) if text.contains("compare")), "{changes:?}");
}

#[tokio::test]
async fn a_branch_that_moves_into_the_base_is_read_whole() {
    let slapd = slapd(ChangeLog::None);
    let branch = format!(
        "dn: ou=team,ou=svc,{SUFFIX}\nobjectClass: organizationalUnit\nou: team\n\n\
         dn: uid=deep,ou=team,ou=svc,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: deep\ncn: D\nsn: D\n"
    );
    slapd.apply(&branch).unwrap();
    let people =
        OpenLdapOptions { base: format!("ou=people,{SUFFIX}").parse().unwrap(), ..options(&slapd, comparing()) };
    let directory: Directory = OpenLdap::new(people).unwrap().into();
    let mut store = everything(&directory, ATTRIBUTES).await;
    slapd.rename(&format!("ou=team,ou=svc,{SUFFIX}"), "ou=team", Some(&format!("ou=people,{SUFFIX}"))).unwrap();
    follow(&mut store, &directory).await;
    assert!(store.entry("uid=deep").is_some());
    slapd.rename(&format!("ou=team,ou=people,{SUFFIX}"), "ou=team", Some(&format!("ou=svc,{SUFFIX}"))).unwrap();
    assert!(!follow(&mut store, &directory).await.full);
    assert!(store.entry("uid=deep").is_none());
}

#[tokio::test]
async fn who_does_not_meet_the_filter_any_more_is_excluded_and_not_deleted() {
    let slapd = slapd(ChangeLog::AccessLog);
    for changes in [ChangeReading::Auto, ChangeReading::Compare] {
        for number in 0..30 {
            set(&slapd, &person(number), "title", "staff");
        }
        let feed = Feed { changes, filter: Some("(title=staff)".into()), ..Feed::default() };
        let directory = directory(&slapd, feed);
        let mut store = everything(&directory, ATTRIBUTES).await;
        assert!(store.entry("ou=people").is_some(), "what holds the people is read as well");
        assert!(store.entries.values().all(|entry| entry.object_class != "group"));
        set(&slapd, &person(0), "title", "guest");
        let report = follow(&mut store, &directory).await;
        assert_eq!(
            (report.full, report.excluded, report.deleted, store.excluded.len()),
            (false, 1, 0, 1),
            "{changes:?}"
        );
        set(&slapd, &person(0), "title", "staff");
        let report = follow(&mut store, &directory).await;
        assert_eq!((report.full, store.excluded.len()), (false, 0), "{changes:?}: {report:?}");
        let gone = person(if changes == ChangeReading::Auto { 1 } else { 2 });
        let count = store.entries.len();
        slapd.delete(&gone).unwrap();
        follow(&mut store, &directory).await;
        assert_eq!((store.entries.len(), store.excluded.len()), (count - 1, 0), "{changes:?}");
        let entry = generated();
        slapd
            .apply(&entry.person_to_ldif(&entry.people[if changes == ChangeReading::Auto { 1 } else { 2 }], false))
            .unwrap();
    }
}

#[tokio::test]
async fn a_filter_that_was_mistyped_deletes_nobody() {
    let slapd = slapd(ChangeLog::SessionLog(100));
    let mut store = everything(&directory(&slapd, Feed::default()), ATTRIBUTES).await;
    let wrong = directory(&slapd, Feed { filter: Some("(objectClass=inetOrgPersn)".into()), ..Feed::default() });
    let report = store.import(&wrong, ATTRIBUTES).await.unwrap();
    assert!(report.full, "{report:?}");
    assert_eq!(
        (store.entries.len(), store.excluded.len()),
        (4, 34),
        "the units are still read, all others are excluded"
    );
    follow(&mut store, &directory(&slapd, Feed::default())).await;
    assert!(store.excluded.is_empty());
}

#[tokio::test]
async fn further_bases_are_followed_and_who_moves_between_them_stays() {
    for changes in [ChangeReading::Auto, ChangeReading::Compare] {
        let mut slapd = slapd(ChangeLog::SessionLog(100));
        let feed =
            Feed { changes, further_bases: vec![format!("ou=svc,{SUFFIX}").parse().unwrap()], ..Feed::default() };
        let base = format!("ou=people,{SUFFIX}").parse().unwrap();
        let directory: Directory = OpenLdap::new(OpenLdapOptions { base, ..options(&slapd, feed) }).unwrap().into();
        let mut store = everything(&directory, ATTRIBUTES).await;
        assert_eq!(store.entries.len(), 30 + 1 + 2, "the people, what holds them, and the services");
        let rdn = person(0).split(',').next().unwrap().to_owned();
        for (from, to) in [("people", "svc"), ("svc", "people")] {
            slapd.rename(&format!("{rdn},ou={from},{SUFFIX}"), &rdn, Some(&format!("ou={to},{SUFFIX}"))).unwrap();
            let report = follow(&mut store, &directory).await;
            assert!(!report.full && report.deleted == 0, "{changes:?}: {report:?}");
            assert!(store.entry(&rdn).is_some());
        }
        slapd.delete(&person(1)).unwrap();
        assert!(!follow(&mut store, &directory).await.full);
        // A present phase below one base says nothing of what is below the other.
        set(&slapd, &person(2), "title", "Changed");
        slapd.delete(&person(3)).unwrap();
        slapd.restart().unwrap();
        assert!(!follow(&mut store, &directory).await.full);
    }
}

#[tokio::test]
async fn bases_that_hold_one_another_are_refused() {
    let slapd = slapd(ChangeLog::None);
    let feed = Feed { further_bases: vec![format!("ou=svc,{SUFFIX}").parse().unwrap()], ..Feed::default() };
    assert!(matches!(OpenLdap::new(options(&slapd, feed)), Err(DirectoryError::Configuration(_))));
}

#[tokio::test]
async fn any_attribute_may_identify_entries_that_each_have_one() {
    let slapd = slapd(ChangeLog::SessionLog(100));
    let filter = Some("(objectClass=inetOrgPerson)".to_owned());
    let by = |attribute: &str, base: String| {
        let object = SourceOptions { source_id_attribute: attribute.into(), ..SourceOptions::default() };
        let base = base.parse().unwrap();
        let feed = Feed { filter: filter.clone(), ..Feed::default() };
        Directory::from(OpenLdap::new(OpenLdapOptions { object, base, ..options(&slapd, feed) }).unwrap())
    };
    // The unit above has none.
    let error = Store::default().import(&by("employeeNumber", SUFFIX.into()), ATTRIBUTES).await.unwrap_err();
    assert!(matches!(&error, DirectoryError::Rights { .. }) && error.to_string().contains("employeeNumber"), "{error}");

    let directory = by("employeeNumber", person(0));
    let mut store = everything(&directory, ATTRIBUTES).await;
    set(&slapd, &person(0), "title", "Changed");
    assert!(!follow(&mut store, &directory).await.full);
    assert_eq!(store.entries.keys().next().unwrap().to_string(), generated().people[0].employee_number);

    let sub = format!("dn: cn=sub,{}\nobjectClass: inetOrgPerson\ncn: sub\nsn: S\nemployeeNumber: ", person(0));
    slapd.apply(&format!("{sub}{}\n", generated().people[0].employee_number)).unwrap();
    let error = store.import(&directory, ATTRIBUTES).await.unwrap_err().to_string();
    assert!(error.contains("another entry") && error.contains("employeeNumber"), "{error}");
    assert_eq!(store.entries.len(), 1, "nothing was deleted");
}

#[tokio::test]
async fn who_cannot_be_searched_for_is_not_taken_for_deleted() {
    let slapd = slapd(ChangeLog::None);
    // Readable, but the schema gives it no rule for equality: a search for a value succeeds and finds nothing.
    let sub = format!("cn=sub,{}", person(0));
    set(&slapd, &person(0), "audio", "one");
    slapd.apply(&format!("dn: {sub}\nobjectClass: inetOrgPerson\ncn: sub\nsn: S\naudio: two\n")).unwrap();
    let object = SourceOptions { source_id_attribute: "audio".into(), ..SourceOptions::default() };
    let base = person(0).parse().unwrap();
    let options = OpenLdapOptions { object, base, ..options(&slapd, Feed::default()) };
    let directory: Directory = OpenLdap::new(options).unwrap().into();
    let mut store = everything(&directory, ATTRIBUTES).await;
    slapd.delete(&sub).unwrap();
    let error = store.import(&directory, ATTRIBUTES).await.unwrap_err();
    assert!(matches!(&error, DirectoryError::Rights { .. }) && error.to_string().contains("search audio"), "{error}");
    assert_eq!(store.entries.len(), 2, "nothing was deleted");
}

/// Where the account may read ids but not search for them, a search for one succeeds and finds nobody.
#[tokio::test]
async fn an_account_that_may_not_search_for_ids_takes_nobody_for_deleted() {
    let access = vec![format!("access to attrs=entryUUID by dn.exact=\"{SYNC_DN}\" =rcd by * none")];
    let ldif = generated().to_ldif(true);
    let options_of =
        |change_log| SlapdOptions { ldif: ldif.clone(), change_log, access: access.clone(), ..SlapdOptions::default() };
    let staff = Some("(sn=*)".to_owned());
    for (change_log, feed) in
        [(ChangeLog::None, comparing()), (ChangeLog::AccessLog, Feed { filter: staff, ..Feed::default() })]
    {
        let mut slapd = Slapd::start(&options_of(change_log)).unwrap();
        let directory = directory(&slapd, feed);
        let mut store = everything(&directory, ATTRIBUTES).await;
        let count = store.entries.len();
        slapd.delete(&person(0)).unwrap();
        for watermark in [store.watermark.clone(), None] {
            store.watermark = watermark;
            let error = store.import(&directory, ATTRIBUTES).await.unwrap_err();
            let words = error.to_string();
            assert!(matches!(error, DirectoryError::Rights { .. }) && words.contains("search entryUUID"), "{words}");
            assert_eq!(store.entries.len(), count, "nothing was deleted");
        }
        // With the right, the deletion comes.
        let file = slapd.ca_file().with_file_name("slapd.conf");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, config.replace(&format!("{}\n", access[0]), "")).unwrap();
        slapd.restart().unwrap();
        store.import(&directory, ATTRIBUTES).await.unwrap();
        assert_eq!(store.entries.len(), count - 1);
    }
}

#[tokio::test]
async fn a_detected_id_stays_though_a_likelier_one_appears() {
    let schema = [
        "attributetype ( 1.3.6.1.4.1.4203.666.11.99.1 NAME 'nsUniqueId' EQUALITY caseIgnoreMatch \
         SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )",
        "objectclass ( 1.3.6.1.4.1.4203.666.11.99.2 NAME 'migrated' SUP top AUXILIARY MAY nsUniqueId )",
    ];
    let global_directives = schema.map(str::to_owned).to_vec();
    let ldif = generated().to_ldif(true);
    let slapd = Slapd::start(&SlapdOptions { ldif, global_directives, ..SlapdOptions::default() }).unwrap();
    let directory = directory(&slapd, Feed { kind: LdapKind::Any, detect_source_id: true, ..Feed::default() });
    let mut store = everything(&directory, ATTRIBUTES).await;
    let before = store.content();
    let ids =
        "add: objectClass\nobjectClass: migrated\n-\nadd: nsUniqueId\nnsUniqueId: 11111111-22222222-33333333-44444444";
    slapd.apply(&format!("dn: {SUFFIX}\nchangetype: modify\n{ids}\n")).unwrap();
    for watermark in [store.watermark.clone(), None] {
        store.watermark = watermark;
        store.import(&directory, ATTRIBUTES).await.unwrap();
        assert_eq!(store.content(), before, "others would make other entries of all");
    }
    // A query goes by the same ids.
    let id = store.entries.keys().next().unwrap().clone();
    let found =
        directory.read_object(ObjectQuery::SourceId(id), &names(ATTRIBUTES), store.known.as_ref()).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn any_ldap_directory_may_be_openldap() {
    let slapd = slapd(ChangeLog::SessionLog(100));
    let feed = Feed { kind: LdapKind::Any, detect_source_id: true, ..Feed::default() };
    let directory = directory(&slapd, feed);
    let mut store = everything(&directory, ATTRIBUTES).await;
    set(&slapd, &person(0), "title", "Changed");
    let report = follow(&mut store, &directory).await;
    assert_eq!((report.full, report.upserted, report.listed), (false, 1, 0), "{report:?}");
    let kept = everything(&self::directory(&slapd, Feed::default()), ATTRIBUTES).await;
    assert_eq!(store.content(), kept.content(), "the ids are the same");
}

#[tokio::test]
async fn synchronisation_that_is_demanded_and_not_to_be_had_is_an_error() {
    let slapd = slapd(ChangeLog::None);
    let directory = directory(&slapd, Feed { changes: ChangeReading::Sync, ..Feed::default() });
    let error = Store::default().import(&directory, ATTRIBUTES).await.unwrap_err();
    assert!(matches!(&error, DirectoryError::Configuration(text) if text.contains("changes")), "{error}");
}

#[tokio::test]
async fn cookies_hold_a_number_for_each_server() {
    let other = "20200101000000.000000Z#000000#002#000000";
    let ldif = generated().to_ldif(true)
        + &format!(
            "\ndn: uid=remote,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: remote\ncn: R\nsn: R\nentryCSN: {other}\n"
        );
    let mut slapd =
        Slapd::start(&SlapdOptions { ldif, change_log: ChangeLog::SessionLog(100), ..SlapdOptions::default() })
            .unwrap();
    let directory = directory(&slapd, Feed::default());
    let mut store = everything(&directory, ATTRIBUTES).await;
    let watermark = |store: &Store| String::from_utf8(store.watermark.clone().unwrap().octets().to_vec()).unwrap();
    assert!(watermark(&store).contains("#001#") && watermark(&store).contains(other), "{}", watermark(&store));
    set(&slapd, &person(0), "title", "Changed");
    let report = follow(&mut store, &directory).await;
    assert_eq!((report.full, report.upserted), (false, 1), "{report:?}");
    assert!(watermark(&store).contains(other), "{}", watermark(&store));
    slapd.restart().unwrap();
    slapd.delete(&person(1)).unwrap();
    assert!(!follow(&mut store, &directory).await.full, "after a present phase, too");
    // One of the servers has done more than this one knows of.
    let ahead = watermark(&store).replace(other, "20990101000000.000000Z#000000#002#000000");
    let mut elsewhere = Store { watermark: Some(Watermark::from_octets(ahead.into_bytes())), ..store.clone() };
    assert!(follow(&mut elsewhere, &directory).await.full);
}

#[tokio::test]
async fn a_listener_hears_of_each_change_and_of_a_lost_connection() {
    let mut slapd = slapd(ChangeLog::SessionLog(100));
    let directory = directory(&slapd, Feed { live: true, ..Feed::default() });
    let mut store = everything(&directory, ATTRIBUTES).await;
    // What happened before anybody listened is news as well.
    set(&slapd, &person(0), "title", "First");
    let limit = Duration::from_secs(20);
    let mut listener = directory.listen(store.watermark.as_ref()).await.unwrap().unwrap();
    tokio::time::timeout(limit, listener.changed()).await.expect("news").unwrap();
    follow(&mut store, &directory).await;
    let mut listener = directory.listen(store.watermark.as_ref()).await.unwrap().unwrap();
    set(&slapd, &person(0), "title", "Second");
    tokio::time::timeout(limit, listener.changed()).await.expect("news of a change").unwrap();
    slapd.delete(&person(1)).unwrap();
    tokio::time::timeout(limit, listener.changed()).await.expect("news of a deletion").unwrap();
    slapd.crash().unwrap();
    let lost = async { while listener.changed().await.is_ok() {} };
    tokio::time::timeout(limit, lost).await.expect("the end of the connection is noticed");
    assert!(directory.listen(None).await.is_err());
}

/// The octets of values in each page of an import, which is read to its end.
async fn page_sizes(directory: &Directory, watermark: Option<Watermark>) -> (Vec<usize>, bool, Completion) {
    let request = ImportRequest { attributes: names(&["uid", "jpegPhoto"]), watermark, known: None };
    let mut import = directory.import(request).await.unwrap();
    let (full, mut sizes) = (import.kind() == ImportKind::Full, Vec::new());
    while let Some(page) = import.next_page().await.unwrap() {
        let octets = page.into_iter().map(taken_apart).filter_map(|item| match item {
            ImportItem::Upsert(entry) => {
                entry.attributes.values(&"jpegPhoto".into()).first().map(|one| one.octets().len())
            }
            _ => None,
        });
        sizes.push(octets.sum());
    }
    (sizes, full, import.finish().unwrap())
}

#[tokio::test]
async fn large_entries_come_in_pages_of_bounded_size() {
    const PHOTO: usize = 3 << 20;
    const PEOPLE: usize = 9;
    let photo = STANDARD.encode(vec![0xff; PHOTO]);
    let people: String = (0..PEOPLE)
        .map(|number| {
            format!(
                "\ndn: uid=p{number},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: p{number}\ncn: P\nsn: P\n\
                 entryUUID: 00000000-0000-0000-0000-00000000000{number}\njpegPhoto:: {photo}\n"
            )
        })
        .collect();
    let options_of = SlapdOptions {
        ldif: generated().to_ldif(true) + &people,
        change_log: ChangeLog::AccessLog,
        ..SlapdOptions::default()
    };
    let slapd = Slapd::start(&options_of).unwrap();
    let directory: Directory =
        OpenLdap::new(OpenLdapOptions { page_size: 1000, ..options(&slapd, Feed::default()) }).unwrap().into();
    let bounded = |sizes: &[usize]| {
        assert_eq!(sizes.iter().sum::<usize>(), PEOPLE * PHOTO, "nothing is lost: {sizes:?}");
        assert!(sizes.iter().all(|size| *size < (8 << 20) + PHOTO), "{sizes:?}");
    };
    let (sizes, full, completion) = page_sizes(&directory, None).await;
    assert!(full && completion.absent_is_deleted);
    bounded(&sizes);
    for number in 0..PEOPLE {
        set(&slapd, &format!("uid=p{number},ou=people,{SUFFIX}"), "title", "Changed");
    }
    let (sizes, full, _) = page_sizes(&directory, Some(completion.watermark)).await;
    assert!(!full);
    bounded(&sizes);
}
