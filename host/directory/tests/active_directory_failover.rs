//! Active Directory as a source with several controllers: ones that break off while they are opened, that were set back, that
//! lost what others never learnt.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a failure here ends a test")]

mod support;

use std::time::Duration;

use provisor_directory::{ActiveDirectoryOptions, ConnectionOptions, Directory, DirectoryError, ObjectQuery};
use provisor_model::{CheckLine, CheckOutcome};
use provisor_tests::{Class, ControllerDouble, Fault, RequestKind};
use support::controller::{group, options, people, read_from, start};
use support::domain::{READ, assert_holds_all, directory, import};
use support::{Store, everything, names};

/// More requests of a kind than a test makes.
const EACH: usize = 40;

/// How a controller leaves its client alone.
const WAYS: [fn() -> Fault; 3] = [|| Fault::HangUpAfter(0), || Fault::CutAfter(20), || Fault::Silence];

/// From this request of the kind on, none is answered.
fn break_off(controller: &ControllerDouble, kind: RequestKind, from: usize, fault: fn() -> Fault) {
    controller.clear_faults();
    (from..from + EACH).for_each(|request| controller.fault(kind, request, fault()));
}

/// The domain as read from these controllers by a client that does not wait long.
fn impatient(controllers: &[&ControllerDouble]) -> Directory {
    let options = options(controllers);
    let connection = ConnectionOptions { timeout: Duration::from_millis(300), ..options.connection };
    directory(ActiveDirectoryOptions { connection, ..options })
}

fn is_behind(error: &DirectoryError) -> bool {
    match error {
        DirectoryError::NoServer(each) => each.iter().all(is_behind),
        error => matches!(error, DirectoryError::Behind { .. }),
    }
}

#[tokio::test]
async fn a_controller_that_breaks_off_while_it_is_opened_gives_way_to_the_next() {
    let first = start();
    let people = people(&first, 5);
    group(&first, "all", &people);
    let second = first.second("dc2").unwrap();
    let healthy = read_from(&[&second]);
    let _ = first.take_asked();
    everything(&read_from(&[&first]), READ).await;
    let asked = first.take_asked().into_iter().filter(|asked| asked.kind == RequestKind::Base).count();
    assert!(asked >= 5, "what a controller says of itself, and the schema");
    for (at, fault) in (0..asked).flat_map(|at| WAYS.map(|fault| (at, fault))) {
        let directory = impatient(&[&first, &second]);
        break_off(&first, RequestKind::Base, at, fault);
        let before = first.connections();
        let mut store = Store::default();
        let report = store.import(&directory, READ).await.unwrap();
        assert!(report.full && report.absent_is_deleted, "{report:?}");
        assert_eq!(first.connections(), before + 1, "it is passed over, {at}");
        assert_holds_all(&store, &healthy).await;
        // The next cycle does not begin with it either.
        assert!(!import(&mut store, &directory).await.unwrap().full);
        assert_eq!(first.connections(), before + 1, "{at}");
    }
}

#[tokio::test]
async fn whatever_else_is_asked_goes_to_the_next_controller_where_one_breaks_off() {
    let first = start();
    people(&first, 2);
    let second = first.second("dc2").unwrap();
    for (at, fault) in [0, 2, 4].into_iter().flat_map(|at| WAYS.map(|fault| (at, fault))) {
        break_off(&first, RequestKind::Base, at, fault);
        assert!(impatient(&[&first, &second]).schema().await.unwrap().len() > 10);
        break_off(&first, RequestKind::Base, at, fault);
        let query = ObjectQuery::Dn("CN=u1,OU=People,DC=lab,DC=test".parse().unwrap());
        let found = impatient(&[&first, &second]).read_object(query, &names(READ), None).await.unwrap();
        assert_eq!(found.len(), 1);
        break_off(&first, RequestKind::Base, at, fault);
        let lines = impatient(&[&first, &second]).check().await;
        assert!(!lines.iter().any(CheckLine::is_failure), "{lines:?}");
        let warned =
            |line: &CheckLine| matches!(&line.outcome, CheckOutcome::Warning(why) if why.contains("cannot be reached"));
        assert!(lines.iter().any(warned), "{lines:?}");
        let schemas = lines.iter().filter(|line| line.what == "schema" && matches!(line.outcome, CheckOutcome::Ok(_)));
        assert_eq!(schemas.count(), 1, "{lines:?}");
    }
}

#[tokio::test]
async fn where_each_controller_breaks_off_each_is_tried_and_told_of_once() {
    let first = start();
    people(&first, 2);
    let second = first.second("dc2").unwrap();
    for controllers in [vec![&first], vec![&first, &second]] {
        controllers.iter().for_each(|controller| break_off(controller, RequestKind::Base, 2, WAYS[0]));
        let before = [first.connections(), second.connections()];
        let error = Store::default().import(&impatient(&controllers), READ).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(error.to_string().matches("cannot be reached").count(), controllers.len(), "{error}");
        let made = first.connections() + second.connections() - before.iter().sum::<u64>();
        assert_eq!(made, 2, "an only one is tried twice, others once");
    }
    first.clear_faults();
    first.fault(RequestKind::Base, 2, Fault::HangUpAfter(0));
    assert!(Store::default().import(&impatient(&[&first]), READ).await.unwrap().full, "an only one is tried again");
}

#[tokio::test]
async fn a_controller_that_breaks_off_again_and_again_in_mid_import_gives_way_to_the_next() {
    let first = start();
    let people = people(&first, 60);
    group(&first, "all", &people);
    let second = first.second("dc2").unwrap();
    first.behave(|behaviour| behaviour.dirsync_page = 20);
    let _ = first.take_asked();
    everything(&read_from(&[&first]), READ).await;
    let opened = first.take_asked().into_iter().filter(|asked| asked.kind == RequestKind::Base).count();
    // Once in the answer to DirSync in each connection; and once there, and in each later one while it is opened again.
    for in_answers in [true, false] {
        break_off(&first, RequestKind::DirSync, 2, || Fault::HangUpAfter(3));
        if !in_answers {
            first.clear_faults();
            first.fault(RequestKind::DirSync, 2, Fault::HangUpAfter(3));
            (opened..opened + EACH).for_each(|at| first.fault(RequestKind::Base, at, Fault::HangUpAfter(0)));
        }
        let before = first.connections();
        let mut store = Store::default();
        let report = store.import(&read_from(&[&first, &second]), READ).await.unwrap();
        assert!(report.full && report.absent_is_deleted, "{report:?}");
        assert_eq!(first.connections(), before + 2, "it had a second chance");
        assert_holds_all(&store, &read_from(&[&second])).await;
    }
}

#[tokio::test]
async fn a_controller_that_was_set_back_is_believed_where_it_is_alone_and_otherwise_passed_over() {
    let first = start();
    let people = people(&first, 10);
    let before = first.snapshot();
    first.change(|domain| {
        domain.set(people[0], "mail", &["new@lab.test"]).unwrap();
        domain.add(domain.users(), Class::User, "late", &[]).unwrap();
    });
    let second = first.second("dc2").unwrap();
    let (alone, several) = (read_from(&[&first]), read_from(&[&first, &second]));
    let stores = [everything(&alone, READ).await, everything(&several, READ).await];
    first.roll_back(&before);
    let [mut by_alone, mut by_several] = stores;
    let report = import(&mut by_alone, &alone).await.unwrap();
    assert!(report.full && report.absent_is_deleted, "{report:?}");
    assert_holds_all(&by_alone, &alone).await;
    // Nobody takes it at its word beside another one, which knows more and is read.
    import(&mut by_several, &several).await.unwrap();
    assert!(by_several.entry("CN=late,").is_some());
    assert_holds_all(&by_several, &read_from(&[&second])).await;
}

#[tokio::test]
async fn what_is_advised_about_a_controller_that_was_set_back_helps() {
    let first = start();
    people(&first, 10);
    let second = first.second("dc2").unwrap();
    second.replicate_from(&first);
    let before = first.snapshot();
    // Nobody else learns of it.
    first.change(|domain| domain.add(domain.users(), Class::User, "late", &[]).unwrap());
    let several = read_from(&[&first, &second]);
    let mut store = everything(&several, READ).await;
    first.roll_back(&before);
    store.watermark = None;
    let error = import(&mut store, &several).await.unwrap_err();
    let told = error.to_string();
    assert!(is_behind(&error) && told.contains("was set back to a copy, which"), "{told}");
    // The restored one alone is no way out: it has partners, and they know more, for all that anybody knows.
    assert!(!told.contains("only one in url") && !told.contains("Everything is read"), "{told}");
    assert!(is_behind(&import(&mut store, &several).await.unwrap_err()));
    assert!(store.entry("CN=late,").is_some());
    // Taken out of url, with another in it, and everything read once.
    let report = import(&mut store, &read_from(&[&second])).await.unwrap();
    assert!(report.full && report.absent_is_deleted && store.entry("CN=late,").is_none(), "{report:?}");
    // Put back, when it was joined again.
    let joined = second.second("dc1b").unwrap();
    let report = import(&mut store, &read_from(&[&joined, &second])).await.unwrap();
    assert!(report.upserted < 5, "{report:?}");
    assert_holds_all(&store, &read_from(&[&second])).await;
}

#[tokio::test]
async fn a_domain_that_was_restored_as_a_whole_is_read_anew_under_addresses_written_otherwise() {
    let first = start();
    people(&first, 10);
    let second = first.second("dc2").unwrap();
    let before = [first.snapshot(), second.snapshot()];
    for controller in [&first, &second] {
        controller.change(|domain| domain.add(domain.users(), Class::User, "late", &[]).unwrap());
    }
    second.replicate_from(&first);
    let several = options(&[&first, &second]);
    let read = directory(several.clone());
    let store = everything(&read, READ).await;
    // As a backup's restoration does it, or as an image's.
    for as_supported in [true, false] {
        for (controller, older) in [&first, &second].into_iter().zip(&before) {
            if as_supported { controller.restore(older) } else { controller.roll_back(older) }
        }
        let mut known = store.clone();
        known.watermark = None;
        assert!(is_behind(&import(&mut known, &read).await.unwrap_err()), "{as_supported}");
        let urls = several.connection.urls.iter().map(|url| format!("{url}/")).collect();
        let connection = ConnectionOptions { urls, ..several.connection.clone() };
        let written_otherwise = directory(ActiveDirectoryOptions { connection, ..several.clone() });
        let report = import(&mut known, &written_otherwise).await.unwrap();
        assert!(report.full && report.absent_is_deleted && known.entry("CN=late,").is_none(), "{report:?}");
    }
}

#[tokio::test]
async fn rights_that_were_taken_away_are_named() {
    let controller = start();
    people(&controller, 3);
    let read = read_from(&[&controller]);
    let mut store = everything(&read, READ).await;
    controller.behave(|behaviour| behaviour.may_replicate = false);
    let told = import(&mut store, &read).await.unwrap_err().to_string();
    assert!(
        told.contains("the right Replicating Directory Changes") && told.contains("Nothing was taken for deleted"),
        "{told}"
    );
    assert!(!told.contains("NAME") && !told.contains("read access below the base"), "{told}");
    assert_eq!(told.matches("DirSync").count(), 1, "{told}");
}
