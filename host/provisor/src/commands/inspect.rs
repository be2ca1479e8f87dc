//! `provisor inspect`: the whole directory, looked over for what the target's service would refuse.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use provisor_sync::{Finding, HygieneReport, HygieneRequest, RuleSet};
use tempfile::NamedTempFile;

use super::{Context, mismatch};
use crate::cli;
use crate::failure::{Failure, Status};
use crate::operation::{Answer, Request};
use crate::output::{counts, table};

/// The columns of the CSV file.
const COLUMNS: [&str; 8] = ["object", "id", "class", "attribute", "error", "value", "explanation", "suggestion"];

/// Looks, and shows what was found.
pub async fn run(context: Context, inspect: cli::Inspect, json: bool) -> Result<Status, Failure> {
    let cli::Inspect { name, rules, alternate_id, member_limit, no_target, csv, first } = inspect;
    let prints_csv = csv.as_deref() == Some(Path::new("-"));
    if prints_csv && json {
        return Err(Failure::usage("--csv - and --json would both print. Name a file after --csv"));
    }
    // A file that cannot be written is told before the work.
    let file = csv.filter(|_| !prints_csv).map(CsvFile::begin).transpose()?;
    let request = HygieneRequest { rules, alternate_id, member_limit, target: !no_target };
    let Answer::Inspect(report) = context.perform(Request::Inspect { name, request }).await? else {
        return Err(mismatch());
    };
    let written = file.map(|file| file.finish(&report)).transpose()?;
    if prints_csv {
        context.output.data(&to_csv(&report.findings));
    } else {
        let asked = !no_target;
        context.output.print(&*report, |report| show(report, usize::from(first), asked, written.as_deref()))?;
    }
    Ok(match (report.found, &report.target_error) {
        (0, None) => Status::Done,
        // Nothing is wrong as far as could be seen, which is less than was asked.
        (0, Some(_)) => Status::Failed,
        _ => Status::ObjectsFailed,
    })
}

/// A CSV file on its way: it takes the place of an older one only when it is whole.
struct CsvFile {
    unfinished: NamedTempFile,
    place: PathBuf,
}

impl CsvFile {
    fn begin(place: PathBuf) -> Result<Self, Failure> {
        if fs::metadata(&place).is_ok_and(|found| !found.is_file()) {
            return Err(Failure::usage(format!(
                "{} is no regular file. Name another one after --csv",
                place.display()
            )));
        }
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Only its owner may read such a file: there are personal data in it.
        let unfinished = NamedTempFile::new_in(folder).map_err(|error| unwritable(&place, &error))?;
        Ok(Self { unfinished, place })
    }

    fn finish(mut self, report: &HygieneReport) -> Result<PathBuf, Failure> {
        let text = to_csv(&report.findings);
        let written = self.unfinished.write_all(text.as_bytes()).and_then(|()| self.unfinished.flush());
        written.map_err(|error| unwritable(&self.place, &error))?;
        self.unfinished.persist(&self.place).map_err(|error| unwritable(&self.place, &error.error))?;
        Ok(self.place)
    }
}

fn unwritable(place: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be written: {error}. Name another file after --csv", place.display()))
}

/// The findings as CSV (RFC 4180).
fn to_csv(findings: &[Finding]) -> String {
    let mut text = line(COLUMNS);
    for finding in findings {
        let suggestion = finding.suggestion.as_deref().unwrap_or_default();
        text += &line([
            &finding.dn,
            &finding.id,
            &finding.class,
            &finding.attribute,
            finding.error.as_str(),
            &finding.value,
            &finding.explanation,
            suggestion,
        ]);
    }
    text
}

fn line(cells: [&str; 8]) -> String {
    cells.map(cell).join(",") + "\r\n"
}

/// A cell in quotes. What a spreadsheet would take for a formula, and carry out, begins with an apostrophe.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn show(report: &HygieneReport, first: usize, asked_target: bool, written: Option<&Path>) -> String {
    let rules = match report.rules {
        RuleSet::MultiTenant => "multi-tenant",
        RuleSet::Dedicated => "dedicated",
    };
    let HygieneReport { configuration, read, inspected, found, .. } = report;
    let mut text = format!(
        "{configuration}: {read} objects read, {inspected} inspected by the {rules} rules: {}\n",
        match found {
            0 => "nothing is wrong".to_owned(),
            1 => "1 finding".to_owned(),
            found => format!("{found} findings"),
        }
    );
    if !report.skipped.is_empty() {
        text += &format!("  passed over  {}\n", counts(&report.skipped));
    }
    text += &match (&report.target_error, report.target_users) {
        (Some(error), _) => format!("  target       not compared: {error}\n"),
        (None, Some(users)) => format!("  target       {users} users compared\n"),
        (None, None) if asked_target => String::new(),
        (None, None) => "  target       not compared: --no-target\n".to_owned(),
    };
    for note in &report.notes {
        text += &format!("  note: {note}\n");
    }
    if *found > 0 {
        text += &show_findings(report, first);
    }
    if let Some(file) = written {
        text += &format!("{} findings are in {}\n", report.findings.len(), file.display());
    }
    text
}

/// The findings by sort, and the first of them in full.
fn show_findings(report: &HygieneReport, first: usize) -> String {
    let sorts = report.counts.iter();
    let rows = sorts.map(|sort| [sort.error.to_string(), sort.attribute.clone(), sort.count.to_string()]);
    let mut text = table(["error", "attribute", "findings"], rows) + "\n";
    if first > 0 {
        let header = ["object", "attribute", "value", "error", "what is wrong", "suggestion"];
        text += &(table(header, report.findings.iter().take(first).map(row)) + "\n");
    }
    let kept = report.findings.len() as u64;
    let shown = kept.min(first as u64);
    if report.found > shown {
        text += &format!("{shown} of {} are shown; --csv FILE writes ", report.found);
        text += &if report.found > kept { format!("{kept} of them\n") } else { "them all\n".to_owned() };
    }
    text + "Nothing was changed. What is suggested is for you to decide, in the source directory\n"
}

fn row(finding: &Finding) -> [String; 6] {
    let Finding { dn, attribute, error, value, explanation, suggestion, .. } = finding;
    let suggestion = suggestion.clone().unwrap_or_default();
    [dn.clone(), attribute.clone(), value.clone(), error.to_string(), explanation.clone(), suggestion]
}

#[cfg(test)]
mod tests {
    use provisor_sync::{FindingCount, FindingKind};

    use super::*;

    fn finding(value: &str) -> Finding {
        Finding {
            dn: "cn=ada,dc=lab".into(),
            id: "1".into(),
            class: "user".into(),
            attribute: "mail".into(),
            error: FindingKind::Character,
            value: value.into(),
            explanation: "It holds \"x\"".into(),
            suggestion: None,
        }
    }

    fn report(findings: Vec<Finding>, found: u64) -> HygieneReport {
        let count = FindingCount { error: FindingKind::Character, attribute: "mail".into(), count: found };
        HygieneReport {
            configuration: "hr".into(),
            rules: RuleSet::MultiTenant,
            read: 9,
            inspected: 8,
            skipped: [("a critical system object".to_owned(), 1)].into(),
            target_users: Some(5),
            target_error: None,
            notes: vec![],
            found,
            counts: vec![count],
            findings,
        }
    }

    #[test]
    fn cells_are_quoted_and_no_spreadsheet_carries_them_out() {
        let text = to_csv(&[finding("=cmd()"), finding("a,\"b\"\nc"), finding("+1 5"), finding("a=b")]);
        assert!(text.starts_with("\"object\",\"id\","), "{text}");
        let value = |cell: &str| text.contains(&format!("\"character\",{cell},\"It holds \"\"x\"\"\",\"\"\r\n"));
        assert!(
            value("\"'=cmd()\"") && value("\"a,\"\"b\"\"\nc\"") && value("\"'+1 5\"") && value("\"a=b\""),
            "{text}"
        );
        for start in ["-", "@", "\t", "＝"] {
            assert_eq!(cell(start), format!("\"'{start}\""));
        }
    }

    #[test]
    fn what_is_not_shown_is_counted() {
        let text = show(&report(vec![finding("a b"), finding("c d")], 7), 1, true, None);
        assert!(text.contains("9 objects read, 8 inspected by the multi-tenant rules: 7 findings"), "{text}");
        assert!(text.contains("1 of 7 are shown; --csv FILE writes 2 of them"), "{text}");
        assert!(text.contains("a b") && !text.contains("c d"), "{text}");
        assert!(text.contains("5 users compared"), "{text}");
    }

    #[test]
    fn a_file_takes_the_place_of_an_older_one_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("findings.csv");
        fs::write(&place, "old").unwrap();
        let file = CsvFile::begin(place.clone()).unwrap();
        assert_eq!(fs::read_to_string(&place).unwrap(), "old");
        assert_eq!(file.finish(&report(vec![finding("a b")], 1)).unwrap(), place);
        assert_eq!(fs::read_to_string(&place).unwrap().lines().count(), 2);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(CsvFile::begin(folder.path().to_owned()).is_err());
        assert!(CsvFile::begin(folder.path().join("no/such.csv")).is_err());
    }
}
