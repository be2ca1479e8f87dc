//! `provisor check`: everything that cycles depend on, line by line.

use provisor_model::CheckOutcome;

use super::{Context, mismatch};
use crate::failure::{Failure, Status};
use crate::operation::{Answer, CheckReport, Request};

/// Looks, and shows what was found.
pub async fn run(context: Context, name: Option<String>) -> Result<Status, Failure> {
    let Answer::Check(report) = context.perform(Request::Check { name }).await? else { return Err(mismatch()) };
    context.output.print(&report, show)?;
    Ok(match (report.invalid(), report.failed()) {
        (true, _) => Status::Usage,
        (false, true) => Status::Failed,
        (false, false) => Status::Done,
    })
}

fn show(report: &CheckReport) -> String {
    let mut text = String::new();
    for section in &report.sections {
        let width = section.lines.iter().map(|line| line.what.chars().count()).max().unwrap_or(0);
        text += &format!("{}\n", section.name);
        for line in &section.lines {
            let (mark, detail) = match &line.outcome {
                CheckOutcome::Ok(detail) => ("ok     ", detail),
                CheckOutcome::Warning(detail) => ("warning", detail),
                CheckOutcome::Failed(detail) => ("FAILED ", detail),
            };
            text += &format!("  {mark}  {:<width$}  {detail}\n", line.what);
        }
    }
    text
}
