//! `provisor sync`: one cycle, now.

use provisor_sync::{CycleKind, CycleOutcome, CycleReport, RequestTally};

use super::{Context, mismatch};
use crate::cli;
use crate::failure::{Failure, Status};
use crate::operation::{Answer, Request};
use crate::output::{counts, plain};

/// Runs a cycle and shows what it did.
pub async fn run(context: Context, sync: cli::Sync) -> Result<Status, Failure> {
    let cli::Sync { name, initial, allow_deletes } = sync;
    let Answer::Cycle(report) = context.perform(Request::Sync { name, initial, allow_deletes }).await? else {
        return Err(mismatch());
    };
    context.output.print(&report, show)?;
    Ok(match report.outcome {
        CycleOutcome::Completed => Status::Done,
        CycleOutcome::CompletedWithFailures => Status::ObjectsFailed,
        CycleOutcome::Paused => Status::Failed,
    })
}

/// A cycle in a few lines.
pub fn show(report: &CycleReport) -> String {
    let kind = match report.kind {
        CycleKind::Initial => "initial",
        CycleKind::Incremental => "incremental",
    };
    let outcome = match report.outcome {
        CycleOutcome::Completed => "completed".to_owned(),
        CycleOutcome::CompletedWithFailures => {
            format!("completed, but {}", left_over(report.failed, report.held, report.escrow))
        }
        CycleOutcome::Paused => "paused; the next cycle goes on".to_owned(),
    };
    let seconds =
        std::time::Duration::from_millis(u64::try_from(report.ended - report.started).unwrap_or(0)).as_secs_f64();
    let import = &report.imported;
    let mut text = format!("{}: {kind} cycle {} {outcome}, in {seconds:.1} s\n", report.configuration, report.cycle);
    text += &format!(
        "  imported   {} read: {} added, {} changed, {} deleted, {} unchanged\n",
        import.read, import.added, import.changed, import.deleted, import.unchanged
    );
    text += &format!("  evaluated  {}, {} out of scope\n", report.evaluated, report.out_of_scope);
    text += &format!("  exported   {}\n", counts(&report.operations));
    text += &format!("  requests   {}\n", requests(&report.requests));
    for (number, what) in [
        (report.failed, "failed"),
        (report.held, "are held before their export"),
        (report.waiting_references, "references wait for their target"),
    ] {
        if number > 0 {
            text += &format!("  {number} {what}\n");
        }
    }
    for failure in &report.failures {
        text += &format!("    {}: {}\n", plain(&failure.dn), plain(&failure.error));
    }
    text
}

/// How many objects are not as they should be, and what becomes of them.
fn left_over(failed: u64, held: u64, escrow: u64) -> String {
    let objects = |number: u64| if number == 1 { "1 object".to_owned() } else { format!("{number} objects") };
    let are = |number: u64| if number == 1 { "is" } else { "are" };
    match (failed, held) {
        (0, 0) => format!("{} of earlier cycles {} tried again later; status says when", objects(escrow), are(escrow)),
        (0, held) => format!("{} {} held; the next cycle looks at them again", objects(held), are(held)),
        (failed, 0) => format!("{} failed; the next cycle tries again", objects(failed)),
        (failed, held) => {
            format!("{} failed and {held} {} held; the next cycle tries again", objects(failed), are(held))
        }
    }
}

/// Requests in words, and what they cost where each is billed.
pub fn requests(tally: &RequestTally) -> String {
    let mut words = format!("{} that read, {} that write", tally.reads, tally.writes);
    if tally.repeated > 0 {
        words += &format!(" ({} of them sent again)", tally.repeated);
    }
    match tally.milli_dollars {
        Some(thousandths) => format!("{words}: USD {}.{:03} at most", thousandths / 1000, thousandths % 1000),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_held_has_not_failed() {
        assert!(left_over(0, 1, 1).starts_with("1 object is held"));
        assert!(left_over(0, 2, 2).starts_with("2 objects are held"));
        assert!(left_over(3, 0, 3).starts_with("3 objects failed"));
        assert!(left_over(1, 2, 3).starts_with("1 object failed and 2 are held"));
        assert!(left_over(0, 0, 1).starts_with("1 object of earlier cycles is tried again"));
    }
}
