//! `provisor log`: the provisioning log.

use provisor_sync::{LogFilter, LogRecord};

use super::{Context, mismatch, show};
use crate::cli;
use crate::failure::{Failure, Status};
use crate::operation::{Answer, LogReport, Request};
use crate::output::{clock, plain};

/// Shows the records that were asked for.
pub async fn run(context: Context, log: cli::Log) -> Result<Status, Failure> {
    let cli::Log { name, object, operation, status, cycle, since, limit } = log;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let filter = LogFilter { object, operation, status, cycle, since, limit };
    let Answer::Log(report) = context.perform(Request::Log { name, filter }).await? else { return Err(mismatch()) };
    context.output.print(&report, show_report)?;
    Ok(Status::Done)
}

fn show_report(report: &LogReport) -> String {
    if report.records.is_empty() {
        return format!("{}: no such records\n", report.configuration);
    }
    report.records.iter().map(show_record).collect::<Vec<_>>().join("\n")
}

fn show_record(record: &LogRecord) -> String {
    let LogRecord { time, cycle, operation, status, dn, .. } = record;
    let mut text = format!("{}  cycle {cycle}  {operation}  {status}  {}\n", clock(*time), plain(dn));
    if let Some(resource) = &record.resource_id {
        text += &format!("  resource: {} {}\n", record.kind.as_deref().unwrap_or_default(), plain(resource));
    }
    for step in &record.steps {
        text += &format!("  {}: {}\n", step.step, plain(&step.detail));
    }
    text += &show::changes(&record.changes, "  ");
    if let Some(reason) = &record.reason {
        text += &format!("  reason: {}: {}\n", plain(&reason.code), plain(&reason.detail));
    }
    if let Some(error) = &record.error {
        text += &format!("  error: {}\n", plain(error));
    }
    text
}

#[cfg(test)]
mod tests {
    use provisor_model::Reason;
    use provisor_sync::LogStep;

    use super::*;

    #[test]
    fn what_a_directory_or_a_target_wrote_stays_in_its_line() {
        let record = LogRecord {
            id: 1,
            cycle: 7,
            time: 0,
            operation: "none".into(),
            status: "skipped".into(),
            dn: "CN=twin\nCNF:1,DC=lab".into(),
            source_id: "1".into(),
            anchor: "1".into(),
            kind: Some("User".into()),
            resource_id: Some("2\u{1b}[2J".into()),
            steps: vec![LogStep { step: "plan".into(), detail: "CN=twin\nCNF:1".into() }],
            changes: vec![],
            reason: Some(Reason::new("set-aside", "CN=twin\nCNF:1")),
            error: Some("no\r\nerror: yes".into()),
        };
        let text = show_record(&record);
        assert_eq!(text.lines().count(), 5, "{text}");
        assert_eq!(text.matches("CN=twin\\0ACNF:1").count(), 3, "{text}");
        assert!(text.contains("2\\1B[2J") && text.contains("no\\0D\\0Aerror"), "{text}");
    }
}
