//! How a real slapd is reached: sockets, StartTLS, client certificates, several servers; and what the check says of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use provisor_directory::{
    Affinity, BindMethod, ChangeReading, ClientIdentity, ConnectionOptions, Directory, DirectoryError, Feed, Known,
    OpenLdap, OpenLdapOptions, SourceOptions,
};
use provisor_model::{CheckLine, CheckOutcome, Secret};
use provisor_tests::ldif::{Directory as Generated, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::slapd::{ADMIN_DN, ADMIN_PASSWORD};
use provisor_tests::{Authority, ChangeLog, Slapd, SlapdOptions, Validity, free_port, wait_until_async};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use support::{Store, everything};

const ATTRIBUTES: &[&str] = &["uid", "cn", "member"];
/// The name in the client's certificate, and what makes an account of it.
const CLIENT: &str = "provisor.lab.test";

fn content() -> String {
    Generated::generate(Size { people: 20, groups: 2, big: 0 }, 7).to_ldif(true)
}

fn slapd() -> Slapd {
    Slapd::start(&SlapdOptions { ldif: content(), ..SlapdOptions::default() }).unwrap()
}

/// A server that wants to see a certificate, and takes the client's for the sync account.
fn strict() -> Slapd {
    let mapping = format!("authz-regexp \"^cn={CLIENT}$\" \"{SYNC_DN}\"");
    let global_directives = vec!["TLSVerifyClient demand".to_owned(), mapping];
    Slapd::start(&SlapdOptions { ldif: content(), global_directives, ..SlapdOptions::default() }).unwrap()
}

fn identity(authority: &Authority, common_name: &str, folder: &Path) -> ClientIdentity {
    let issued = authority.issue_client(common_name).unwrap();
    let identity = ClientIdentity {
        certificate: folder.join(format!("{common_name}.pem")),
        key: folder.join(format!("{common_name}.key")),
    };
    std::fs::write(&identity.certificate, &issued.certificate_pem).unwrap();
    std::fs::write(&identity.key, &issued.key_pem).unwrap();
    identity
}

fn simple(slapd: &Slapd) -> ConnectionOptions {
    ConnectionOptions {
        ca: Some(slapd.ca_file()),
        timeout: Duration::from_secs(20),
        ..ConnectionOptions::simple(slapd.tls_url(), SYNC_DN, Secret::new(SYNC_PASSWORD))
    }
}

fn external(slapd: &Slapd) -> ConnectionOptions {
    ConnectionOptions { bind: BindMethod::External, bind_dn: String::new(), password: Secret::new(""), ..simple(slapd) }
}

fn directory(connection: ConnectionOptions) -> Directory {
    fed(connection, Feed::default())
}

fn fed(connection: ConnectionOptions, feed: Feed) -> Directory {
    let base = SUFFIX.parse().unwrap();
    let options = OpenLdapOptions { connection, base, page_size: 100, object: SourceOptions::default(), feed };
    OpenLdap::new(options).unwrap().into()
}

async fn entries(connection: ConnectionOptions) -> usize {
    everything(&directory(connection), ATTRIBUTES).await.entries.len()
}

async fn failure(connection: ConnectionOptions) -> DirectoryError {
    Store::default().import(&directory(connection), ATTRIBUTES).await.unwrap_err()
}

fn line<'a>(lines: &'a [CheckLine], what: &str) -> &'a CheckOutcome {
    &lines.iter().find(|line| line.what == what).unwrap_or_else(|| panic!("{what} in {lines:?}")).outcome
}

/// All that there is: base entries, people, groups.
const ALL: usize = 27;

#[tokio::test]
async fn a_socket_is_read_as_the_user_that_this_process_runs_as() {
    let slapd = slapd();
    for url in [slapd.socket_url(), format!("ldapi://{}", slapd.socket().display())] {
        let by_socket = ConnectionOptions { urls: vec![url], ca: None, ..external(&slapd) };
        assert_eq!(entries(by_socket.clone()).await, ALL);
        let lines = directory(by_socket).check().await;
        assert!(matches!(line(&lines, "bind"), CheckOutcome::Ok(text) if text.contains(ADMIN_DN)), "{lines:?}");
        assert!(matches!(line(&lines, "certificate"), CheckOutcome::Ok(text) if text.contains("socket")), "{lines:?}");
    }
    let by_password = ConnectionOptions { urls: vec![slapd.socket_url()], ..simple(&slapd) };
    assert_eq!(entries(by_password).await, ALL);
    let nowhere = ConnectionOptions { urls: vec!["ldapi:///nowhere/ldapi".into()], ca: None, ..external(&slapd) };
    let error = failure(nowhere).await;
    assert!(matches!(error, DirectoryError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_one_is_demanded() {
    let slapd = strict();
    let folder = tempfile::tempdir().unwrap();
    let identity = identity(slapd.authority(), CLIENT, folder.path());
    let shown = |connection| ConnectionOptions { client_identity: Some(identity.clone()), ..connection };
    let start_tls = |connection| ConnectionOptions { urls: vec![slapd.url()], start_tls: true, ..connection };
    for connection in [
        shown(simple(&slapd)),
        shown(external(&slapd)),
        start_tls(shown(simple(&slapd))),
        start_tls(shown(external(&slapd))),
    ] {
        assert_eq!(entries(connection.clone()).await, ALL, "{connection:?}");
        let lines = directory(connection).check().await;
        assert!(matches!(line(&lines, "bind"), CheckOutcome::Ok(text) if text.contains(SYNC_DN)), "{lines:?}");
        assert!(
            matches!(line(&lines, "certificate"), CheckOutcome::Ok(text) if text.starts_with("TLS 1.3; ")),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_missing_foreign_or_unknown_is_told_apart() {
    let slapd = strict();
    let folder = tempfile::tempdir().unwrap();
    let error = failure(simple(&slapd)).await;
    // slapd hangs up without a word, which a broken network does as well.
    assert!(matches!(&error, DirectoryError::Unreachable { .. }), "{error}");
    assert!(error.to_string().contains("set client-certificate"), "{error}");
    let lines = directory(simple(&slapd)).check().await;
    assert!(
        matches!(line(&lines, "bind"), CheckOutcome::Failed(text) if text.contains("set client-certificate")),
        "{lines:?}"
    );

    let foreign = identity(&Authority::new("Another CA").unwrap(), CLIENT, folder.path());
    let error = failure(ConnectionOptions { client_identity: Some(foreign), ..simple(&slapd) }).await;
    assert!(error.to_string().contains("authority of client-certificate"), "{error}");

    // A certificate that the server trusts, but knows no account for: the check says as whom it is taken.
    let stranger = identity(slapd.authority(), "stranger.lab.test", folder.path());
    let lines = directory(ConnectionOptions { client_identity: Some(stranger), ..external(&slapd) }).check().await;
    assert!(
        matches!(line(&lines, "bind"), CheckOutcome::Ok(text) if text.contains("cn=stranger.lab.test")),
        "{lines:?}"
    );

    let broken = ClientIdentity { certificate: slapd.ca_file(), key: slapd.ca_file() };
    let error = failure(ConnectionOptions { client_identity: Some(broken), ..simple(&slapd) }).await;
    assert!(error.to_string().contains("client-key"), "{error}");
}

#[tokio::test]
async fn external_without_an_identity_is_refused_by_the_server_and_said_so() {
    let slapd = slapd();
    let folder = tempfile::tempdir().unwrap();
    // A server that does not ask for a certificate sees none.
    let identity = identity(slapd.authority(), CLIENT, folder.path());
    let error = failure(ConnectionOptions { client_identity: Some(identity), ..external(&slapd) }).await;
    assert!(matches!(&error, DirectoryError::Credentials { who, .. } if who == "EXTERNAL"), "{error}");
    assert!(error.to_string().contains("client-certificate"), "{error}");
}

#[tokio::test]
async fn the_next_server_serves_where_the_first_cannot() {
    let slapd = slapd();
    let dead = format!("ldaps://localhost:{}", free_port().unwrap());
    let connection = ConnectionOptions { urls: vec![dead.clone(), slapd.tls_url()], ..simple(&slapd) };
    assert_eq!(entries(connection.clone()).await, ALL);
    let lines = directory(connection.clone()).check().await;
    assert!(lines.iter().all(|line| !matches!(line.outcome, CheckOutcome::Failed(_))), "{lines:?}");
    let connections: Vec<_> = lines.iter().filter(|line| line.what == "connection").collect();
    assert!(matches!(&connections[0].outcome, CheckOutcome::Ok(text) if text.contains(&slapd.tls_url())), "{lines:?}");
    assert!(matches!(&connections[1].outcome, CheckOutcome::Warning(text) if text.contains(&dead)), "{lines:?}");

    // A wrong password is not tried on the next server: that is how accounts are locked.
    let wrong = ConnectionOptions {
        urls: vec![slapd.tls_url(), dead.clone()],
        password: Secret::new("wr0ng"),
        ..connection.clone()
    };
    assert!(matches!(failure(wrong).await, DirectoryError::Credentials { .. }));
    // Nobody is there: each is named.
    let further = format!("ldaps://localhost:{}", free_port().unwrap());
    let error = failure(ConnectionOptions { urls: vec![dead.clone(), further.clone()], ..connection }).await;
    assert!(error.is_transient(), "{error}");
    assert!(error.to_string().contains(&dead) && error.to_string().contains(&further), "{error}");
}

#[tokio::test]
async fn the_check_offers_a_refused_password_to_no_other_server() {
    let slapd = slapd();
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let dead = format!("ldap://127.0.0.1:{}", free_port().unwrap());
    let spare = format!("ldap://{}", other.local_addr().unwrap());
    let connection = ConnectionOptions {
        urls: vec![dead.clone(), slapd.url(), spare.clone()],
        password: Secret::new("wr0ng"),
        timeout: Duration::from_secs(2),
        ca: None,
        ..simple(&slapd)
    };
    let lines = directory(connection).check().await;
    assert_eq!(other.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "{lines:?}");
    assert!(matches!(line(&lines, "bind"), CheckOutcome::Failed(text) if text.contains(&slapd.url())), "{lines:?}");
    for url in [dead, spare] {
        let warned = |line: &CheckLine| matches!(&line.outcome, CheckOutcome::Warning(text) if text.contains(&url));
        assert!(lines.iter().any(warned), "{url}: {lines:?}");
    }
}

#[tokio::test]
async fn tls_on_a_port_without_it_is_told_with_the_usual_port() {
    let slapd = slapd();
    let plain = slapd.url().replacen("ldap://", "ldaps://", 1);
    let lines = directory(ConnectionOptions { urls: vec![plain], ..simple(&slapd) }).check().await;
    let told = |line: &CheckLine| matches!(&line.outcome, CheckOutcome::Failed(text) if text.contains("port 636"));
    assert!(lines.iter().any(told), "{lines:?}");
}

/// A double that hangs up once it has sent its part of the handshake, with the wish to see a certificate in it.
fn hangs_up_in_the_handshake(authority: &Authority, version: &'static rustls::SupportedProtocolVersion) -> String {
    let issued = authority.issue(Validity::Current).unwrap();
    let trusted = CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap(),
        )
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldaps://localhost:{}", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            while !tls.wants_write() {
                tls.read_tls(&mut stream).unwrap();
                tls.process_new_packets().unwrap();
            }
            while tls.wants_write() {
                tls.write_tls(&mut stream).unwrap();
            }
            // What the client answers is read, so that the end is a plain one.
            let _ = stream.read(&mut [0; 65536]);
        }
    });
    url
}

#[tokio::test]
async fn a_connection_that_breaks_is_no_fault_of_certificates_though_they_may_be_looked_at() {
    let authority = Authority::new("Lab CA").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let url = hangs_up_in_the_handshake(&authority, version);
        for client_identity in [None, Some(identity(&authority, CLIENT, folder.path()))] {
            let connection = ConnectionOptions {
                client_identity,
                ca: Some(ca.clone()),
                timeout: Duration::from_secs(20),
                ..ConnectionOptions::simple(&url, SYNC_DN, Secret::new(SYNC_PASSWORD))
            };
            let error = failure(connection).await;
            assert!(matches!(&error, DirectoryError::Unreachable { .. }) && error.is_transient(), "{error}");
            assert!(error.to_string().contains("client-certificate"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_replica_goes_on_where_the_provider_stopped_and_deletes_nothing_it_has_yet_to_learn() {
    let mut provider =
        Slapd::start(&SlapdOptions { ldif: content(), change_log: ChangeLog::AccessLog, ..SlapdOptions::default() })
            .unwrap();
    let syncrepl = format!(
        "syncrepl rid=001 provider={} searchbase=\"{SUFFIX}\" type=refreshAndPersist retry=\"1 +\" bindmethod=simple \
         binddn=\"{ADMIN_DN}\" credentials={ADMIN_PASSWORD}",
        provider.url()
    );
    let options =
        SlapdOptions { ldif: String::new(), directives: vec![syncrepl], server_id: 2, ..SlapdOptions::default() };
    let mut replica = Slapd::start(&options).unwrap();
    caught_up(&provider, &replica).await;

    // Each has an authority of its own, and both are on loopback: plain connections do.
    let connection = ConnectionOptions {
        urls: vec![provider.url(), replica.url()],
        timeout: Duration::from_secs(20),
        ..ConnectionOptions::simple("", SYNC_DN, Secret::new(SYNC_PASSWORD))
    };
    let directory = || directory(ConnectionOptions { affinity: Affinity::default(), ..connection.clone() });
    let mut store = everything(&directory(), ATTRIBUTES).await;
    assert_eq!(store.entries.len(), ALL);
    let person = |uid: &str| {
        format!("dn: uid={uid},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n")
    };
    provider.apply(&person("seen-by-both")).unwrap();
    caught_up(&provider, &replica).await;
    provider.stop().unwrap();
    let report = store.import(&directory(), ATTRIBUTES).await.unwrap();
    assert_eq!((report.full, report.upserted, report.absent_is_deleted), (false, 1, false), "{report:?}");

    // While the replica is away, the provider learns of somebody, who is read, and goes.
    replica.stop().unwrap();
    provider.restart().unwrap();
    provider.apply(&person("not-yet-copied")).unwrap();
    let report = store.import(&directory(), ATTRIBUTES).await.unwrap();
    assert_eq!((report.full, report.upserted), (false, 1), "{report:?}");
    let comparing = || {
        fed(
            ConnectionOptions { affinity: Affinity::default(), ..connection.clone() },
            Feed { changes: ChangeReading::Compare, ..Feed::default() },
        )
    };
    let mut compared = everything(&comparing(), ATTRIBUTES).await;
    provider.stop().unwrap();
    replica.restart().unwrap();
    let error = store.import(&directory(), ATTRIBUTES).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("behind"), "{error}");
    // Nor is everything read from it where the watermark was given up.
    let watermark = store.watermark.take();
    let error = store.import(&directory(), ATTRIBUTES).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("behind"), "{error}");
    store.watermark = watermark;
    // Where nothing shows how far it has come, nobody is taken for deleted, however often it is asked and however long.
    let report = compared.import(&comparing(), ATTRIBUTES).await.unwrap();
    assert!(report.full && !report.absent_is_deleted, "{report:?}");
    for _ in 0..2 {
        compared.known = Some(an_hour_later(&compared.known.unwrap()));
        let report = compared.import(&comparing(), ATTRIBUTES).await.unwrap();
        assert!(!report.full && !report.absent_is_deleted, "{report:?}");
        assert!(compared.entry("uid=not-yet-copied").is_some());
    }
    assert!(store.entry("uid=not-yet-copied").is_some());

    provider.restart().unwrap();
    caught_up(&provider, &replica).await;
    let report = store.import(&directory(), ATTRIBUTES).await.unwrap();
    assert_eq!(report, support::Report::default());

    // It is believed when it shows a newer change, and time enough has passed for what may be on its way.
    let changed_at = |uid: &str| provider.search(SUFFIX, &format!("(uid={uid})"), &["modifyTimestamp"]).unwrap();
    provider.apply(&person("copied")).unwrap();
    compared = everything(&comparing(), ATTRIBUTES).await;
    provider.delete(&format!("uid=seen-by-both,ou=people,{SUFFIX}")).unwrap();
    let before = changed_at("copied");
    let newer = async || {
        let dn = format!("uid=copied,ou=people,{SUFFIX}");
        provider.apply(&format!("dn: {dn}\nchangetype: modify\nreplace: cn\ncn: again\n")).unwrap();
        changed_at("copied") != before
    };
    wait_until_async("another second", Duration::from_secs(20), newer).await.unwrap();
    caught_up(&provider, &replica).await;
    provider.stop().unwrap();
    let report = compared.import(&comparing(), ATTRIBUTES).await.unwrap();
    assert!(report.full && !report.absent_is_deleted, "{report:?}");
    assert!(compared.entry("uid=seen-by-both").is_some());
    compared.known = Some(an_hour_later(&compared.known.unwrap()));
    let report = compared.import(&comparing(), ATTRIBUTES).await.unwrap();
    assert!(!report.full && report.absent_is_deleted, "{report:?}");
    assert!(compared.entry("uid=seen-by-both").is_none() && compared.entry("uid=copied").is_some());
}

/// The numbers of a server's last changes. Servers list them in any order.
fn numbers(slapd: &Slapd) -> BTreeSet<String> {
    let text = slapd.search(SUFFIX, "(o=Lab)", &["contextCSN"]).unwrap_or_default();
    text.lines().filter(|line| line.starts_with("contextCSN")).map(str::to_owned).collect()
}

/// Waits until two servers have come equally far.
async fn caught_up(one: &Slapd, other: &Slapd) {
    let same = async || !numbers(one).is_empty() && numbers(one) == numbers(other);
    wait_until_async("the servers to be equally far", Duration::from_secs(20), same).await.unwrap();
}

/// What is known, as if an hour had passed since there was doubt.
fn an_hour_later(known: &Known) -> Known {
    let mut standing: serde_json::Value = serde_json::from_slice(known.octets()).unwrap();
    let since = standing["pending"]["since"].as_u64().unwrap();
    standing["pending"]["since"] = (since - 3600).into();
    Known::from_octets(serde_json::to_vec(&standing).unwrap())
}

/// Two slapds that each take what the other is told.
fn mirrors() -> (Slapd, Slapd) {
    let consumer = |provider: &Slapd| {
        format!(
            "syncrepl rid=001 provider={} searchbase=\"{SUFFIX}\" type=refreshAndPersist retry=\"1 +\" bindmethod=simple \
             binddn=\"{ADMIN_DN}\" credentials={ADMIN_PASSWORD}\nmultiprovider on\n",
            provider.url()
        )
    };
    let mut first = slapd();
    let directives = vec![consumer(&first)];
    let second =
        Slapd::start(&SlapdOptions { ldif: String::new(), directives, server_id: 2, ..SlapdOptions::default() });
    let second = second.unwrap();
    let file = first.ca_file().with_file_name("slapd.conf");
    let config = std::fs::read_to_string(&file).unwrap();
    // Before the overlays, which take what follows them for theirs.
    let config = config.replace("overlay syncprov\n", &format!("{}overlay syncprov\n", consumer(&second)));
    std::fs::write(&file, config).unwrap();
    first.restart().unwrap();
    (first, second)
}

#[tokio::test]
async fn a_provider_that_crashed_and_lost_its_number_stops_nothing_and_deletes_nobody() {
    let (mut first, mut second) = mirrors();
    let person = |uid: &str| {
        format!("dn: uid={uid},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: {uid}\ncn: {uid}\nsn: {uid}\n")
    };
    caught_up(&first, &second).await;
    for uid in ["early", "leaver", "stayer"] {
        first.apply(&person(uid)).unwrap();
    }
    second.apply(&person("other")).unwrap();
    caught_up(&first, &second).await;
    let connection = ConnectionOptions {
        urls: vec![first.url(), second.url()],
        timeout: Duration::from_secs(20),
        ..ConnectionOptions::simple("", SYNC_DN, Secret::new(SYNC_PASSWORD))
    };
    let directory = directory(connection);
    let mut store = everything(&directory, ATTRIBUTES).await;

    // The second does not see the deletion; the first forgets its number: no entry holds it.
    second.stop().unwrap();
    first.delete(&format!("uid=early,ou=people,{SUFFIX}")).unwrap();
    assert_eq!(store.import(&directory, ATTRIBUTES).await.unwrap().deleted, 1);
    let before = numbers(&first);
    first.crash().unwrap();
    second.restart().unwrap();
    let error = store.import(&directory, ATTRIBUTES).await.unwrap_err();
    assert!(error.to_string().contains("behind"), "the first may know more: {error}");
    first.restart().unwrap();
    assert_ne!(numbers(&first), before, "the crash cost it nothing, so that this test shows nothing");

    // Changes go on, and nobody is taken for deleted.
    let changed = format!("dn: uid=stayer,ou=people,{SUFFIX}\nchangetype: modify\nreplace: cn\ncn: Changed\n");
    second.apply(&changed).unwrap();
    second.delete(&format!("uid=other,ou=people,{SUFFIX}")).unwrap();
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert!(report.full && !report.absent_is_deleted, "{report:?}");
    assert!(store.entry("uid=leaver").is_some() && store.entry("uid=other").is_some());
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert!(report.full && !report.absent_is_deleted, "{report:?}");

    // With the next change of the first, its numbers cover what was known, and who left meanwhile is gone.
    first.delete(&format!("uid=leaver,ou=people,{SUFFIX}")).unwrap();
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert!(report.full && report.absent_is_deleted, "{report:?}");
    assert!(store.entry("uid=leaver").is_none() && store.entry("uid=stayer").is_some());
    let report = store.import(&directory, ATTRIBUTES).await.unwrap();
    assert!(!report.full, "{report:?}");
}

#[tokio::test]
async fn every_address_of_a_name_is_tried() {
    // localhost may be ::1 first, where slapd does not listen.
    let slapd = slapd();
    let by_name = slapd.url().replace("127.0.0.1", "localhost");
    assert_eq!(entries(ConnectionOptions { urls: vec![by_name], ca: None, ..simple(&slapd) }).await, ALL);
}
