//! `provisor status`: how each configuration and plugin stands.

use super::plugin::plugins_table;
use super::{Context, mismatch};
use crate::failure::{Failure, Status};
use crate::operation::{Activity, Answer, ConfigurationState, Request, StatusReport};
use crate::output::{ago, counts, plain, step_word, table};

/// How many objects that wait for another attempt are named for each configuration; `--json` has more of them.
const NAMED: usize = 5;

/// Shows how all stands. What is wrong is shown; it is no failure of this command.
pub async fn run(context: Context) -> Result<Status, Failure> {
    let Answer::Status(report) = context.perform(Request::Status).await? else { return Err(mismatch()) };
    context.output.print(&report, show)?;
    Ok(Status::Done)
}

fn show(report: &StatusReport) -> String {
    let mut text = match &report.host {
        Some(host) => {
            format!("provisor {} runs as process {}, since {}\n", host.version, host.process, ago(host.started))
        }
        None => "no host runs on this data folder\n".to_owned(),
    };
    let header = ["configuration", "mode", "doing", "entries", "links", "failed or held", "last cycle"];
    text += &table(header, report.configurations.iter().map(row));
    text.push('\n');
    for state in &report.configurations {
        for (what, error) in [("its document is wrong", &state.document_error), ("its last cycle failed", &state.error)]
        {
            if let Some(error) = error {
                text += &format!("{}: {what}: {error}\n", state.name);
            }
        }
        for waiting in state.status.iter().flat_map(|status| &status.escrowed).take(NAMED) {
            let due = jiff::Timestamp::now().as_millisecond() >= waiting.next;
            let again = if due { "in the next cycle".to_owned() } else { ago(waiting.next) };
            let (dn, error) = (plain(&waiting.dn), plain(&waiting.error));
            text += &format!("{}: {dn} is tried again {again}: {error}\n", state.name);
        }
        if let Some(operations) = &state.would_do {
            text += &format!("{}: staging; a cycle would carry out {}\n", state.name, counts(operations));
        }
    }
    text + &plugins_table(&report.plugins)
}

fn row(state: &ConfigurationState) -> [String; 7] {
    let doing = match (state.activity, state.progress) {
        (Activity::Running, Some(progress)) => match progress.total {
            Some(total) => format!("{} {} of {total}", step_word(progress.step), progress.done),
            None => format!("{} {}", step_word(progress.step), progress.done),
        },
        (Activity::Running, None) => "running".into(),
        (Activity::Waiting, _) => {
            state.next_cycle.map_or_else(|| "waiting".into(), |next| format!("next cycle {}", ago(next)))
        }
        (Activity::BackingOff, _) => {
            let next = state.next_cycle.map(ago).unwrap_or_default();
            format!("failed {} times, tries again {next}", state.failures)
        }
        (Activity::Idle, _) => "nothing".into(),
        (Activity::Broken, _) => "nothing: its document is wrong".into(),
    };
    let status = state.status.as_ref();
    let number = |read: fn(&provisor_sync::ConfigurationStatus) -> u64| {
        status.map(|status| read(status).to_string()).unwrap_or_default()
    };
    [
        state.name.clone(),
        status.map(|status| status.mode.clone()).unwrap_or_default(),
        doing,
        number(|status| status.entries),
        status.map(|status| counts(&status.links)).unwrap_or_default(),
        number(|status| status.escrow),
        status
            .and_then(|status| status.last_cycle.as_ref())
            .map(|cycle| format!("{}: {}", ago(cycle.ended), counts(&cycle.operations)))
            .unwrap_or_else(|| "none yet".into()),
    ]
}
