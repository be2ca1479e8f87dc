//! `provisor provision`: one object, now, step by step.

use provisor_sync::ProvisionReport;

use super::{Context, mismatch};
use crate::failure::{Failure, Status};
use crate::operation::{Answer, Request};
use crate::output::plain;

/// Provisions the object and shows each step.
pub async fn run(context: Context, name: String, object: String) -> Result<Status, Failure> {
    let Answer::Provision(report) = context.perform(Request::Provision { name, object }).await? else {
        return Err(mismatch());
    };
    context.output.print(&report, show)?;
    Ok(if report.succeeded { Status::Done } else { Status::ObjectsFailed })
}

fn show(report: &ProvisionReport) -> String {
    let mut text = format!("{} (source id {})\n", plain(&report.dn), plain(&report.id));
    for step in &report.steps {
        text += &format!("{:<8} {:<8} {}\n", step.step, step.status, plain(&step.description));
        for (name, value) in &step.details {
            text += &format!("         {name}: {}\n", value.replace('\n', "\n           "));
        }
    }
    text + &format!("{}: {}\n", report.configuration, plain(&report.outcome))
}
