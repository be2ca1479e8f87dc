//! Active Directory as a source, against a double of what only Windows' controllers do: many answers, ranges of values,
//! limits, controllers that lag or were restored, connections that break anywhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::time::Duration;

use provisor_directory::{ActiveDirectoryOptions, Directory, DomainChanges, ObjectQuery};
use provisor_tests::{Class, Fault, RequestKind};
use support::controller::{group, options, people, read_from, start};
use support::domain::{self, READ, assert_holds_all, directory, import, members};
use support::{Store, everything, names};

fn by_numbers(options: ActiveDirectoryOptions) -> Directory {
    directory(ActiveDirectoryOptions { changes: DomainChanges::ChangeNumbers, ..options })
}

#[tokio::test]
async fn groups_are_whole_whatever_their_size_and_whichever_way_they_are_read() {
    let controller = start();
    let people = people(&controller, 50_000);
    let sizes = [0, 1, 1_499, 1_500, 1_501, 5_000, 50_000];
    for size in sizes {
        group(&controller, &format!("g{size}"), &people[..size]);
    }
    let sync = read_from(&[&controller]);
    let stores = [everything(&sync, READ).await, everything(&by_numbers(options(&[&controller])), READ).await];
    for size in sizes {
        let name = format!("CN=g{size},");
        for store in &stores {
            let listed = store.entry(&name).unwrap().attributes.values(&"member".into());
            assert_eq!(listed.len(), size);
            assert!(listed.iter().all(|value| store.entries.contains_key(&domain::linked(value).unwrap())));
        }
        let query = ObjectQuery::Dn(format!("CN=g{size},CN=Users,DC=lab,DC=test").parse().unwrap());
        let found = sync.read_object(query, &names(READ), None).await.unwrap();
        assert_eq!(found[0], *stores[0].entry(&name).unwrap());
    }
}

#[tokio::test]
async fn a_group_that_changes_while_its_ranges_are_read_loses_nobody() {
    let controller = start();
    let people = people(&controller, 4_000);
    let all = group(&controller, "all", &people);
    let first = people[0];
    // When the second range is asked for, the first value is gone: whoever counts on would miss one.
    controller.fault(RequestKind::Range, 1, Fault::change(move |domain| domain.unlink(all, "member", first).unwrap()));
    let store = everything(&by_numbers(options(&[&controller])), READ).await;
    assert_eq!(controller.faults_left(), 0);
    assert_eq!(members(&store, "all").len(), 3_999);
}

#[tokio::test]
async fn changes_come_in_many_answers_and_values_in_many_parts() {
    let controller = start();
    controller.behave(|behaviour| (behaviour.dirsync_page, behaviour.dirsync_values) = (7, 5));
    let people = people(&controller, 40);
    let all = group(&controller, "all", &people);
    let directory = read_from(&[&controller]);
    let mut store = everything(&directory, READ).await;
    assert_eq!(members(&store, "all").len(), 40);
    controller.change(|domain| {
        people[..17].iter().for_each(|one| domain.unlink(all, "member", *one).unwrap());
        people[10..30].iter().for_each(|one| domain.set(*one, "mail", &["new@lab.test"]).unwrap());
        domain.link(all, "member", people[3]).unwrap();
        domain.set(people[0], "mail", &[]).unwrap();
        domain.delete(people[39]).unwrap();
    });
    let report = import(&mut store, &directory).await.unwrap();
    assert!(!report.full && report.deleted == 1, "{report:?}");
    assert_eq!(members(&store, "all").len(), 40 - 17 + 1 - 1);
    assert_holds_all(&store, &directory).await;
    let _ = controller.take_asked();
    let report = import(&mut store, &directory).await.unwrap();
    assert_eq!((report.full, report.changed, report.upserted), (false, 0, 0));
    let asked = controller.take_asked();
    assert_eq!(
        asked.iter().filter(|asked| asked.kind == RequestKind::DirSync).count(),
        1,
        "one question where nothing changed"
    );
}

#[tokio::test]
async fn another_controllers_cookie_serves_and_what_comes_twice_is_taken_in_once() {
    let first = start();
    let people = people(&first, 20);
    let all = group(&first, "all", &people);
    let second = first.second("dc2").unwrap();
    let mut store = everything(&read_from(&[&first]), READ).await;
    first.change(|domain| domain.unlink(all, "member", people[0]).unwrap());
    second.replicate_from(&first);
    second.change(|domain| domain.set(people[1], "mail", &["new@lab.test"]).unwrap());
    let from_second = read_from(&[&second, &first]);
    let report = import(&mut store, &from_second).await.unwrap();
    assert!(!report.full, "{report:?}");
    assert_holds_all(&store, &from_second).await;
    // The second one's changes reach the first, which is asked again: nothing is new.
    first.replicate_from(&second);
    let from_first = read_from(&[&first, &second]);
    import(&mut store, &from_first).await.unwrap();
    assert_holds_all(&store, &from_first).await;
}

#[tokio::test]
async fn a_cookie_that_is_refused_or_lost_leads_to_everything_and_still_finds_the_deleted() {
    let controller = start();
    let people = people(&controller, 10);
    let directory = read_from(&[&controller]);
    let mut store = everything(&directory, READ).await;
    for code in [12, 53] {
        controller.behave(|behaviour| (behaviour.refuse_cookies, behaviour.bad_cookie) = (true, code));
        let gone = people[usize::from(code == 53)];
        controller.change(|domain| domain.delete(gone).unwrap());
        controller.change(|domain| domain.collect_garbage(gone).unwrap());
        let report = import(&mut store, &directory).await.unwrap();
        assert!(report.full && report.absent_is_deleted);
        controller.behave(|behaviour| behaviour.refuse_cookies = false);
        assert_holds_all(&store, &directory).await;
    }
    store.watermark = Some(provisor_directory::Watermark::from_octets(b"garbage".to_vec()));
    assert!(import(&mut store, &directory).await.unwrap().full);
}

#[tokio::test]
async fn a_controller_that_lags_deletes_nobody_until_it_has_caught_up() {
    let mut first = start();
    let people = people(&first, 10);
    let second = first.second("dc2").unwrap();
    first.change(|domain| domain.add(domain.users(), Class::User, "late", &[]).unwrap());
    let directory = read_from(&[&first, &second]);
    let mut store = everything(&directory, READ).await;
    let late = first.snapshot();
    first.stop();
    // The watermark is lost, and the only controller that answers has yet to learn of the newcomer.
    store.watermark = None;
    second.change(|domain| domain.delete(people[3]).unwrap());
    let error = import(&mut store, &directory).await.unwrap_err();
    assert!(matches!(error, provisor_directory::DirectoryError::Behind { .. }), "{error}");
    assert!(store.entry("CN=late,").is_some());
    second.change(|domain| domain.pull(&late));
    let report = import(&mut store, &directory).await.unwrap();
    assert!(report.full && report.absent_is_deleted, "it has caught up: {report:?}");
    assert!(store.entry("CN=late,").is_some() && store.entry("CN=u3,").is_none());
    assert_holds_all(&store, &read_from(&[&second])).await;
}

#[tokio::test]
async fn who_vanishes_from_sight_without_a_word_is_found_by_listing() {
    let controller = start();
    let people = people(&controller, 10);
    controller.behave(|behaviour| (behaviour.may_replicate, behaviour.deleted_are_told) = (false, false));
    let directory = directory(ActiveDirectoryOptions { listing: Duration::ZERO, ..options(&[&controller]) });
    let mut store = everything(&directory, READ).await;
    controller.change(|domain| domain.hide(people[2], true).unwrap());
    controller.change(|domain| domain.delete(people[3]).unwrap());
    let report = import(&mut store, &directory).await.unwrap();
    assert!(!report.full && report.absent_is_deleted, "{report:?}");
    assert!(store.entry("CN=u2,").is_none() && store.entry("CN=u3,").is_none() && store.entry("CN=u4,").is_some());
    controller.change(|domain| domain.hide(people[2], false).unwrap());
    import(&mut store, &directory).await.unwrap();
    assert!(store.entry("CN=u2,").is_some(), "who comes into sight is found, too");
    // What was told by DirSync is not taken for gone where the account may not ask so any more.
    controller.behave(|behaviour| behaviour.withheld = vec!["1.2.840.113556.1.4.841".to_owned()]);
    let known = store.entries.len();
    assert!(
        import(&mut store, &directory).await.is_ok_and(|report| !report.absent_is_deleted)
            || store.entries.len() == known
    );
    controller.behave(|behaviour| behaviour.withheld = Vec::new());
    // With the right to replicate, everything is read in the better way.
    controller.behave(|behaviour| behaviour.may_replicate = true);
    assert!(import(&mut store, &directory).await.unwrap().full);
    assert_holds_all(&store, &directory).await;
}

#[tokio::test]
async fn without_dirsync_changes_are_read_by_their_numbers() {
    let controller = start();
    let people = people(&controller, 10);
    controller.behave(|behaviour| behaviour.withheld = vec!["1.2.840.113556.1.4.841".to_owned()]);
    let read = read_from(&[&controller]);
    let mut store = everything(&read, READ).await;
    controller.change(|domain| domain.set(people[0], "mail", &["new@lab.test"]).unwrap());
    controller.change(|domain| domain.delete(people[1]).unwrap());
    let report = import(&mut store, &read).await.unwrap();
    assert!(!report.full && report.upserted < 3, "{report:?}");
    assert_holds_all(&store, &read).await;
    // Another life of the controller counts anew.
    let older = controller.snapshot();
    controller.restore(&older);
    assert!(import(&mut store, &read).await.unwrap().full);
    let dirsync = directory(ActiveDirectoryOptions { changes: DomainChanges::DirSync, ..options(&[&controller]) });
    assert!(Store::default().import(&dirsync, READ).await.is_err());
}

#[tokio::test]
async fn whatever_breaks_off_deletes_nobody_and_the_next_cycle_ends_right() {
    let controller = start();
    let people = people(&controller, 12);
    let all = group(&controller, "all", &people);
    controller.behave(|behaviour| (behaviour.dirsync_page, behaviour.dirsync_values) = (5, 4));
    let faults: [fn(usize) -> Fault; 6] = [
        Fault::HangUpAfter,
        |count| Fault::CutAfter(count * 37),
        Fault::Malformed,
        |count| Fault::EndsWith(count, 4),
        |count| Fault::EndsWith(count, 10),
        |count| Fault::EndsWith(count, 51),
    ];
    for make in faults {
        for (round, at) in (0..7).enumerate() {
            let directory = read_from(&[&controller]);
            let mut store = everything(&directory, READ).await;
            let fresh = format!("{round}@lab.test");
            controller.change(|domain| {
                domain.set(people[round % 5], "mail", &[&fresh]).unwrap();
                domain.unlink(all, "member", people[5]).unwrap();
                domain.link(all, "member", people[5]).unwrap();
            });
            let count = store.entries.len();
            for full in [false, true] {
                if full {
                    store.watermark = None;
                }
                controller.fault(RequestKind::DirSync, usize::from(full && at % 2 == 0), make(at));
                // Retried at once, or told as an error; never fewer than there are.
                if let Err(error) = import(&mut store, &directory).await {
                    assert!(!error.to_string().is_empty());
                }
                assert_eq!(store.entries.len(), count);
                controller.clear_faults();
                import(&mut store, &directory).await.unwrap();
                assert_holds_all(&store, &directory).await;
            }
        }
    }
}

#[tokio::test]
async fn the_next_controller_goes_on_where_the_preferred_one_dies_in_mid_import() {
    let first = start();
    let people = people(&first, 60);
    group(&first, "all", &people);
    let second = first.second("dc2").unwrap();
    for controller in [&first, &second] {
        controller.behave(|behaviour| behaviour.dirsync_page = 20);
    }
    let directory = read_from(&[&first, &second]);
    first.fault(RequestKind::DirSync, 2, Fault::HangUpAfter(3));
    first.behave(|behaviour| behaviour.refuse_binds = None);
    let mut store = Store::default();
    let report = {
        // Nobody gets in again.
        first.fault(RequestKind::Bind, 2, Fault::HangUpAfter(0));
        store.import(&directory, READ).await.unwrap()
    };
    assert!(report.full && report.absent_is_deleted, "{report:?}");
    assert_holds_all(&store, &read_from(&[&second])).await;
    let report = import(&mut store, &read_from(&[&second, &first])).await.unwrap();
    assert_eq!((report.full, report.changed, report.upserted), (false, 0, 0));
}

#[tokio::test]
async fn by_numbers_too_who_was_brought_back_means_reading_everything() {
    let controller = start();
    let people = people(&controller, 5);
    group(&controller, "all", &people);
    let read = by_numbers(options(&[&controller]));
    let mut store = everything(&read, READ).await;
    controller.change(|domain| domain.delete(people[0]).unwrap());
    assert!(!import(&mut store, &read).await.unwrap().full);
    controller.change(|domain| {
        domain.undelete(people[0], None).unwrap();
        domain.add(domain.users(), Class::User, "new", &[]).unwrap();
    });
    assert!(import(&mut store, &read).await.unwrap().full);
    assert_eq!(members(&store, "all").len(), 4, "its membership is lost, and nobody said so");
    controller.change(|domain| domain.add(domain.users(), Class::User, "newer", &[]).unwrap());
    let report = import(&mut store, &read).await.unwrap();
    assert!(!report.full && report.upserted == 1, "who is new is no cause to read everything: {report:?}");
}

#[tokio::test]
async fn who_was_deleted_and_brought_back_means_reading_everything() {
    let controller = start();
    let people = people(&controller, 5);
    group(&controller, "all", &people);
    let directory = read_from(&[&controller]);
    let mut store = everything(&directory, READ).await;
    controller.change(|domain| {
        domain.delete(people[0]).unwrap();
        domain.undelete(people[0], None).unwrap();
    });
    assert!(import(&mut store, &directory).await.unwrap().full);
    assert_eq!(members(&store, "all").len(), 4, "its membership is lost, and nobody said so");
    assert_holds_all(&store, &directory).await;
}

#[tokio::test]
async fn the_consistency_guid_is_the_anchor_where_it_is_set() {
    let controller = start();
    let people = people(&controller, 2);
    let directory = read_from(&[&controller]);
    let mut store = everything(&directory, READ).await;
    let ann = store.entry("CN=u0,").unwrap().clone();
    assert_eq!(ann.anchor.to_string(), ann.source_id.to_string());
    controller.change(|domain| {
        domain.set_octets(people[0], "mS-DS-ConsistencyGuid", &[ann.source_id.octets()]).unwrap();
        domain.set_octets(people[1], "mS-DS-ConsistencyGuid", &[&[7; 16]]).unwrap();
    });
    import(&mut store, &directory).await.unwrap();
    assert_eq!(store.entry("CN=u0,").unwrap().anchor, ann.anchor, "the same GUID is the same anchor");
    assert_eq!(store.entry("CN=u1,").unwrap().anchor.to_string(), "07070707-0707-0707-0707-070707070707");
    controller.change(|domain| domain.set_octets(people[1], "mS-DS-ConsistencyGuid", &[]).unwrap());
    import(&mut store, &directory).await.unwrap();
    let other = store.entry("CN=u1,").unwrap();
    assert_eq!(other.anchor.to_string(), other.source_id.to_string());
}

#[tokio::test]
async fn whatever_else_goes_wrong_is_told_or_made_good_and_deletes_nobody() {
    let controller = start();
    let people = people(&controller, 8);
    group(&controller, "all", &people);
    controller.behave(|behaviour| (behaviour.max_page_size, behaviour.max_values) = (4, 3));
    let faults: [fn(usize) -> Fault; 5] = [
        Fault::HangUpAfter,
        |count| Fault::CutAfter(1 + count * 23),
        Fault::Malformed,
        |count| Fault::EndsWith(count, 52),
        |_| Fault::Notice,
    ];
    let kinds = [RequestKind::Bind, RequestKind::Base, RequestKind::Page, RequestKind::Range];
    let read = by_numbers(options(&[&controller]));
    let whole = everything(&read, READ).await;
    for (kind, make) in kinds.into_iter().flat_map(|kind| faults.map(|make| (kind, make))) {
        for (after, at) in [(0, 0), (1, 0), (2, 1), (3, 0)] {
            let mut store = whole.clone();
            store.watermark = None;
            controller.fault(kind, after, make(at));
            if let Err(error) = import(&mut store, &read).await {
                assert!(!error.to_string().is_empty());
                controller.clear_faults();
                assert_eq!(store.entries.len(), whole.entries.len(), "{kind:?}");
                import(&mut store, &read).await.unwrap();
            }
            controller.clear_faults();
            assert_eq!(domain::settled(&store), domain::settled(&whole), "{kind:?} {after} {at}");
        }
    }
}

#[tokio::test]
async fn a_busy_controller_is_tried_again_and_a_wrong_password_is_not() {
    let controller = start();
    people(&controller, 2);
    controller.behave(|behaviour| behaviour.busy = true);
    let error = Store::default().import(&read_from(&[&controller]), READ).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    controller.behave(|behaviour| (behaviour.busy, behaviour.refuse_binds) = (false, Some("775".to_owned())));
    let _ = controller.take_asked();
    let error = Store::default().import(&read_from(&[&controller]), READ).await.unwrap_err();
    assert!(!error.is_transient() && error.to_string().contains("locked"), "{error}");
    let binds = controller.take_asked().into_iter().filter(|asked| asked.kind == RequestKind::Bind).count();
    assert_eq!(binds, 1, "each try counts against the account");
}

#[tokio::test]
async fn an_answer_behind_which_the_controller_hangs_up_is_not_lost() {
    let controller = start();
    let people = people(&controller, 20);
    group(&controller, "all", &people);
    controller.behave(|behaviour| behaviour.dirsync_page = 5);
    let directory = read_from(&[&controller]);
    let mut store = everything(&directory, READ).await;
    for answer in 0..3 {
        let fresh = format!("{answer}@lab.test");
        controller.change(|domain| people.iter().for_each(|one| domain.set(*one, "mail", &[&fresh]).unwrap()));
        // Five objects and the end of the answer, and nobody is there to be asked for the next.
        controller.fault(RequestKind::DirSync, answer, Fault::HangUpAfter(6));
        let report = import(&mut store, &directory).await.unwrap();
        assert!(!report.full && controller.faults_left() == 0, "{report:?}");
        assert_holds_all(&store, &directory).await;
    }
}

#[tokio::test]
async fn who_was_renamed_keeps_what_only_dirsync_tells() {
    let controller = start();
    let people = people(&controller, 3);
    let directory = read_from(&[&controller]);
    let mut store = everything(&directory, READ).await;
    // Searches do not show it any more; whoever may replicate is told of it all the same.
    controller.change(|domain| {
        domain.hide(people[0], true).unwrap();
        domain.rename(people[0], "renamed").unwrap();
        domain.rename(people[1], "moved").unwrap();
    });
    let report = import(&mut store, &directory).await.unwrap();
    assert!(!report.full, "{report:?}");
    for name in ["renamed", "moved"] {
        let entry = store.entry(&format!("CN={name},")).unwrap();
        assert_eq!((entry.object_class.as_str(), entry.attributes.first_text("cn")), ("user", Some(name)));
        assert!(entry.attributes.first_text("mail").is_some());
    }
}
