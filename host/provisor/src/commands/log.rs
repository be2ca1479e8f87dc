//! `provisor log`: the provisioning log.

use provisor_sync::{LogFilter, LogRecord};

use super::{Context, mismatch, show};
use crate::cli;
use crate::failure::{Failure, Status};
use crate::operation::{Answer, LogReport, Request};
use crate::output::clock;

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
    let mut text = format!("{}  cycle {cycle}  {operation}  {status}  {dn}\n", clock(*time));
    if let Some(resource) = &record.resource_id {
        text += &format!("  resource: {} {resource}\n", record.kind.as_deref().unwrap_or_default());
    }
    for step in &record.steps {
        text += &format!("  {}: {}\n", step.step, step.detail);
    }
    text += &show::changes(&record.changes, "  ");
    if let Some(reason) = &record.reason {
        text += &format!("  reason: {}: {}\n", reason.code, reason.detail);
    }
    if let Some(error) = &record.error {
        text += &format!("  error: {error}\n");
    }
    text
}
