//! Binds and searches: names, filters, pages and ranges.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_form_of_a_name_binds_and_a_wrong_password_says_why() {
    let double = double();
    let who = |url: &str, name: &str, password: &str, further: &[&str]| {
        let output =
            command(&double, "ldapwhoami", url).args(["-D", name, "-w", password]).args(further).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap())
    };
    for name in [&double.account(), "sync@lab.test", "LAB\\sync"] {
        assert_eq!(who(&double.url(), name, SYNC_PASSWORD, &[]), (Some(0), "u:LAB\\sync\n".to_owned()), "{name}");
    }
    assert_eq!(who(&double.tls_url(), "sync@lab.test", SYNC_PASSWORD, &[]).0, Some(0));
    assert_eq!(who(&double.url(), "sync@lab.test", SYNC_PASSWORD, &["-ZZ"]).0, Some(0));
    let (code, words) = who(&double.url(), "sync@lab.test", "wrong", &[]);
    assert_eq!(code, Some(49));
    assert!(
        words.contains("80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 52e"),
        "{words}"
    );
    double.behave(|behaviour| behaviour.require_encryption = true);
    assert_eq!(who(&double.url(), "sync@lab.test", SYNC_PASSWORD, &[]).0, Some(8));
    assert_eq!(who(&double.url(), "sync@lab.test", SYNC_PASSWORD, &["-ZZ"]).0, Some(0));
}

#[test]
fn the_root_leads_to_the_database_id_and_the_schema() {
    let double = double();
    let root = search(&double, &["-b", "", "-s", "base"]);
    let one = |attribute| root.values(attribute).first().copied().unwrap().to_owned();
    assert_eq!(one("defaultNamingContext"), "DC=lab,DC=test");
    assert!(root.values("supportedControl").contains(&"1.2.840.113556.1.4.841"));
    assert_eq!(one("highestCommittedUSN"), double.change(|domain| domain.highest_usn()).to_string());
    let settings = search(&double, &["-b", &one("dsServiceName"), "-s", "base", "invocationId"]);
    let id = base64::Engine::encode(
        &base64::prelude::BASE64_STANDARD,
        double.change(|domain| domain.invocation_id().octets()),
    );
    assert_eq!(settings.values("invocationId"), [id]);
    let schema =
        search(&double, &["-b", &one("subschemaSubentry"), "-s", "base", "(objectClass=subSchema)", "attributeTypes"]);
    let member = "( 2.5.4.31 NAME 'member' SYNTAX '1.3.6.1.4.1.1466.115.121.1.12' )";
    assert!(schema.values("attributeTypes").contains(&member), "{schema:?}");
}

#[test]
fn filters_are_obeyed() {
    let (double, group, users) = staffed(12);
    double.change(|domain| {
        domain.set(users[3], "userAccountControl", &["514"]).unwrap();
        domain.set(users[4], "description", &["Ünïted, (all)"]).unwrap();
        domain.link(users[5], "manager", users[6]).unwrap();
    });
    let count = |filter: &str| below(&double, &[filter, "1.1"]).entries.len();
    assert_eq!(count("(&(objectCategory=person)(mail=*))"), 12);
    assert_eq!(count("(userAccountControl:1.2.840.113556.1.4.803:=2)"), 1);
    assert_eq!(count("(&(mail=*)(!(userAccountControl:1.2.840.113556.1.4.803:=2)))"), 11);
    assert_eq!(count("(cn=user 1*)"), 3);
    assert_eq!(count("(cn=*SER*1)"), 2);
    assert_eq!(count("(description=ünÏted, \\28all\\29)"), 1);
    // An attribute without values is not equal, one that the schema does not know is neither.
    assert_eq!(count("(&(mail=*)(!(description=x)))"), 12);
    assert_eq!(count("(!(noSuchAttribute=x))"), 0);
    assert_eq!(count("(manager=CN=User 6,OU=Staff,DC=lab,DC=test)"), 1);
    assert_eq!(count("(memberOf=cn=all,ou=staff,dc=lab,dc=test)"), 12);
    let usn = double.change(|domain| domain.usn_changed(group));
    assert_eq!(count(&format!("(&(uSNChanged>={usn})(uSNChanged<={usn}))")), 1);
    assert_eq!(
        count(&format!(
            "(objectGUID=\\{})",
            group
                .hex()
                .as_bytes()
                .chunks(2)
                .map(|pair| std::str::from_utf8(pair).unwrap())
                .collect::<Vec<_>>()
                .join("\\")
        )),
        1
    );
}

#[test]
fn an_object_is_found_by_its_id_and_named_with_its_ids() {
    let (double, _, users) = staffed(1);
    for id in [users[0].to_string(), users[0].hex()] {
        let found = search(&double, &["-b", &format!("<GUID={id}>"), "-s", "base", "name"]);
        assert_eq!(found.values("name"), ["User 0"], "{id}");
    }
    let named = below(&double, &["-E", "!1.2.840.113556.1.4.529=::MAMCAQE=", "(cn=All)", "member"]);
    let decode = |text: &str| {
        String::from_utf8(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, text).unwrap()).unwrap()
    };
    let member = decode(named.values("member")[0]);
    assert!(member.starts_with(&format!("<GUID={}>;<SID=S-1-5-21-", users[0])), "{member}");
    assert!(member.ends_with(">;CN=User 0,OU=Staff,DC=lab,DC=test"), "{member}");
    assert!(decode(named.names()[0]).starts_with("<GUID="));
}

#[test]
fn odd_names_are_written_so_that_they_are_found() {
    let double = double();
    let names = ["a,b", " before", "behind ", "#1", "a+b=c", "\"q\\", "Žluťoučký", "x<y>;z", "  ", "DC=x"];
    for name in names {
        let (guid, dn) = double.change(|domain| {
            let guid = domain.add(domain.users(), Class::Contact, name, &[]).unwrap();
            (guid, domain.dn(guid))
        });
        assert_eq!(double.change(|domain| domain.find(&dn.to_uppercase())), Some(guid), "{dn}");
        let found = search(&double, &["-b", &dn, "-s", "base", "(objectClass=contact)", "name"]);
        assert_eq!((found.code, found.entries.len()), (0, 1), "{dn}");
    }
    let deleted = double.change(|domain| {
        let guid = domain.find("CN=a\\,b,CN=Users,DC=lab,DC=test").unwrap();
        domain.delete(guid).unwrap();
        domain.dn(guid)
    });
    assert!(deleted.starts_with("CN=a\\,b\\0ADEL:"), "{deleted}");
    assert_eq!(search(&double, &["-b", &deleted, "-s", "base", "(objectClass=*)"]).code, 32);
    let shown = search(&double, &["-E", "1.2.840.113556.1.4.417", "-b", &deleted, "-s", "base", "(objectClass=*)"]);
    assert_eq!(shown.entries.len(), 1);
}

#[test]
fn more_than_a_page_comes_in_pages_and_is_cut_off_otherwise() {
    let (double, _, _) = staffed(1200);
    let cut = below(&double, &["(mail=*)", "1.1"]);
    assert_eq!((cut.code, cut.entries.len()), (4, 1000));
    assert!(cut.references.is_empty());
    let limited = below(&double, &["-z", "7", "(mail=*)", "1.1"]);
    assert_eq!((limited.code, limited.entries.len()), (4, 7));
    let paged = below(&double, &["-E", "pr=5000/noprompt", "(mail=*)", "1.1"]);
    let names: BTreeSet<&str> = paged.names().into_iter().collect();
    assert_eq!((paged.code, paged.entries.len(), names.len()), (0, 1200, 1200));
    assert_eq!(double.take_asked().iter().filter(|asked| asked.kind == RequestKind::Page).count(), 2);
    assert!(
        paged.references.contains(&"ldap://lab.test/CN=Configuration,DC=lab,DC=test".to_owned()),
        "{:?}",
        paged.references
    );
}

#[test]
fn more_values_than_an_entry_takes_come_in_ranges() {
    for count in [1499, 1500, 1501, 3000, 3001] {
        let (double, _, _) = staffed(count);
        let plain = below(&double, &["(cn=All)", "member"]);
        if count <= 1500 {
            assert_eq!(plain.values("member").len(), count);
        } else {
            assert_eq!(plain.values("member").len(), 0);
            assert_eq!(plain.values("member;range=0-1499").len(), 1500);
        }
        let second = below(&double, &["(cn=All)", "member;range=1500-*"]);
        match count - 1499 {
            // The range begins behind the last value.
            0 | 1 => assert_eq!(second.code, 1, "{second:?}"),
            rest @ 2..=1501 => assert_eq!(second.values("member;range=1500-*").len(), rest - 1),
            _ => assert_eq!(second.values("member;range=1500-2999").len(), 1500),
        }
    }
}

#[test]
fn a_large_group_is_read_in_little_time() {
    let (double, _, _) = staffed(50_000);
    let mut members = BTreeSet::new();
    for first in (0..50_000).step_by(1500) {
        let group = ["-b", "CN=All,OU=Staff,DC=lab,DC=test", "-s", "base"];
        let found = search(&double, &[&group[..], &["(objectClass=*)", &format!("member;range={first}-*")]].concat());
        let (_, lines) = &found.entries[0];
        members.extend(lines.iter().map(|line| line.split_once(": ").unwrap().1.to_owned()));
    }
    assert_eq!(members.len(), 50_000);
}
