//! Targets that lose replies, throttle and cut: the oracle holds, and nothing is there twice.

use provisor_sync::CycleRequest;
use provisor_tenant::{Cut, CutMoment, Kind, Misbehaviour, Occasion, RetryAfter, Throttle, Victims};

use crate::lab::{Directory, Lab};

fn company() -> Directory {
    let mut directory = Directory::of(1..=300);
    for group in 0..20 {
        directory = directory.with_group(500 + group, (1..=300).filter(|person| (person + group) % 7 < 3));
    }
    directory
}

fn lost_replies() -> Misbehaviour {
    Misbehaviour {
        applies_to: Victims::Creates,
        cut: Some(Cut { when: Occasion::Every(10), moment: CutMoment::AfterChange }),
        ..Misbehaviour::default()
    }
}

fn throttled_and_cut(moment: CutMoment) -> Misbehaviour {
    Misbehaviour {
        throttle: Some(Throttle { when: Occasion::Every(7), retry_after: RetryAfter::Seconds(0) }),
        cut: Some(Cut { when: Occasion::Every(100), moment }),
        ..Misbehaviour::default()
    }
}

/// All of it in one service: replies to creations are lost, requests throttled, and connections cut.
fn all_at_once() -> Misbehaviour {
    let cuts = |moment| Misbehaviour { throttle: None, ..throttled_and_cut(moment) };
    let further = vec![lost_replies(), cuts(CutMoment::BeforeChange), cuts(CutMoment::AfterChange)];
    Misbehaviour { cut: None, further, ..throttled_and_cut(CutMoment::BeforeChange) }
}

/// Runs cycles until the target is in step; a target that is away may end some of them.
pub(crate) async fn until_in_step(lab: &mut Lab) {
    let mut outcomes = Vec::new();
    for _ in 0..5 {
        match lab.try_sync(CycleRequest { initial: !outcomes.is_empty(), ..CycleRequest::default() }).await {
            Ok(report) if report.escrow == 0 && report.waiting_references == 0 => return,
            outcome => outcomes.push(format!("{outcome:?}")),
        }
    }
    panic!("not in step after five cycles: {outcomes:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_leave_the_target_right() {
    the_target_is_right_in_the_end(lost_replies()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_cuts_before_a_change_leave_the_target_right() {
    the_target_is_right_in_the_end(throttled_and_cut(CutMoment::BeforeChange)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_and_cuts_after_a_change_leave_the_target_right() {
    the_target_is_right_in_the_end(throttled_and_cut(CutMoment::AfterChange)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_replies_throttling_and_cuts_all_at_once_leave_the_target_right() {
    the_target_is_right_in_the_end(all_at_once()).await;
}

/// A first cycle and everything that can change, under these faults; then silence.
async fn the_target_is_right_in_the_end(misbehaviour: Misbehaviour) {
    let mut lab = Lab::new(company()).await;
    lab.tenant.misbehave(misbehaviour.clone());
    until_in_step(&mut lab).await;
    lab.assert_in_step();
    assert_eq!((lab.tenant.count(Kind::User).unwrap(), lab.tenant.count(Kind::Group).unwrap()), (300, 20));
    for number in 1..=30 {
        lab.directory.person(number).title = "Director".into();
    }
    for number in 31..=40 {
        lab.directory.person(number).uid = format!("renamed{number}");
    }
    for number in 41..=45 {
        lab.directory.people.remove(&number);
    }
    lab.directory.people.extend(Directory::of(1_001..=1_030).people);
    for group in 500..505 {
        lab.directory.group(group).members.extend(1_001..=1_030);
        lab.directory.group(group).members.remove(&100);
    }
    until_in_step(&mut lab).await;
    lab.assert_in_step();
    lab.tenant.misbehave(Misbehaviour::default());
    let before = lab.tenant.counters().total();
    lab.sync().await;
    assert_eq!(lab.tenant.counters().total(), before, "{misbehaviour:?}");
}
