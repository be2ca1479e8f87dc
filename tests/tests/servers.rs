//! The servers of the harness start, answer, change and stop.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper functions may fail the test")]

use std::path::Path;
use std::process::Command;

use provisor_tests::ldif::{Directory, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{Authority, ChangeLog, DjangoScim, Scim2Server, Scimmy, Slapd, SlapdOptions, Validity, installed};

const SMALL: Size = Size { people: 50, groups: 3, big: 40 };

fn slapd(options: SlapdOptions) -> Slapd {
    let ldif = Directory::generate(SMALL, 7).to_ldif(false);
    Slapd::start(&SlapdOptions { ldif, ..options }).unwrap()
}

fn count(slapd: &Slapd, filter: &str) -> usize {
    slapd.search(SUFFIX, filter, &["1.1"]).unwrap().matches("dn:").count()
}

/// Searches as the sync account with a simple bind over TLS, trusting this authority alone.
fn tls_search(slapd: &Slapd, ca_file: &Path) -> std::process::Output {
    // OpenLDAP's client takes "localhost" for this machine's own name, which no certificate of a test carries.
    let url = slapd.tls_url().replace("localhost", "127.0.0.1");
    Command::new(installed::program("ldapsearch").unwrap())
        .env("LDAPTLS_CACERT", ca_file)
        .args(["-x", "-L", "-o", "ldif-wrap=no", "-H", &url, "-D", SYNC_DN, "-w", SYNC_PASSWORD, "-b", SUFFIX])
        .args(["-E", "!sync=ro", "(objectClass=inetOrgPerson)", "1.1"])
        .output()
        .unwrap()
}

#[test]
fn slapd_holds_what_was_loaded_and_takes_changes() {
    let slapd = slapd(SlapdOptions::default());
    assert_eq!(count(&slapd, "(objectClass=inetOrgPerson)"), 50);
    assert_eq!(count(&slapd, "(objectClass=groupOfNames)"), 3);

    let directory = Directory::generate(SMALL, 7);
    let mut added = directory.people[1].clone();
    added.uid = "new".to_owned();
    slapd.apply(&directory.person_to_ldif(&added, false)).unwrap();
    assert_eq!(count(&slapd, "(uid=new)"), 1);

    let change = "changetype: modify\nreplace: title\ntitle: Director\n";
    slapd.apply(&format!("dn: {}\n{change}", added.dn())).unwrap();
    slapd.rename(&added.dn(), "uid=renamed", Some(&format!("ou=svc,{SUFFIX}"))).unwrap();
    let found = slapd.search(&format!("ou=svc,{SUFFIX}"), "(uid=renamed)", &["title"]).unwrap();
    assert!(found.contains("title: Director"), "{found}");

    slapd.delete(&format!("uid=renamed,ou=svc,{SUFFIX}")).unwrap();
    assert_eq!(count(&slapd, "(uid=renamed)"), 0);
    let error = slapd.delete(&added.dn()).unwrap_err().to_string();
    assert!(error.contains("No such object"), "{error}");
}

#[test]
fn every_change_log_answers_a_sync_search_over_tls() {
    for change_log in [ChangeLog::SessionLog(100), ChangeLog::AccessLog] {
        let slapd = slapd(SlapdOptions { change_log, ..SlapdOptions::default() });
        let output = tls_search(&slapd, &slapd.ca_file());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(text.matches("dn:").count(), 50, "{change_log:?}");
        // The Sync Done control (RFC 4533 section 2.4), which carries the cookie.
        assert!(text.contains("control: 1.3.6.1.4.1.4203.1.9.1.3"), "no cookie with {change_log:?}: {text}");
    }
}

#[test]
fn without_a_change_log_the_sync_control_is_not_supported() {
    let slapd = slapd(SlapdOptions { change_log: ChangeLog::None, ..SlapdOptions::default() });
    let output = tls_search(&slapd, &slapd.ca_file());
    assert_eq!(output.status.code(), Some(12), "critical extension unavailable");
}

#[test]
fn an_expired_certificate_and_a_foreign_authority_are_refused_by_clients() {
    let expired = slapd(SlapdOptions { certificate: Validity::Expired, ..SlapdOptions::default() });
    assert!(!tls_search(&expired, &expired.ca_file()).status.success());

    let good = slapd(SlapdOptions::default());
    assert!(tls_search(&good, &good.ca_file()).status.success());
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.pem");
    std::fs::write(&foreign, Authority::new("Foreign CA").unwrap().pem()).unwrap();
    assert!(!tls_search(&good, &foreign).status.success());
}

#[test]
fn a_restarted_slapd_has_its_data_and_its_ports() {
    let mut slapd = slapd(SlapdOptions::default());
    let (url, pid) = (slapd.url(), slapd.pid());
    slapd.delete(&Directory::generate(SMALL, 7).people[49].dn()).unwrap();
    slapd.restart().unwrap();
    assert_eq!((slapd.url(), count(&slapd, "(objectClass=inetOrgPerson)")), (url, 49));
    assert_ne!(slapd.pid(), pid);

    slapd.crash().unwrap();
    assert_eq!(slapd.pid(), None);
    assert!(slapd.search(SUFFIX, "(objectClass=*)", &[]).is_err());
    slapd.restart().unwrap();
    assert_eq!(count(&slapd, "(objectClass=inetOrgPerson)"), 49);
}

#[test]
fn the_overlays_asked_for_keep_members_in_step() {
    let slapd = slapd(SlapdOptions { refint: true, member_of: true, ..SlapdOptions::default() });
    let directory = Directory::generate(SMALL, 7);
    let member = *directory.groups[0].members.first().unwrap();
    let dn = directory.people[member].dn();
    let group = directory.groups[0].dn();
    let is_member = || slapd.search(&group, "(objectClass=*)", &["member"]).unwrap().contains(&format!("member: {dn}"));
    assert!(is_member());
    slapd.delete(&dn).unwrap();
    provisor_tests::wait_until("refint to remove the member", std::time::Duration::from_secs(20), || !is_member())
        .unwrap();
}

#[test]
fn a_configuration_that_slapd_refuses_is_reported_in_its_own_words() {
    let options = SlapdOptions { directives: vec!["no-such-directive on".to_owned()], ..SlapdOptions::default() };
    let error = Slapd::start(&options).unwrap_err().to_string();
    assert!(error.contains("no-such-directive"), "{error}");
}

#[test]
fn the_scim_server_answers_its_token_alone() {
    let server = Scim2Server::start("secret-token").unwrap();
    let program = installed::venv_program("scim2").unwrap();
    let query = |token: &str| {
        Command::new(&program)
            .env("SCIM_CLI_HEADERS", format!("Authorization: Bearer {token}"))
            .args(["--url", &server.url(), "query", "user"])
            .output()
            .unwrap()
    };
    let good = query("secret-token");
    assert!(good.status.success(), "{}", String::from_utf8_lossy(&good.stderr));
    assert!(String::from_utf8_lossy(&good.stdout).contains("ListResponse"));
    assert!(!String::from_utf8_lossy(&query("another").stdout).contains("ListResponse"));
    server.stop().unwrap();
}

/// What a service answers to a listing with this token.
async fn status(url: &str, token: &str) -> u16 {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("{url}/Users")).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_other_scim_servers_answer_their_token_alone_and_are_gone_when_stopped() {
    let (scimmy, django) = (Scimmy::start("secret-token").unwrap(), DjangoScim::start("secret-token").unwrap());
    let urls = [scimmy.url(), django.url()];
    for url in &urls {
        assert_eq!(status(url, "secret-token").await, 200, "{url}");
        assert_eq!(status(url, "another").await, 401, "{url}");
    }
    scimmy.stop().unwrap();
    django.stop().unwrap();
    for url in urls {
        let port = url.trim_start_matches("http://127.0.0.1:").split('/').next().unwrap().parse().unwrap();
        assert!(!provisor_tests::wait::port_answers(port), "{url}");
    }
}
