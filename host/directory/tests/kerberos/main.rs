//! Binds by Kerberos beside a real domain controller: by a keytab and nothing else, tied to the TLS session, and what is
//! said where there is no ticket.

#![cfg(feature = "kerberos")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod lab;
mod server;

use std::path::Path;

use lab::{beside_a_controller, checked, failure, given, in_order, keyed};
use provisor_directory::{ConnectionOptions, DirectoryError};
use server::{Behaviour, Server};

/// Where a test finds its keytabs.
const KEYTAB: &str = "LAB_KEYTAB";

const SYNC: &str = "sync@LAB.TEST";

#[test]
fn a_keytab_binds_over_tls_and_start_tls() {
    let prepare = |samba: &_| vec![(KEYTAB, keyed(samba, "sync"))];
    beside_a_controller("a_keytab_binds_over_tls_and_start_tls", prepare, async |lab| {
        let over_tls = lab.connection(given(KEYTAB), SYNC);
        let start_tls = ConnectionOptions { urls: vec![lab.plain_url], start_tls: true, ..over_tls.clone() };
        for connection in [over_tls, start_tls] {
            let lines = checked(connection).await;
            let bound = in_order(&lines, "bind");
            assert!(bound.contains(SYNC) && bound.contains("Kerberos"), "{lines:?}");
            // Nobody sees it who is not bound.
            assert!(in_order(&lines, "base").contains("exists"), "{lines:?}");
        }
    });
}

#[test]
fn nothing_but_the_keytab_counts_and_nothing_is_left_behind() {
    let prepare = |samba: &_| {
        let keytab = keyed(samba, "sync");
        let cache = Path::new(&keytab).with_extension("cache");
        vec![
            (KEYTAB, keytab),
            // What the process has of its own: keys of another account, and a place for tickets.
            ("KRB5_CLIENT_KTNAME", keyed(samba, "other")),
            ("KRB5CCNAME", format!("FILE:{}", cache.display()).into()),
        ]
    };
    beside_a_controller("nothing_but_the_keytab_counts_and_nothing_is_left_behind", prepare, async |lab| {
        in_order(&checked(lab.connection(given(KEYTAB), SYNC)).await, "bind");
        let error = failure(lab.connection(given(KEYTAB), "other@LAB.TEST")).await;
        assert!(matches!(&error, DirectoryError::Ticket { reason, .. } if reason.contains("no key")), "{error}");
        let cache = given("KRB5CCNAME");
        assert!(!Path::new(cache.strip_prefix("FILE:").unwrap()).exists(), "tickets were stored");
    });
}

#[test]
fn what_stands_in_the_way_of_a_ticket_is_told() {
    let prepare = |samba: &provisor_tests::Samba| {
        let old = keyed(samba, "old");
        samba.set_password("CN=old,CN=Users,DC=lab,DC=test", "An0ther.Passw0rd").unwrap();
        let disabled = keyed(samba, "disabled");
        let disable = "changetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n";
        samba.apply(&format!("dn: CN=disabled,CN=Users,DC=lab,DC=test\n{disable}")).unwrap();
        let gone = keyed(samba, "gone");
        samba.delete("CN=gone,CN=Users,DC=lab,DC=test").unwrap();
        vec![(KEYTAB, keyed(samba, "sync")), ("OLD", old), ("DISABLED", disabled), ("GONE", gone)]
    };
    beside_a_controller("what_stands_in_the_way_of_a_ticket_is_told", prepare, async |lab| {
        for (keytab, principal, part) in [
            ("OLD", "old@LAB.TEST", "not the account's"),
            ("DISABLED", "disabled@LAB.TEST", "disabled"),
            ("GONE", "gone@LAB.TEST", "no such account"),
            (KEYTAB, "sync@ELSE.TEST", "no key"),
        ] {
            let error = failure(lab.connection(given(keytab), principal)).await;
            assert!(matches!(&error, DirectoryError::Ticket { who, .. } if who.contains(principal)), "{error}");
            assert!(error.to_string().contains(part), "{error}");
        }
        let missing = failure(lab.connection("/nowhere/keytab", SYNC)).await.to_string();
        assert!(missing.contains("/nowhere/keytab") && missing.contains("cannot be read"), "{missing}");
        let garbage = failure(lab.connection(&lab.ca, SYNC)).await.to_string();
        assert!(garbage.contains("no Kerberos keys"), "{garbage}");
    });
}

#[test]
fn a_name_that_is_not_the_controller_s_own_is_told() {
    let prepare = |samba: &provisor_tests::Samba| {
        let name = format!("servicePrincipalName: ldap/{}\n", samba.address());
        let dn = "CN=DC1,OU=Domain Controllers,DC=lab,DC=test";
        samba.apply(&format!("dn: {dn}\nchangetype: modify\ndelete: servicePrincipalName\n{name}")).unwrap();
        vec![(KEYTAB, keyed(samba, "sync"))]
    };
    beside_a_controller("a_name_that_is_not_the_controller_s_own_is_told", prepare, async |lab| {
        let error = failure(lab.connection(given(KEYTAB), SYNC)).await.to_string();
        let service = lab.url.replacen("ldaps://", "ldap/", 1);
        assert!(error.contains(&service) && error.contains("own host name"), "{error}");
    });
}

#[test]
fn a_kerberos_server_that_is_away_is_waited_for() {
    let prepare = |samba: &provisor_tests::Samba| {
        let settings = std::fs::read_to_string(samba.krb5_conf()).unwrap();
        let away = format!("kdc = {}:1\n", samba.address());
        let file = samba.krb5_conf().with_extension("away");
        std::fs::write(&file, settings.replace(&format!("kdc = {}\n", samba.address()), &away)).unwrap();
        vec![(KEYTAB, keyed(samba, "sync")), ("KRB5_CONFIG", file.into())]
    };
    beside_a_controller("a_kerberos_server_that_is_away_is_waited_for", prepare, async |lab| {
        let error = failure(lab.connection(given(KEYTAB), SYNC)).await;
        assert!(error.is_transient() && error.to_string().contains("KDC"), "{error}");
    });
}

#[test]
fn the_bind_holds_for_this_tls_session_and_asks_the_server_for_its_proof() {
    let prepare = |samba: &provisor_tests::Samba| {
        vec![
            (KEYTAB, keyed(samba, "sync")),
            // The key by which the double passes for the controller.
            ("KRB5_KTNAME", samba.keytab("DC1$").unwrap().into()),
        ]
    };
    let name = "the_bind_holds_for_this_tls_session_and_asks_the_server_for_its_proof";
    beside_a_controller(name, prepare, async |lab| {
        let outcome = async |behaviour| {
            let server = Server::start(&lab, behaviour).await;
            let connection = ConnectionOptions {
                urls: vec![server.url.clone()],
                ca: Some(server.ca()),
                ..lab.connection(given(KEYTAB), SYNC)
            };
            checked(connection).await
        };
        let failed = async |behaviour| format!("{:?}", outcome(behaviour).await.pop().unwrap());
        // In the words of Windows, which says it without a DN.
        assert_eq!(in_order(&outcome(Behaviour::Windows).await, "bind"), "bound as \"LAB\\sync\"");
        let elsewhere = failed(Behaviour::OfAnotherSession).await;
        assert!(elsewhere.contains("channel binding") && elsewhere.contains("proxy"), "{elsewhere}");
        let unproved = failed(Behaviour::WithoutProof).await;
        assert!(unproved.contains("before the server has proved"), "{unproved}");
        let layers = failed(Behaviour::LayersAlone).await;
        assert!(layers.contains("Kerberos layers alone"), "{layers}");
        let endless = failed(Behaviour::Endless).await;
        assert!(endless.contains("token that is not right"), "{endless}");
    });
}
