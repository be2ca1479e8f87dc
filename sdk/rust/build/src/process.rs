//! Running other programs: shown as they go, or quietly, with a time limit and their output kept for the error.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// How much of a quiet program's output an error quotes, from its end, in bytes.
const QUOTED: usize = 4000;

/// Runs a program with its output shown, and fails when it does.
///
/// # Errors
/// When it cannot be started, or ends with a failure.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", describe(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", describe(command));
    }
    Ok(())
}

/// Runs a program without input, its output hidden unless it fails, for at most `limit`. Returns its standard output.
///
/// # Errors
/// When it cannot be started, takes longer, or ends with a failure: the end of what it wrote is in the error.
pub fn quietly(command: &mut Command, limit: Duration) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = describe(command);
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    let (sender, outputs) = mpsc::channel();
    if let Some(stderr) = child.stderr.take() {
        read_in_background(stderr, Stream::Error, sender.clone());
    }
    if let Some(stdout) = child.stdout.take() {
        read_in_background(stdout, Stream::Output, sender);
    }
    let (mut output, mut errors) = (String::new(), String::new());
    for _ in 0..2 {
        match outputs.recv_timeout(limit) {
            Ok((Stream::Output, text)) => output = text,
            Ok((Stream::Error, text)) => errors = text,
            Err(_) => {
                child.kill().and_then(|()| child.wait()).with_context(|| format!("cannot stop {name}"))?;
                bail!("{name} took longer than {} seconds and was stopped", limit.as_secs());
            }
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
    if !status.success() {
        bail!("{name} ended with {status}:\n{}", tail(&format!("{output}{errors}")));
    }
    Ok(output)
}

/// Whether a program of this name can be started: looked up in PATH, and in the administrator's folders beside it.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(Into::into))
        .any(|folder| folder.join(program).is_file())
}

enum Stream {
    Output,
    Error,
}

/// Reads a pipe to its end on a thread of its own, so that neither pipe of the child can fill up and block it.
fn read_in_background(mut pipe: impl Read + Send + 'static, stream: Stream, to: mpsc::Sender<(Stream, String)>) {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // A pipe that breaks ends the text early; the exit status still tells how the program ended.
        let _ = pipe.read_to_end(&mut bytes);
        let _ = to.send((stream, String::from_utf8_lossy(&bytes).into_owned()));
    });
}

/// The command line for messages.
fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    format!("`{}`", words.join(" "))
}

fn tail(text: &str) -> &str {
    let text = text.trim_end();
    let start = text.len().saturating_sub(QUOTED);
    // Never in the middle of a character.
    let start = (start..=text.len()).find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    text.get(start..).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_program_gives_its_output() {
        assert_eq!(quietly(Command::new("echo").arg("ready"), Duration::from_secs(20)).unwrap(), "ready\n");
    }

    #[test]
    fn a_failed_program_is_quoted_in_the_error() {
        let error =
            quietly(Command::new("sh").args(["-c", "echo why >&2; exit 3"]), Duration::from_secs(20)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("exit status: 3") && text.contains("why"), "{text}");
    }

    #[test]
    fn a_program_that_takes_too_long_is_stopped() {
        let error = quietly(Command::new("sleep").arg("60"), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("was stopped"), "{error}");
    }

    #[test]
    fn a_quotation_starts_between_characters() {
        let text = "é".repeat(QUOTED);
        assert!(tail(&text).len() <= QUOTED && tail(&text).starts_with('é'));
    }

    #[test]
    fn a_missing_program_is_not_installed() {
        assert!(is_installed("sh"));
        assert!(!is_installed("provisor-no-such-program"));
    }
}
