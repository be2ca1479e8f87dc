//! The servers of the harness start, answer, change and stop.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helper functions may fail the test")]

use std::path::Path;
use std::process::Command;

use provisor_tests::ldif::{Directory, SUFFIX, SYNC_DN, SYNC_PASSWORD, Size};
use provisor_tests::{
    Authority, ChangeLog, DjangoScim, Samba, SambaOptions, Scim2Server, Scimmy, Slapd, SlapdOptions, Validity,
    installed,
};

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

const STAFF: &str = "dn: OU=staff,DC=lab,DC=test
objectClass: organizationalUnit

dn: CN=Ada,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: ada
mail: ada@lab.test

dn: CN=Bob,OU=staff,DC=lab,DC=test
objectClass: user
sAMAccountName: bob

dn: CN=Crew,OU=staff,DC=lab,DC=test
objectClass: group
sAMAccountName: crew
member: CN=Ada,OU=staff,DC=lab,DC=test
";
const ADA: &str = "CN=Ada,OU=staff,DC=lab,DC=test";
const BOB: &str = "CN=Bob,OU=staff,DC=lab,DC=test";
const CREW: &str = "CN=Crew,OU=staff,DC=lab,DC=test";

/// The domain that these tests share: made once, each test has a copy.
fn domain() -> SambaOptions {
    SambaOptions { exchange: true, ldif: STAFF.to_owned(), ..SambaOptions::default() }
}

fn samba() -> Samba {
    Samba::start(&domain()).unwrap()
}

/// The entries that a filter finds, as LDIF.
fn found(samba: &Samba, filter: &str, attributes: &[&str]) -> String {
    samba.search(&samba.base_dn(), filter, attributes).unwrap()
}

fn modify(samba: &Samba, dn: &str, change: &str) {
    samba.apply(&format!("dn: {dn}\nchangetype: modify\n{change}\n")).unwrap();
}

/// What an account gets by DirSync (MS-ADTS 3.1.1.3.4.1.3) without flags or cookie: the exit status and the entries.
fn dirsync(samba: &Samba, account: &str, password: &str) -> (Option<i32>, String) {
    // SEQUENCE { INTEGER 0, INTEGER 0, OCTET STRING "" }
    let control = "!1.2.840.113556.1.4.841=::MAgCAQACAQAEAA==";
    let mut command = samba.client_as("ldapsearch", &samba.principal(account), password).unwrap();
    command.args(["-LLL", "-o", "ldif-wrap=no", "-E", control, "-b", &samba.base_dn()]);
    let output = command.args(["(objectClass=user)", "name", "isDeleted"]).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_domain_holds_what_was_loaded_and_takes_changes() {
    let samba = samba();
    assert!(found(&samba, "(sAMAccountName=crew)", &["member"]).contains(&format!("member: {ADA}")));

    let exchange = "targetAddress: SMTP:ada@cloud.test\n-\nadd: extensionAttribute15\nextensionAttribute15: x\n-\n\
                    add: msExchRecipientTypeDetails\nmsExchRecipientTypeDetails: 2147483648\n";
    modify(&samba, ADA, &format!("add: targetAddress\n{exchange}"));
    modify(&samba, CREW, "add: mailNickname\nmailNickname: crew\n");
    assert!(found(&samba, "(targetAddress=smtp:ADA@cloud.test)", &["name"]).contains("name: Ada"));

    samba.rename(ADA, "CN=Ada L", Some("CN=Users,DC=lab,DC=test")).unwrap();
    assert!(found(&samba, "(sAMAccountName=ada)", &["name"]).contains("dn: CN=Ada L,CN=Users,DC=lab,DC=test"));
    samba.delete("CN=Ada L,CN=Users,DC=lab,DC=test").unwrap();
    assert!(!found(&samba, "(sAMAccountName=ada)", &["name"]).contains("Ada"));
    samba.undelete("ada", ADA).unwrap();
    assert!(found(&samba, "(sAMAccountName=ada)", &["name"]).contains("name: Ada"));
    let error = samba.undelete("nobody", ADA).unwrap_err().to_string();
    assert!(error.contains("not among the deleted"), "{error}");
}

#[test]
fn two_controllers_run_at_once_with_data_of_their_own_and_keep_it() {
    let (mut one, other) = (samba(), samba());
    assert_ne!(one.address(), other.address());
    modify(&one, BOB, "add: title\ntitle: Director\n");
    let (url, pid) = (one.url(), one.pid());
    one.restart().unwrap();
    assert_ne!(one.pid(), pid);
    one.crash().unwrap();
    assert_eq!(one.pid(), None);
    assert!(one.search(BOB, "(objectClass=*)", &[]).is_err());
    one.restart().unwrap();
    assert_eq!((one.url(), found(&one, "(title=Director)", &["name"]).matches("dn:").count()), (url, 1));
    assert_eq!(found(&other, "(title=Director)", &["name"]).matches("dn:").count(), 0);
}

#[test]
fn a_controller_shows_its_certificate_and_takes_passwords_over_tls_alone() {
    let samba = samba();
    let search = |url: &str, tls: &[&str], ca_file: &Path| {
        let mut command = Command::new(installed::program("ldapsearch").unwrap());
        command.env("LDAPTLS_CACERT", ca_file).args(["-x", "-H", url, "-D", &samba.admin()]).args(tls);
        command.args(["-w", provisor_tests::samba::ADMIN_PASSWORD, "-b", ADA, "1.1"]).output().unwrap().status.code()
    };
    let good = samba.ca_file();
    assert_eq!(search(&samba.url(), &[], &good), Some(0));
    assert_eq!(search(&samba.plain_url(), &["-ZZ"], &good), Some(0));
    assert_eq!(search(&samba.plain_url(), &[], &good), Some(8), "stronger authentication required");
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign.pem");
    std::fs::write(&foreign, Authority::new("Foreign CA").unwrap().pem()).unwrap();
    assert_eq!(search(&samba.url(), &[], &foreign), Some(255), "cannot connect");
}

#[test]
fn an_account_reads_by_dirsync_what_it_was_granted() {
    let samba = samba();
    let dn = samba.add_account("reader", "Passw0rd.Read1").unwrap();
    assert_eq!(dirsync(&samba, "reader", "Passw0rd.Read1").0, Some(50), "insufficient access rights");
    samba.allow_replicating_changes(&dn).unwrap();
    samba.delete(BOB).unwrap();
    let (status, entries) = dirsync(&samba, "reader", "Passw0rd.Read1");
    assert!(status == Some(0) && entries.contains("name: Ada"), "{entries}");
    assert!(!entries.contains("isDeleted: TRUE"), "{entries}");
    samba.allow_reading_deleted(&dn).unwrap();
    let (_, entries) = dirsync(&samba, "reader", "Passw0rd.Read1");
    assert_eq!(entries.matches("isDeleted: TRUE").count(), 1, "{entries}");

    samba.set_password(&dn, "Passw0rd.Read2").unwrap();
    assert_eq!(dirsync(&samba, "reader", "Passw0rd.Read1").0, Some(49), "invalid credentials");
    assert_eq!(dirsync(&samba, "reader", "Passw0rd.Read2").0, Some(0));
}

#[test]
fn a_second_controller_knows_of_a_change_once_it_was_replicated() {
    let first = samba();
    let second = first.join("dc2").unwrap();
    assert_eq!(second.host_name(), "dc2.lab.test");
    assert!(found(&second, "(sAMAccountName=crew)", &["member"]).contains(ADA));

    modify(&first, CREW, &format!("add: member\nmember: {BOB}\n"));
    first.delete(ADA).unwrap();
    assert!(found(&second, "(sAMAccountName=ada)", &["name"]).contains("Ada"), "the second controller lags");
    second.replicate_from(&first).unwrap();
    assert!(!found(&second, "(sAMAccountName=ada)", &["name"]).contains("Ada"));
    assert!(found(&second, "(sAMAccountName=crew)", &["member"]).contains(BOB));

    modify(&second, BOB, "add: title\ntitle: Director\n");
    assert!(!found(&first, "(title=Director)", &["name"]).contains("Bob"));
    first.replicate_from(&second).unwrap();
    assert!(found(&first, "(title=Director)", &["name"]).contains("Bob"));
}

#[test]
fn a_keytab_gets_a_ticket_for_the_controllers_name_and_address() {
    let samba = samba();
    samba.add_account("reader", "Passw0rd.Read1").unwrap();
    let keytab = samba.keytab("reader").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kerberos = |program: &str| {
        let mut command = Command::new(installed::program(program).unwrap());
        command.env("KRB5_CONFIG", samba.krb5_conf()).env("KRB5CCNAME", folder.path().join("tickets"));
        command
    };
    let got = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    got(kerberos("kinit").arg("-k").arg("-t").arg(&keytab).arg(samba.principal("reader")));
    let services = [format!("ldap/{}", samba.host_name()), format!("ldap/{}", samba.address())];
    got(kerberos("kvno").args(services.map(|service| format!("{service}@{}", samba.realm()))));
}

#[test]
fn a_setting_that_samba_refuses_is_reported_in_its_own_words() {
    let settings = vec!["server services = no-such-service".to_owned()];
    let error = Samba::start(&SambaOptions { settings, ..domain() }).unwrap_err();
    assert!(format!("{error:#}").contains("no-such-service"), "{error:#}");
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
