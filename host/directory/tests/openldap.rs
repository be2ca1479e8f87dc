//! OpenLDAP as a source, against a real slapd: everything, changes in all their forms, and what must never pass for a
//! completed import.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::fmt::Write as _;
use std::time::Duration;

use provisor_directory::{
    BindMethod, ConnectionOptions, Directory, DirectoryError, Feed, ImportRequest, Ldif, LdifOptions, ObjectQuery,
    OpenLdap, OpenLdapOptions, SourceOptions, TlsFault, Watermark,
};
use provisor_model::{AttributeSyntax, CheckLine, CheckOutcome, Secret, Value};
use provisor_tests::certificates::Validity;
use provisor_tests::ldif::{Directory as Generated, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{Authority, ChangeLog, Slapd, SlapdOptions};
use support::double::{BOUND, Double, Step};
use support::{Store, everything, names};

const ATTRIBUTES: &[&str] = &["uid", "cn", "sn", "displayName", "mail", "title", "manager", "member", "ou"];

fn generated(people: usize) -> Generated {
    Generated::generate(Size { people, groups: people / 10, big: 0 }, 7)
}

fn slapd(people: usize, change_log: ChangeLog) -> Slapd {
    let options = SlapdOptions { ldif: generated(people).to_ldif(true), change_log, ..SlapdOptions::default() };
    Slapd::start(&options).unwrap()
}

fn options(slapd: &Slapd) -> OpenLdapOptions {
    OpenLdapOptions {
        connection: connection(slapd),
        base: SUFFIX.parse().unwrap(),
        page_size: 100,
        object: SourceOptions::default(),
        feed: Feed::default(),
    }
}

fn connection(slapd: &Slapd) -> ConnectionOptions {
    ConnectionOptions {
        ca: Some(slapd.ca_file()),
        timeout: Duration::from_secs(20),
        ..ConnectionOptions::simple(slapd.tls_url(), SYNC_DN, Secret::new(SYNC_PASSWORD))
    }
}

/// The usual options, over another connection.
fn over(connection: ConnectionOptions, slapd: &Slapd) -> OpenLdapOptions {
    OpenLdapOptions { connection, ..options(slapd) }
}

fn directory(slapd: &Slapd) -> Directory {
    OpenLdap::new(options(slapd)).unwrap().into()
}

async fn failure(options: OpenLdapOptions) -> DirectoryError {
    Store::default().import(&OpenLdap::new(options).unwrap().into(), ATTRIBUTES).await.unwrap_err()
}

fn person(number: usize) -> String {
    generated(number + 1).people[number].dn()
}

/// One of each sort of change: added, changed, renamed, moved, deleted, and a member more.
fn change_everything(slapd: &Slapd) {
    let (changed, renamed, moved, deleted) = (person(0), person(1), person(2), person(3));
    let group = generated(50).groups[0].dn();
    let mut ldif = format!(
        "dn: uid=new,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: new\ncn: New\nsn: New\n\n\
         dn: {changed}\nchangetype: modify\nreplace: title\ntitle: Changed\n\n"
    );
    write!(ldif, "dn: {group}\nchangetype: modify\nadd: member\nmember: uid=new,ou=people,{SUFFIX}\n").unwrap();
    slapd.apply(&ldif).unwrap();
    slapd.rename(&renamed, "uid=renamed", None).unwrap();
    slapd.rename(&moved, moved.split(',').next().unwrap(), Some(&format!("ou=svc,{SUFFIX}"))).unwrap();
    slapd.delete(&deleted).unwrap();
}

#[tokio::test]
async fn a_full_import_is_the_content_of_the_directory() {
    let generated = generated(350);
    let slapd = slapd(350, ChangeLog::SessionLog(1000));
    let store = everything(&directory(&slapd), ATTRIBUTES).await;

    // The same content by another way: the file that the server was loaded from.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lab.ldif");
    std::fs::write(&file, generated.to_ldif(true)).unwrap();
    let file = LdifOptions { file, base: None, binary: Vec::new(), object: SourceOptions::default() };
    let expected = everything(&Ldif::new(file).into(), ATTRIBUTES).await;
    assert_eq!(store.entries.len(), 390);
    assert_eq!(store.content(), expected.content());
}

#[tokio::test]
async fn nothing_changed_means_nothing_to_do() {
    let slapd = slapd(50, ChangeLog::SessionLog(1000));
    let directory = directory(&slapd);
    let mut store = everything(&directory, ATTRIBUTES).await;
    for _ in 0..2 {
        let report = store.import(&directory, ATTRIBUTES).await.unwrap();
        assert_eq!(report, support::Report::default());
    }
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
}

#[tokio::test]
async fn every_sort_of_change_arrives_and_nothing_else() {
    for change_log in [ChangeLog::SessionLog(1000), ChangeLog::AccessLog] {
        let slapd = slapd(50, change_log);
        let directory = directory(&slapd);
        let mut store = everything(&directory, ATTRIBUTES).await;
        change_everything(&slapd);
        let report = store.import(&directory, ATTRIBUTES).await.unwrap();
        assert!(!report.full && !report.absent_is_deleted && report.present == 0, "{change_log:?}: {report:?}");
        assert_eq!((report.upserted, report.deleted), (5, 1), "{change_log:?}: {report:?}");
        assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content(), "{change_log:?}");
        assert!(store.entry("uid=renamed").is_some());
        // And again from the cookie that the server gave.
        assert_eq!(store.import(&directory, ATTRIBUTES).await.unwrap(), support::Report::default());
        slapd.delete(&format!("uid=new,ou=people,{SUFFIX}")).unwrap();
        assert_eq!(store.import(&directory, ATTRIBUTES).await.unwrap().deleted, 1, "{change_log:?}");
        assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content(), "{change_log:?}");
    }
}

#[tokio::test]
async fn a_present_phase_after_a_restart_deletes_what_it_does_not_name() {
    let mut slapd = slapd(300, ChangeLog::SessionLog(1000));
    let directory = directory(&slapd);
    let mut store = everything(&directory, ATTRIBUTES).await;
    change_everything(&slapd);
    slapd.restart().unwrap();
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert!(!report.full && report.absent_is_deleted, "{report:?}");
    assert!(report.present > 300 && report.deleted == 0, "{report:?}");
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
    assert!(store.entries.values().all(|entry| entry.dn.to_string() != person(3)));
}

#[tokio::test]
async fn with_an_access_log_a_restart_brings_only_the_changes() {
    let mut slapd = slapd(50, ChangeLog::AccessLog);
    let directory = directory(&slapd);
    let mut store = everything(&directory, ATTRIBUTES).await;
    change_everything(&slapd);
    slapd.restart().unwrap();
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert_eq!((report.full, report.present, report.absent_is_deleted), (false, 0, false), "{report:?}");
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
}

#[tokio::test]
async fn a_session_log_that_is_too_short_leads_to_the_same_end() {
    let slapd = slapd(50, ChangeLog::SessionLog(2));
    let directory = directory(&slapd);
    let mut store = everything(&directory, ATTRIBUTES).await;
    change_everything(&slapd);
    store.import(&directory, ATTRIBUTES).await.unwrap();
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
}

#[tokio::test]
async fn what_leaves_the_base_is_gone_and_what_enters_it_is_new() {
    let slapd = slapd(20, ChangeLog::AccessLog);
    let base = format!("ou=people,{SUFFIX}").parse().unwrap();
    let directory: Directory = OpenLdap::new(OpenLdapOptions { base, ..options(&slapd) }).unwrap().into();
    let mut store = everything(&directory, ATTRIBUTES).await;
    assert_eq!(store.entries.len(), 21, "the base and the people below it");
    let dn = person(5);
    let rdn = dn.split(',').next().unwrap();
    slapd.rename(&dn, rdn, Some(&format!("ou=svc,{SUFFIX}"))).unwrap();
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert!(!report.full, "{report:?}");
    assert_eq!(store.entries.len(), 20);
    slapd.rename(&format!("{rdn},ou=svc,{SUFFIX}"), rdn, Some(&format!("ou=people,{SUFFIX}"))).unwrap();
    store.import(&directory, ATTRIBUTES).await.unwrap();
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
}

#[tokio::test]
async fn cookies_that_are_garbage_stale_or_of_the_future_end_right() {
    let slapd = slapd(50, ChangeLog::SessionLog(1000));
    let directory = directory(&slapd);
    let first = everything(&directory, ATTRIBUTES).await;
    change_everything(&slapd);
    let expected = everything(&directory, ATTRIBUTES).await;
    let original = String::from_utf8(first.watermark.clone().unwrap().octets().to_vec()).unwrap();
    let year = original.split("csn=").nth(1).unwrap().get(..4).unwrap();
    let cookie = |from: &str, to: &str| Watermark::from_octets(original.replace(from, to).into_bytes());
    for (watermark, full) in [
        (cookie(&format!("csn={year}"), "csn=2999"), true),
        (cookie(&format!("csn={year}"), "csn=1999"), false),
        (cookie("csn=", "nsc="), true),
        (cookie("#001#", "#00f#"), true),
        (Watermark::from_octets(vec![0xff, 0, 1]), true),
        (Watermark::from_octets(Vec::new()), true),
    ] {
        let mut store = Store { watermark: Some(watermark.clone()), ..first.clone() };
        let report = store.import(&directory, ATTRIBUTES).await.unwrap();
        assert_eq!(report.full, full, "{watermark:?}");
        assert_eq!(store.content(), expected.content(), "{watermark:?}");
    }
}

#[tokio::test]
async fn a_server_without_synchronisation_is_listed_and_its_changes_read() {
    let slapd = slapd(30, ChangeLog::None);
    let directory = directory(&slapd);
    let mut store = everything(&directory, ATTRIBUTES).await;
    change_everything(&slapd);
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert!(!report.full && report.absent_is_deleted && report.listed > 30, "{report:?}");
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
    let changes = directory.check().await.into_iter().find(|line| line.what == "changes").unwrap();
    assert!(matches!(&changes.outcome, CheckOutcome::Warning(text) if text.contains("syncprov")), "{changes:?}");
}

#[tokio::test]
async fn an_attribute_that_was_never_read_needs_everything_read() {
    let slapd = slapd(20, ChangeLog::SessionLog(1000));
    let directory = directory(&slapd);
    let mut store = everything(&directory, &["cn", "sn"]).await;
    assert!(!store.import(&directory, &["CN"]).await.unwrap().full);
    assert!(store.import(&directory, &["cn", "title"]).await.unwrap().full);
}

#[tokio::test]
async fn limits_that_end_a_search_are_errors_and_no_deletions() {
    let ldif = generated(700).to_ldif(true)
        + &format!(
            "\ndn: uid=weak,ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: weak\ncn: W\nsn: W\nuserPassword: weak\n"
        );
    for (size_limit, page_size, transient) in [
        ("size.soft=500 size.hard=500", 100, false),
        ("size.soft=500 size.hard=500 size.pr=50 size.prtotal=unlimited", 100, false),
    ] {
        let slapd = Slapd::start(&SlapdOptions {
            ldif: ldif.clone(),
            size_limit: size_limit.into(),
            ..SlapdOptions::default()
        });
        let slapd = slapd.unwrap();
        let small_pages = OpenLdapOptions { page_size: 50, ..options(&slapd) };
        let full = everything(&OpenLdap::new(small_pages).unwrap().into(), ATTRIBUTES).await;
        let bind_dn = format!("uid=weak,ou=people,{SUFFIX}");
        let weak = ConnectionOptions { bind_dn, password: Secret::new("weak"), ..connection(&slapd) };
        let weak = OpenLdapOptions { page_size, ..over(weak, &slapd) };
        let mut store = Store { watermark: None, ..full.clone() };
        let error = store.import(&OpenLdap::new(weak).unwrap().into(), ATTRIBUTES).await.unwrap_err();
        assert!(matches!(&error, DirectoryError::EndedEarly { transient: own, .. } if *own == transient), "{error}");
        assert_eq!(store.entries.len(), full.entries.len(), "nothing was deleted");
    }
}

#[tokio::test]
async fn a_referral_object_is_read_as_an_entry_and_followed_nowhere() {
    let referral = format!(
        "\ndn: ou=elsewhere,{SUFFIX}\nobjectClass: referral\nobjectClass: extensibleObject\nou: elsewhere\n\
         ref: ldap://127.0.0.1:1/ou=elsewhere,{SUFFIX}\n"
    );
    let ldif = generated(20).to_ldif(true) + &referral;
    let slapd = Slapd::start(&SlapdOptions { ldif, ..SlapdOptions::default() }).unwrap();
    let directory = directory(&slapd);
    let mut store = everything(&directory, ATTRIBUTES).await;
    assert!(store.entry("ou=elsewhere").is_some());
    change_everything(&slapd);
    assert!(!store.import(&directory, ATTRIBUTES).await.unwrap().full);
    assert_eq!(store.content(), everything(&directory, ATTRIBUTES).await.content());
}

#[tokio::test]
async fn an_account_that_sees_nothing_is_an_error() {
    let slapd = slapd(5, ChangeLog::SessionLog(1000));
    let anonymous = ConnectionOptions {
        bind: BindMethod::Anonymous,
        bind_dn: String::new(),
        password: Secret::new(""),
        ..connection(&slapd)
    };
    let error = failure(over(anonymous, &slapd)).await;
    assert!(matches!(error, DirectoryError::NoSuchBase { .. } | DirectoryError::Rights { .. }), "{error}");
    let base = format!("ou=nowhere,{SUFFIX}").parse().unwrap();
    let error = failure(OpenLdapOptions { base, ..options(&slapd) }).await;
    assert!(matches!(error, DirectoryError::NoSuchBase { .. }), "{error}");
}

#[tokio::test]
async fn a_wrong_password_is_told_apart() {
    let slapd = slapd(5, ChangeLog::SessionLog(1000));
    let error =
        failure(over(ConnectionOptions { password: Secret::new("wr0ng!"), ..connection(&slapd) }, &slapd)).await;
    assert!(matches!(error, DirectoryError::Credentials { .. }), "{error}");
    assert!(!error.to_string().contains("wr0ng!") && !format!("{error:?}").contains("wr0ng!"));
    assert!(!error.is_transient());
}

#[tokio::test]
async fn certificates_that_are_foreign_expired_or_for_another_name_are_told_apart() {
    let mut slapd = slapd(5, ChangeLog::SessionLog(1000));
    let folder = slapd.ca_file().parent().unwrap().to_owned();
    let tls = async |options: OpenLdapOptions| match failure(options).await {
        DirectoryError::Tls { fault, .. } => fault,
        other => panic!("no TLS error: {other}"),
    };

    let foreign = folder.join("foreign.pem");
    std::fs::write(&foreign, Authority::new("Another CA").unwrap().pem()).unwrap();
    assert_eq!(
        tls(over(ConnectionOptions { ca: Some(foreign.clone()), ..connection(&slapd) }, &slapd)).await,
        TlsFault::UnknownIssuer
    );
    // An authority that only has the right one's name.
    std::fs::write(&foreign, Authority::new("Lab LDAP CA").unwrap().pem()).unwrap();
    assert_eq!(
        tls(over(ConnectionOptions { ca: Some(foreign), ..connection(&slapd) }, &slapd)).await,
        TlsFault::UnknownIssuer
    );

    let expired = slapd.authority().issue(Validity::Expired).unwrap();
    std::fs::write(folder.join("server.pem"), &expired.certificate_pem).unwrap();
    std::fs::write(folder.join("server.key"), &expired.key_pem).unwrap();
    slapd.restart().unwrap();
    assert_eq!(tls(options(&slapd)).await, TlsFault::Expired);
    let lines = directory(&slapd).check().await;
    let line = lines.iter().find(|line| line.what == "certificate").unwrap();
    assert!(matches!(&line.outcome, CheckOutcome::Failed(text) if text.contains("expired")), "{line:?}");

    let key = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join("server.pem"), other.pem()).unwrap();
    std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("other.pem"), other.pem()).unwrap();
    slapd.restart().unwrap();
    let fault = tls(over(ConnectionOptions { ca: Some(folder.join("other.pem")), ..connection(&slapd) }, &slapd)).await;
    assert!(matches!(&fault, TlsFault::WrongName(names) if names.contains("other.example")), "{fault:?}");

    // A port where nobody speaks TLS.
    let plain = slapd.url().replace("ldap://127.0.0.1", "ldaps://localhost");
    assert!(matches!(
        failure(over(ConnectionOptions { urls: vec![plain], ..connection(&slapd) }, &slapd)).await,
        DirectoryError::Tls { .. } | DirectoryError::Unreachable { .. }
    ));
}

#[tokio::test]
async fn start_tls_secures_the_plain_port() {
    let slapd = slapd(5, ChangeLog::SessionLog(1000));
    let secured = ConnectionOptions { urls: vec![slapd.url()], start_tls: true, ..connection(&slapd) };
    let store = everything(&OpenLdap::new(over(secured.clone(), &slapd)).unwrap().into(), ATTRIBUTES).await;
    assert_eq!(store.entries.len(), 10);
    let foreign = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(foreign.path(), Authority::new("Another CA").unwrap().pem()).unwrap();
    let error = failure(over(ConnectionOptions { ca: Some(foreign.path().to_owned()), ..secured }, &slapd)).await;
    assert!(matches!(error, DirectoryError::Tls { fault: TlsFault::UnknownIssuer, .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_dies_in_mid_import_completes_nothing() {
    let mut slapd = slapd(600, ChangeLog::SessionLog(1000));
    let request = ImportRequest { attributes: names(ATTRIBUTES), watermark: None, known: None };
    let mut import = directory(&slapd).import(request).await.unwrap();
    assert!(import.next_page().await.unwrap().is_some());
    slapd.crash().unwrap();
    let error = loop {
        match import.next_page().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the import ended as if nothing had happened"),
            Err(error) => break error,
        }
    };
    assert!(error.is_transient(), "{error}");
    assert!(import.next_page().await.is_err() && import.finish().is_err());
    let error = failure(options(&slapd)).await;
    assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn values_are_typed_by_the_server_s_schema() {
    let slapd = slapd(5, ChangeLog::SessionLog(1000));
    let dn = person(0);
    slapd
        .apply(&format!(
            "dn: {dn}\nchangetype: modify\nadd: description;lang-de\ndescription;lang-de: Ärztin\n-\n\
             add: description\ndescription: physician\n-\nadd: jpegPhoto\njpegPhoto:: /9j/4AAQ\n"
        ))
        .unwrap();
    let directory = directory(&slapd);
    let store = everything(&directory, &["description", "jpegPhoto", "surname"]).await;
    let entry = store.entries.values().find(|entry| entry.dn.to_string() == dn).unwrap();
    assert_eq!(entry.attributes.first_text("description"), Some("physician"));
    assert_eq!(entry.attributes.first_text("description;lang-de"), Some("Ärztin"));
    assert!(matches!(entry.attributes.values(&"jpegPhoto".into()), [Value::Binary(octets)] if octets.len() == 6));
    assert!(entry.attributes.contains(&"surname".into()), "an attribute is known by all its names");
    let schema = directory.schema().await.unwrap();
    assert_eq!(schema.syntax(&"uniqueMember".into()), AttributeSyntax::Dn);
    assert_eq!(schema.syntax(&"manager".into()), AttributeSyntax::Dn);
    assert_eq!(schema.syntax(&"userCertificate".into()), AttributeSyntax::Binary);
    assert_eq!(schema.syntax(&"entryUUID".into()), AttributeSyntax::Text);
    assert!(!schema.knows(&"noSuchAttribute".into()));
}

#[tokio::test]
async fn a_group_of_thousands_comes_whole() {
    let generated = Generated::generate(Size { people: 5000, groups: 1, big: 5000 }, 3);
    let slapd = Slapd::start(&SlapdOptions { ldif: generated.to_ldif(true), ..SlapdOptions::default() }).unwrap();
    let large = OpenLdapOptions { page_size: 1000, ..options(&slapd) };
    let store = everything(&OpenLdap::new(large).unwrap().into(), &["member"]).await;
    assert_eq!(store.entry("cn=").unwrap().object_class, "");
    let group = store.entries.values().find(|entry| entry.object_class == "group").unwrap();
    assert_eq!(group.attributes.values(&"member".into()).len(), 5000);
}

#[tokio::test]
async fn single_objects_are_found_by_name_id_and_value() {
    let slapd = slapd(20, ChangeLog::SessionLog(1000));
    let directory = directory(&slapd);
    let store = everything(&directory, ATTRIBUTES).await;
    let entry = store.entries.values().find(|entry| entry.dn.to_string() == person(7)).unwrap();
    let uid = entry.attributes.first_text("uid").unwrap().to_owned();
    for query in [
        ObjectQuery::Dn(entry.dn.clone()),
        ObjectQuery::SourceId(entry.source_id.clone()),
        ObjectQuery::Attribute { name: "uid".into(), value: Value::Text(uid) },
    ] {
        assert_eq!(
            directory.read_object(query.clone(), &names(ATTRIBUTES), None).await.unwrap(),
            std::slice::from_ref(entry),
            "{query:?}"
        );
    }
    let many = ObjectQuery::Attribute { name: "objectClass".into(), value: Value::Text("inetOrgPerson".into()) };
    assert_eq!(directory.read_object(many, &names(ATTRIBUTES), None).await.unwrap().len(), 10, "the first few");
    for nothing in [
        ObjectQuery::Dn(format!("uid=nobody,{SUFFIX}").parse().unwrap()),
        ObjectQuery::Dn("dc=elsewhere".parse().unwrap()),
        ObjectQuery::Attribute { name: "uid".into(), value: Value::Text("*".into()) },
    ] {
        assert_eq!(directory.read_object(nothing.clone(), &names(ATTRIBUTES), None).await.unwrap(), [], "{nothing:?}");
    }
}

#[tokio::test]
async fn the_check_finds_a_good_server_good() {
    let slapd = slapd(150, ChangeLog::SessionLog(1000));
    let lines = directory(&slapd).check().await;
    let whats: Vec<&str> = lines.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(whats, ["connection", "certificate", "bind", "base", "schema", "changes", "entries"]);
    assert!(lines.iter().all(|line| matches!(line.outcome, CheckOutcome::Ok(_))), "{lines:?}");
}

#[tokio::test]
async fn the_check_stops_at_what_is_wrong() {
    let slapd = slapd(5, ChangeLog::SessionLog(1000));
    let base = format!("ou=nowhere,{SUFFIX}").parse().unwrap();
    for (options, what) in [
        (over(ConnectionOptions { password: Secret::new("wrong"), ..connection(&slapd) }, &slapd), "bind"),
        (OpenLdapOptions { base, ..options(&slapd) }, "base"),
        (
            over(ConnectionOptions { urls: vec!["ldaps://127.0.0.1:1".into()], ..connection(&slapd) }, &slapd),
            "connection",
        ),
    ] {
        let directory: Directory = OpenLdap::new(options).unwrap().into();
        let lines = directory.check().await;
        let last = lines.last().unwrap();
        assert_eq!(last.what, what);
        assert!(matches!(last.outcome, CheckOutcome::Failed(_)), "{lines:?}");
    }
}

#[tokio::test]
async fn a_server_that_breaks_off_behind_the_bind_gives_way_to_the_next() {
    let slapd = slapd(5, ChangeLog::None);
    let bound = Step::Answer(BOUND.to_vec());
    // It hangs up, or says nothing more.
    for steps in [vec![bound.clone(), Step::HangUp], vec![bound]] {
        let broken = Double::start(steps).await;
        let read = || -> Directory {
            let urls = vec![broken.url.clone(), slapd.tls_url()];
            let connection = ConnectionOptions { urls, timeout: Duration::from_secs(2), ..connection(&slapd) };
            OpenLdap::new(over(connection, &slapd)).unwrap().into()
        };
        assert!(everything(&read(), ATTRIBUTES).await.entry("uid=").is_some());
        assert!(read().schema().await.unwrap().len() > 10);
        let query = ObjectQuery::Dn(person(0).parse().unwrap());
        assert_eq!(read().read_object(query, &names(ATTRIBUTES), None).await.unwrap().len(), 1);
        let lines = read().check().await;
        assert!(!lines.iter().any(CheckLine::is_failure), "{lines:?}");
    }
}
