//! Writes that go out together: the oracle holds with few requests, also where a request with many of them is lost.

use provisor_tenant::{Cut, CutMoment, Kind, Method, Misbehaviour, Occasion, Route, Victims};

use crate::faults::until_in_step;
use crate::lab::{Directory, Lab, RULES};

async fn lab() -> Lab {
    let directory = Directory::of(1..=300).with_group(500, 1..=200).with_group(501, 100..=300);
    Lab::with_settings(directory, &format!("bulk = true\n{RULES}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_with_bulk_requests_takes_few_of_them() {
    let mut lab = lab().await;
    lab.sync().await;
    lab.assert_in_step();
    let counters = lab.tenant.counters();
    assert!(counters.bulk_operations >= 300, "{counters:?}");
    assert!(counters.writes() <= 30, "{counters:?}");
    let total = counters.total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), total, "a cycle without changes asks the target nothing");
    for number in 1..=100 {
        lab.directory.person(number).title = "Director".into();
    }
    for number in 290..=295 {
        lab.directory.people.remove(&number);
    }
    lab.sync().await;
    lab.assert_in_step();
    let after = lab.tenant.counters();
    assert!(after.writes() - counters.writes() <= 10, "{after:?}");
    assert!(after.at(Method::Post, Route::Bulk) > counters.at(Method::Post, Route::Bulk), "{after:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_requests_whose_answers_are_lost_make_nobody_twice() {
    let mut lab = lab().await;
    let cut = Cut { when: Occasion::Next(1), moment: CutMoment::AfterChange };
    let misbehaviour = Misbehaviour { applies_to: Victims::Writes, cut: Some(cut), ..Misbehaviour::default() };
    lab.tenant.misbehave(misbehaviour.clone());
    until_in_step(&mut lab).await;
    lab.assert_in_step();
    assert_eq!((lab.tenant.count(Kind::User).unwrap(), lab.tenant.count(Kind::Group).unwrap()), (300, 2));
    lab.tenant.misbehave(misbehaviour);
    for number in 1..=100 {
        lab.directory.person(number).title = "Director".into();
    }
    until_in_step(&mut lab).await;
    lab.assert_in_step();
}
