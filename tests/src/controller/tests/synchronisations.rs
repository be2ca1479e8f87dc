//! DirSync: what is told, in which pages, and what another controller makes of a cookie.

use std::collections::{BTreeMap, BTreeSet};

use super::super::filter::Filter;
use super::super::request::{Control, Operation, Request, Scope, Search};
use super::super::{ber, request};
use super::*;

#[test]
fn a_synchronisation_tells_what_changed_and_nothing_else() {
    let (double, group, users) = staffed(4);
    let asked = ["(objectClass=*)", "name", "parentGUID", "mail", "member", "manager"];
    let first = sync(&double, INCREMENTAL, "", &asked);
    assert_eq!((first.code, first.has_more()), (0, false), "{first:?}");
    assert_eq!(first.values("mail").len(), 4);
    assert_eq!(first.values("member;range=1-1").len(), 4);
    let nothing = sync(&double, INCREMENTAL, first.cookie(), &asked);
    assert_eq!(nothing.names(), [""; 0]);
    double.change(|domain| {
        domain.unlink(group, "member", users[0]).unwrap();
        domain.set(users[1], "mail", &["new@lab.test"]).unwrap();
        // Nobody asks for this one.
        domain.set(users[2], "title", &["Buyer"]).unwrap();
        domain.link(users[1], "manager", users[2]).unwrap();
    });
    let changes = sync(&double, INCREMENTAL, nothing.cookie(), &asked);
    assert_eq!(changes.values("member;range=0-0"), ["CN=User 0,OU=Staff,DC=lab,DC=test"]);
    assert_eq!(changes.values("manager;range=1-1"), ["CN=User 2,OU=Staff,DC=lab,DC=test"]);
    assert_eq!(changes.values("mail"), ["new@lab.test"]);
    assert_eq!(changes.attributes(), ["mail", "manager;range=1-1", "member;range=0-0"].into());
    let whole = sync(&double, "0", nothing.cookie(), &asked);
    assert_eq!(whole.values("member").len(), 3, "without the flag all values come");
}

#[test]
fn renames_moves_and_deletions_are_told_and_what_hangs_on_them_is_not() {
    let (double, group, users) = staffed(3);
    let asked = ["(objectClass=*)", "name", "parentGUID", "isDeleted", "member"];
    let first = sync(&double, INCREMENTAL, "", &asked);
    let other = double.change(|domain| {
        domain.rename(users[0], "Ann").unwrap();
        let other = domain.add(domain.domain(), Class::Unit, "Other", &[]).unwrap();
        domain.move_to(domain.find("OU=Staff,DC=lab,DC=test").unwrap(), other).unwrap();
        domain.delete(users[1]).unwrap();
        other
    });
    let changes = sync(&double, INCREMENTAL, first.cookie(), &asked);
    let deleted = format!("CN=User 1\\0ADEL:{},CN=Deleted Objects,DC=lab,DC=test", users[1]);
    let names = [
        "CN=Ann,OU=Staff,OU=Other,DC=lab,DC=test",
        "OU=Other,DC=lab,DC=test",
        "OU=Staff,OU=Other,DC=lab,DC=test",
        &deleted,
    ];
    assert_eq!(changes.names(), names, "the group that lost a member is not among them");
    let parent = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, other.octets());
    assert!(changes.values("parentGUID").contains(&parent.as_str()));
    assert_eq!(changes.values("isDeleted"), ["TRUE"]);
    assert_eq!(below(&double, &["(cn=All)", "member"]).values("member").len(), 2);
    double.change(|domain| domain.delete(group).unwrap());
    assert!(below(&double, &["(sAMAccountName=All)", "1.1"]).entries.is_empty());
    let shown = below(&double, &["-E", "!1.2.840.113556.1.4.417", "(&(isDeleted=TRUE)(sAMAccountName=All))", "1.1"]);
    assert_eq!(shown.entries.len(), 1);
}

#[test]
fn what_a_deletion_cleared_comes_without_values() {
    let (double, _, users) = staffed(1);
    let from = sync(&double, "0", "", &[]);
    let cookie = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, from.cookie()).unwrap();
    double.change(|domain| domain.delete(users[0]).unwrap());
    // OpenLDAP's client does not show what has no values, so the message itself is looked at.
    let value = ber::parts(
        ber::SEQUENCE,
        &[ber::whole(ber::INTEGER, 0), ber::whole(ber::INTEGER, 0), ber::part(ber::OCTETS, &cookie)],
    );
    let control = Control { oid: request::DIRSYNC.to_owned(), critical: true, value };
    let search = Search {
        base: double.base(),
        scope: Scope::Subtree,
        size_limit: 0,
        filter: Filter::Present("objectClass".to_owned()),
        attributes: vec!["mail".to_owned()],
    };
    let request = Request { id: 1, operation: Operation::Unbind, controls: vec![control] };
    let messages = double.shared.state().dirsync(&request, &search).unwrap();
    let empty = ber::parts(ber::SEQUENCE, &[ber::part(ber::OCTETS, b"mail"), ber::part(ber::SET, b"")]);
    assert_eq!(messages.len(), 2, "an entry and the end");
    assert!(messages[0].windows(empty.len()).any(|octets| octets == empty), "{:x?}", messages[0]);
}

#[test]
fn links_come_back_with_their_object_where_there_is_a_recycle_bin() {
    let double = ControllerDouble::start(&ControllerOptions { recycle_bin: true, ..Default::default() }).unwrap();
    let (group, user) = double.change(|domain| {
        let user = domain.add(domain.users(), Class::User, "Ann", &[("mail", "ann@lab.test")]).unwrap();
        let group = domain.add(domain.users(), Class::Group, "All", &[]).unwrap();
        domain.link(group, "member", user).unwrap();
        domain.delete(user).unwrap();
        (group, user)
    });
    double.change(|domain| {
        assert_eq!(domain.linked(group, "member").count(), 0);
        let before = domain.usn_changed(group);
        domain.undelete(user, None).unwrap();
        assert_eq!(domain.linked(group, "member").collect::<Vec<_>>(), [user]);
        assert_eq!(domain.usn_changed(group), before);
        assert_eq!(domain.values_of(user, "mail"), [b"ann@lab.test"]);
        assert_eq!(domain.dn(user), "CN=Ann,CN=Users,DC=lab,DC=test");
        domain.delete(user).unwrap();
        domain.recycle(user).unwrap();
        assert!(domain.undelete(user, None).is_err());
    });
}

#[test]
fn a_synchronisation_comes_in_pages_that_lose_nothing() {
    let (double, group, users) = staffed(100);
    double.behave(|behaviour| {
        behaviour.dirsync_page = 7;
        behaviour.dirsync_values = 3;
    });
    let asked = ["(objectClass=*)", "name", "member"];
    let (mut cookie, mut pages, mut names, mut members) = (String::new(), 0, BTreeMap::new(), BTreeSet::new());
    loop {
        let page = sync(&double, INCREMENTAL, &cookie, &asked);
        assert_eq!(page.code, 0, "{page:?}");
        assert!(page.entries.len() <= 7);
        for (dn, lines) in &page.entries {
            *names.entry(dn.clone()).or_insert(0) += 1;
            members.extend(lines.iter().filter_map(|line| line.strip_prefix("member;range=1-1: ")).map(str::to_owned));
        }
        cookie = page.cookie().to_owned();
        pages += 1;
        if pages == 5 {
            double.change(|domain| {
                domain.set(users[0], "mail", &["changed@lab.test"]).unwrap();
                domain.rename(users[90], "Last").unwrap();
                domain.unlink(group, "member", users[1]).unwrap();
            });
        }
        if !page.has_more() {
            break;
        }
    }
    assert!(pages > 10);
    assert_eq!(members.len(), 99);
    assert!(names.contains_key("CN=Last,OU=Staff,DC=lab,DC=test"));
    assert_eq!(
        names["CN=All,OU=Staff,DC=lab,DC=test"],
        1 + 33 + 1,
        "the group, 99 values in threes, and the one removed"
    );
}

#[test]
fn rights_decide_what_a_synchronisation_shows() {
    let (double, _, users) = staffed(2);
    double.behave(|behaviour| behaviour.may_replicate = false);
    assert_eq!(sync(&double, "0", "", &[]).code, 50);
    let first = sync(&double, "1", "", &["(mail=*)", "mail"]);
    assert_eq!(first.entries.len(), 2);
    double.change(|domain| {
        domain.hide(users[0], true).unwrap();
        domain.set(users[0], "mail", &["hidden@lab.test"]).unwrap();
    });
    assert!(sync(&double, "1", first.cookie(), &["(objectClass=*)", "mail"]).entries.is_empty());
    assert_eq!(sync(&double, "1", "", &["(mail=*)", "mail"]).entries.len(), 1);
    assert_eq!(sync(&double, "1", "Z2FyYmFnZQ==", &[]).code, 12);
    double.behave(|behaviour| behaviour.bad_cookie = 53);
    assert_eq!(sync(&double, "1", "Z2FyYmFnZQ==", &[]).code, 53);
}

#[test]
fn a_cookie_serves_at_another_controller() {
    let (first, group, users) = staffed(5);
    let second = first.second("dc2").unwrap();
    let asked = ["(objectClass=*)", "name", "mail", "member"];
    let cookie = sync(&first, INCREMENTAL, "", &asked).cookie().to_owned();
    // The new controller's own objects are in another naming context.
    let there = sync(&second, INCREMENTAL, &cookie, &asked);
    assert_eq!(there.names(), [""; 0]);
    first.change(|domain| domain.set(users[0], "mail", &["at-first@lab.test"]).unwrap());
    second.change(|domain| domain.unlink(group, "member", users[1]).unwrap());
    assert_eq!(sync(&second, INCREMENTAL, there.cookie(), &asked).attributes(), ["member;range=0-0"].into());
    second.replicate_from(&first);
    second.behave(|behaviour| behaviour.foreign_cookies_repeat = true);
    assert_eq!(sync(&second, INCREMENTAL, &cookie, &asked).values("mail").len(), 5);
    second.behave(|behaviour| behaviour.foreign_cookies_repeat = false);
    let both = sync(&second, INCREMENTAL, there.cookie(), &asked);
    assert_eq!(both.attributes(), ["mail", "member;range=0-0"].into());
    first.replicate_from(&second);
    assert!(sync(&first, INCREMENTAL, both.cookie(), &asked).entries.is_empty());
    assert_eq!(first.change(|domain| domain.linked(group, "member").count()), 4);
}

#[test]
fn a_controller_that_was_rolled_back_gives_its_numbers_out_again() {
    let (first, _, users) = staffed(2);
    let second = first.second("dc2").unwrap();
    let before = first.snapshot();
    first.change(|domain| domain.set(users[0], "mail", &["lost@lab.test"]).unwrap());
    let cookie = sync(&first, "0", "", &[]).cookie().to_owned();
    second.replicate_from(&first);
    first.roll_back(&before);
    first.change(|domain| domain.set(users[1], "mail", &["unheard@lab.test"]).unwrap());
    assert!(sync(&first, "0", &cookie, &[]).entries.is_empty());
    second.replicate_from(&first);
    assert_eq!(second.change(|domain| domain.values_of(users[1], "mail")), [b"u1@lab.test"]);
    // Restored as it should be, the same numbers are another database's.
    first.restore(&before);
    assert_ne!(first.change(|domain| domain.invocation_id()), before.invocation_id());
    first.change(|domain| domain.set(users[1], "mail", &["heard@lab.test"]).unwrap());
    assert_eq!(sync(&first, "0", &cookie, &["(objectClass=*)", "mail"]).values("mail"), ["heard@lab.test"]);
    first.replicate_from(&second);
    assert_eq!(first.change(|domain| domain.values_of(users[0], "mail")), [b"lost@lab.test"]);
}
