//! Large groups: whole, while what is shown and kept of their changes stays small.

use provisor_sync::LogFilter;

use crate::lab::{Directory, Lab, uuid};

const MEMBERS: u32 = 3_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_group_is_whole_and_its_log_and_preview_are_short() {
    let everybody = 1..=MEMBERS;
    let mut lab = Lab::new(Directory::of(everybody.clone()).with_group(900_500, everybody.clone())).await;
    let preview = lab.preview().await;
    assert!(serde_json::to_string(&preview).unwrap().len() < 200_000);
    lab.sync().await;
    lab.assert_in_step();
    lab.directory.group(900_500).members.retain(|number| number % 10 != 0);
    let preview = lab.preview().await;
    assert!(serde_json::to_string(&preview).unwrap().len() < 4_000, "{preview:?}");
    let report = lab.sync().await;
    lab.assert_in_step();
    assert_eq!(report.operations.get("update"), Some(&1), "{report:?}");
    let filter = LogFilter { object: Some(uuid(900_500)), limit: 10, ..LogFilter::default() };
    let records = lab.pipeline.log(filter).await.unwrap();
    assert!(records.len() >= 2);
    for record in &records {
        assert!(serde_json::to_string(record).unwrap().len() < 4_000, "{record:?}");
    }
    let change = records.iter().flat_map(|record| &record.changes).find(|change| change.old.is_some()).unwrap();
    assert!(change.old.as_ref().unwrap().ends_with(&format!("{} more", MEMBERS / 10 - 5)), "{change:?}");
}
