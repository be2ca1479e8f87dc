//! Active Directory as a source, against Samba domain controllers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use provisor_directory::{ActiveDirectoryOptions, Directory, DomainChanges, ObjectQuery};
use provisor_tests::samba::ADMIN_PASSWORD;
use provisor_tests::{Samba, SambaOptions};
use support::domain::{self, READ, assert_holds_all, connection, directory, import, members};
use support::{Report, Store, everything, names};

/// A folk of a few people with a group, in a unit.
fn folk() -> String {
    let mut ldif = "dn: OU=People,DC=lab,DC=test\nobjectClass: organizationalUnit\n\n".to_owned();
    for name in ["ann", "bob", "cyd"] {
        ldif.push_str(&format!(
            "dn: CN={name},OU=People,DC=lab,DC=test\nobjectClass: user\nsAMAccountName: {name}\nmail: {name}@lab.test\n\n"
        ));
    }
    ldif.push_str("dn: CN=staff,OU=People,DC=lab,DC=test\nobjectClass: group\nsAMAccountName: staff\n");
    ldif.push_str("member: CN=ann,OU=People,DC=lab,DC=test\nmember: CN=bob,OU=People,DC=lab,DC=test\n\n");
    ldif
}

fn start() -> Samba {
    Samba::start(&SambaOptions { ldif: folk(), ..SambaOptions::default() }).unwrap()
}

/// The domain as the administrator reads it.
fn options(samba: &Samba) -> ActiveDirectoryOptions {
    domain::options(connection(&[samba.url()], samba.ca_file(), &samba.admin(), ADMIN_PASSWORD))
}

/// After each change an increment leads to the same as reading everything.
async fn assert_current(store: &mut Store, directory: &Directory) -> Report {
    let report = import(store, directory).await.unwrap();
    assert_holds_all(store, directory).await;
    report
}

#[tokio::test]
async fn increments_lead_to_what_reading_everything_leads_to() {
    let samba = start();
    let directory = directory(options(&samba));
    let mut store = everything(&directory, READ).await;
    let ann = store.entry("CN=ann,").unwrap().clone();
    assert_eq!(ann.object_class, "user");
    let (sid, rid) = (ann.attributes.first_text("objectSid;text"), ann.attributes.first_text("objectSid;rid"));
    assert!(sid.unwrap().starts_with("S-1-5-21-") && sid.unwrap().ends_with(&format!("-{}", rid.unwrap())));
    assert_eq!(
        ann.attributes.values(&"userAccountControl;flags".into()).len(),
        3,
        "disabled, without a password: {ann:?}"
    );
    assert_eq!(members(&store, "staff"), ["CN=ann", "CN=bob"]);
    let report = store.import(&directory, READ).await.unwrap();
    assert_eq!((report.full, report.upserted, report.changed), (false, 0, 0), "nothing changed");

    samba
        .apply(
            "dn: CN=bob,OU=People,DC=lab,DC=test\nchangetype: modify\nreplace: manager\nmanager: CN=ann,OU=People,DC=lab,DC=test\n-\n\
             delete: mail\n\ndn: CN=staff,OU=People,DC=lab,DC=test\nchangetype: modify\ndelete: member\n\
             member: CN=ann,OU=People,DC=lab,DC=test\n-\nadd: member\nmember: CN=cyd,OU=People,DC=lab,DC=test\n",
        )
        .unwrap();
    let report = assert_current(&mut store, &directory).await;
    assert_eq!((report.full, report.upserted, report.changed), (false, 0, 2));
    assert_eq!(members(&store, "staff"), ["CN=bob", "CN=cyd"]);

    samba.rename("OU=People,DC=lab,DC=test", "OU=Folk", None).unwrap();
    assert_current(&mut store, &directory).await;
    assert!(store.entry("CN=cyd,OU=Folk,").is_some(), "what is below follows");

    samba.rename("CN=cyd,OU=Folk,DC=lab,DC=test", "CN=cyd", Some("CN=Users,DC=lab,DC=test")).unwrap();
    samba.delete("CN=ann,OU=Folk,DC=lab,DC=test").unwrap();
    let report = assert_current(&mut store, &directory).await;
    assert_eq!((report.full, report.deleted), (false, 1));
    samba.undelete("ann", "CN=ann,OU=Folk,DC=lab,DC=test").unwrap();
    let report = assert_current(&mut store, &directory).await;
    assert!(report.full, "which links of who came back are left, nobody tells");
    assert_eq!(
        store.entry("CN=bob,").unwrap().attributes.first_text("manager"),
        None,
        "Samba keeps no links of the deleted"
    );
}

/// An account without any right but those of everybody.
fn plain_account(samba: &Samba) -> ActiveDirectoryOptions {
    samba.add_account("sync", "Sync.Passw0rd1").unwrap();
    domain::options(connection(&[samba.url()], samba.ca_file(), &samba.principal("sync"), "Sync.Passw0rd1"))
}

#[tokio::test]
async fn an_account_without_rights_finds_who_was_deleted_by_listing() {
    let samba = start();
    let options = plain_account(&samba);
    let seldom = directory(options.clone());
    let always = directory(ActiveDirectoryOptions { listing: std::time::Duration::ZERO, ..options });
    let mut store = everything(&seldom, READ).await;
    samba.delete("CN=ann,OU=People,DC=lab,DC=test").unwrap();
    samba.rename("CN=bob,OU=People,DC=lab,DC=test", "CN=rob", None).unwrap();
    let report = store.import(&seldom, READ).await.unwrap();
    assert_eq!((report.full, report.deleted, report.absent_is_deleted), (false, 0, false), "nobody is told");
    assert!(store.entry("CN=ann,").is_some() && store.entry("CN=rob,").is_some());
    let report = store.import(&always, READ).await.unwrap();
    assert!(!report.full && report.absent_is_deleted);
    assert!(store.entry("CN=ann,").is_none());
    assert_holds_all(&store, &seldom).await;
}

#[tokio::test]
async fn change_numbers_lead_to_the_same_with_and_without_a_sight_of_the_deleted() {
    let samba = start();
    let by_numbers = |options| directory(ActiveDirectoryOptions { changes: DomainChanges::ChangeNumbers, ..options });
    let sees = by_numbers(options(&samba));
    let blind = by_numbers(ActiveDirectoryOptions { listing: std::time::Duration::ZERO, ..plain_account(&samba) });
    let (mut seeing, mut listing) = (everything(&sees, READ).await, everything(&blind, READ).await);
    assert_holds_all(&seeing, &directory(options(&samba))).await;
    samba.delete("CN=ann,OU=People,DC=lab,DC=test").unwrap();
    samba
        .apply(
            "dn: CN=staff,OU=People,DC=lab,DC=test\nchangetype: modify\nadd: member\n\
             member: CN=cyd,OU=People,DC=lab,DC=test\n\ndn: CN=bob,OU=People,DC=lab,DC=test\nchangetype: modify\n\
             delete: mail\n",
        )
        .unwrap();
    samba.rename("OU=People,DC=lab,DC=test", "OU=Folk", None).unwrap();
    for (store, directory) in [(&mut seeing, &sees), (&mut listing, &blind)] {
        let report = assert_current(store, directory).await;
        assert!(!report.full && report.upserted < 10, "{report:?}");
        assert!(store.entry("CN=ann,").is_none());
        assert_eq!(members(store, "staff"), ["CN=bob", "CN=cyd"]);
    }
}

#[tokio::test]
async fn one_object_is_read_by_its_name_its_id_or_a_value() {
    let samba = start();
    let directory = directory(options(&samba));
    let store = everything(&directory, READ).await;
    let staff = store.entry("CN=staff,").unwrap();
    let value = |name: &str, value: &str| ObjectQuery::Attribute {
        name: name.into(),
        value: provisor_model::Value::Text(value.into()),
    };
    for query in [
        ObjectQuery::Dn(staff.dn.clone()),
        ObjectQuery::SourceId(staff.source_id.clone()),
        value("sAMAccountName", "STAFF"),
    ] {
        let found = directory.read_object(query, &names(READ), store.known.as_ref()).await.unwrap();
        assert_eq!(found, std::slice::from_ref(staff));
    }
    let nobody = "CN=nobody,DC=lab,DC=test".parse().unwrap();
    assert_eq!(directory.read_object(ObjectQuery::Dn(nobody), &names(READ), None).await.unwrap(), []);
}

#[tokio::test]
async fn what_controllers_do_not_tell_of_is_not_read() {
    let samba = start();
    let directory = directory(options(&samba));
    for name in ["memberOf", "whenChanged", "unicodePwd"] {
        let error = Store::default().import(&directory, &[name]).await.unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        assert!(directory.attributes().await.unwrap().refusal(&name.into()).is_some());
    }
}

#[tokio::test]
async fn a_domain_is_not_taken_for_what_it_is_not() {
    let samba = start();
    let with_base =
        |base: &str| directory(ActiveDirectoryOptions { base: Some(base.parse().unwrap()), ..options(&samba) });
    assert!(everything(&with_base("dc=LAB,dc=test"), READ).await.entry("CN=ann,").is_some());
    let error = Store::default().import(&with_base("OU=People,DC=lab,DC=test"), READ).await.unwrap_err().to_string();
    assert!(error.contains("[scope]"), "{error}");
    let mut plain = options(&samba);
    plain.connection.urls = vec![samba.plain_url()];
    let error = provisor_directory::ActiveDirectory::new(plain).unwrap_err().to_string();
    assert!(error.contains("plain ldap"), "{error}");
    let wrong = domain::options(connection(&[samba.url()], samba.ca_file(), &samba.admin(), "wrong"));
    assert!(matches!(
        Store::default().import(&directory(wrong), READ).await,
        Err(provisor_directory::DirectoryError::Credentials { .. })
    ));
}

#[tokio::test]
async fn the_check_names_each_right_and_the_command_that_grants_it() {
    let samba = start();
    let listing = std::time::Duration::from_secs(1);
    let plain = ActiveDirectoryOptions { listing, ..plain_account(&samba) };
    samba.delete("CN=ann,OU=People,DC=lab,DC=test").unwrap();
    let lines = |options: ActiveDirectoryOptions| async move {
        let lines = directory(options).check().await;
        lines.into_iter().map(|line| format!("{}: {:?}", line.what, line.outcome)).collect::<Vec<_>>().join("\n")
    };
    let without = lines(plain.clone()).await;
    let grants = ["dsacls \\\"DC=lab,DC=test\\\" /G", "--car=get-changes", "--trusteedn=\\\"CN=sync,CN=Users", "LCRP"];
    for grant in grants {
        assert!(without.contains(grant), "{grant}: {without}");
    }
    assert!(without.contains("are listed every 1 s to") && without.contains("every 1 s (listing"), "{without}");
    assert!(without.contains("If it is granted, nothing was deleted yet"), "{without}");
    let dn = format!("CN=sync,CN=Users,{}", samba.base_dn());
    samba.allow_replicating_changes(&dn).unwrap();
    let with = lines(plain.clone()).await;
    assert!(with.contains("changes: Ok") && with.contains("deletions: Warning"), "{with}");
    samba.allow_reading_deleted(&dn).unwrap();
    let with = lines(plain).await;
    assert!(with.contains("deletions: Ok") && !with.contains("Warning"), "{with}");
}
