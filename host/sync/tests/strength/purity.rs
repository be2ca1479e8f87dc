//! Rules that answer differently when they are asked twice decide nothing.

use std::fs;

use provisor_sync::{CycleRequest, CycleWatch};

use crate::lab::{Directory, Lab, RULES};

/// The rules, and behind them one that adds a count to the user name of one person.
const IMPURE: &str = "[[rules]]\nplugin = \"people\"\n[[rules]]\nplugin = \"guest\"\n\
                      config = { fault = \"remembers\", only = \"u3\", kind = \"\" }\n[[rules]]\nplugin = \"groups\"\n";

async fn lab(settings: &str) -> Lab {
    let lab = Lab::with_settings(Directory::of(1..=5).with_group(500, [2, 3]), settings).await;
    let guest = provisor_tests::installed::test_guest().unwrap();
    fs::copy(guest, lab.folder.path().join("plugins/guest.wasm")).unwrap();
    lab
}

async fn refused(lab: &mut Lab) -> String {
    lab.try_sync(CycleRequest::default()).await.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_cycle_of_an_impure_rule_reads_and_writes_nothing() {
    let mut lab = lab(IMPURE).await;
    // A host that has looked at the folder since the file was put there.
    lab.restart().await;
    for _ in 0..2 {
        let error = refused(&mut lab).await;
        assert!(error.contains("guest") && error.contains("twice"), "{error}");
        assert_eq!(lab.writes(), 0);
    }
    lab.change_settings(RULES).await;
    lab.sync().await;
    lab.assert_in_step();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impure_rule_provisions_nobody_though_nothing_is_stored_yet() {
    let mut lab = lab(IMPURE).await;
    lab.restart().await;
    fs::write(lab.folder.path().join("lab.ldif"), lab.directory.to_ldif()).unwrap();
    let error = lab.pipeline.provision("u3", &CycleWatch::new()).await.unwrap_err().to_string();
    assert!(error.contains("guest") && error.contains("twice"), "{error}");
    assert_eq!(lab.writes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impure_rule_that_comes_later_is_found_before_anything_is_imported() {
    let mut lab = lab(RULES).await;
    lab.restart().await;
    lab.sync().await;
    let writes = lab.writes();
    lab.change_settings(IMPURE).await;
    lab.directory.person(1).title = "Director".into();
    let error = refused(&mut lab).await;
    assert!(error.contains("guest") && error.contains("(in userName)"), "{error}");
    assert!(error.contains("uid=u3,ou=people,dc=lab,dc=test"), "{error}");
    assert_eq!(lab.writes(), writes);
    lab.change_settings(RULES).await;
    lab.sync().await;
    lab.assert_in_step();
}
