//! What goes wrong on demand.

use std::time::Duration;

use super::*;

#[test]
fn what_is_to_go_wrong_goes_wrong_once() {
    let (double, group, users) = staffed(10);
    let all = ["(mail=*)", "1.1"];
    let outcome = |fault: Fault| {
        double.fault(RequestKind::Search, 0, fault);
        let found = below(&double, &all);
        assert_eq!(double.faults_left(), 0);
        assert_eq!(below(&double, &all).entries.len(), 10);
        (found.code, found.entries.len())
    };
    assert_eq!(outcome(Fault::EndsWith(3, 4)), (4, 3));
    assert_eq!(outcome(Fault::EndsWith(0, 51)), (51, 0));
    assert_eq!(outcome(Fault::EndsWith(0, 10)), (10, 0));
    assert_eq!(outcome(Fault::HangUpAfter(4)), (255, 4));
    assert_eq!(outcome(Fault::CutAfter(100)).0, 255);
    assert_ne!(outcome(Fault::Malformed(2)).0, 0);
    assert_ne!(outcome(Fault::Notice).0, 0);
    // One page goes unharmed, and before the second the domain changes.
    double.fault(RequestKind::Range, 1, Fault::change(move |domain| domain.unlink(group, "member", users[0]).unwrap()));
    let range = ["(cn=All)", "member;range=0-*"];
    assert_eq!(below(&double, &range).values("member;range=0-*").len(), 10);
    assert_eq!(below(&double, &range).values("member;range=0-*").len(), 9);
}

#[test]
fn a_controller_comes_back_on_its_ports() {
    let (mut double, _, _) = staffed(3);
    let url = double.url();
    double.stop();
    assert_eq!(below(&double, &["1.1"]).code, 255);
    double.restart().unwrap();
    assert_eq!(double.url(), url);
    assert_eq!(below(&double, &["(mail=*)", "1.1"]).entries.len(), 3);
    double.behave(|behaviour| behaviour.busy = true);
    assert_eq!(below(&double, &["1.1"]).code, 51);
}

#[test]
fn an_answer_can_be_late_or_never_come() {
    let answer = || vec![answer::Outcome::success().message(1, answer::SEARCH_DONE, &[])];
    let late =
        fault::harm(1, answer(), vec![Fault::Delay(Duration::from_secs(2)), Fault::Delay(Duration::from_secs(1))]);
    assert_eq!((late.delay, late.silence, late.octets), (Duration::from_secs(3), false, answer().concat()));
    assert!(fault::harm(1, answer(), vec![Fault::Silence]).silence);
}
