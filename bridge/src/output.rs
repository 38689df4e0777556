//! What the program says: lines for people, or JSON objects, one a line.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;
use simple_ipc::{Error, ErrorKind, Result};
use simple_ipc_bridge::Progress;
use simple_ipc_bridge::check::Finding;

/// How it is said.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

/// The exit status of an error of this kind: by its group, as `simple-ipc` has it.
pub(crate) fn status(kind: ErrorKind) -> u8 {
    u8::try_from(kind.code() / 100 + 1).unwrap_or(1)
}

#[derive(Serialize)]
struct Failure<'a> {
    code: i32,
    kind: &'a str,
    message: &'a str,
}

impl Output {
    /// What happens, on standard error.
    pub(crate) fn progress(&self, progress: &Progress) {
        let line = if self.json { to_json(progress) } else { format!("simple-ipc-bridge: {progress}") };
        say(&line);
    }

    /// Why the program ends, on standard error.
    pub(crate) fn failed(&self, error: &Error) -> ExitCode {
        let (kind, message) = (error.kind(), error.message());
        say(&if self.json {
            to_json(&serde_json::json!({ "error": Failure { code: kind.code(), kind: kind.name(), message } }))
        } else {
            format!("simple-ipc-bridge: {message}")
        });
        ExitCode::from(status(kind))
    }

    /// What `--check` has found, on standard output.
    pub(crate) fn findings(&self, findings: &[Finding]) -> Result<()> {
        let text =
            if self.json { findings.iter().map(|finding| to_json(finding) + "\n").collect() } else { table(findings) };
        let mut stdout = std::io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(|error| Error::from_os("cannot write to standard output", error))
    }
}

fn say(line: &str) {
    // Whoever has closed standard error wants to hear nothing.
    let _nobody_reads = writeln!(std::io::stderr().lock(), "{line}");
}

fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Columns as wide as their widest cell, two spaces apart.
fn table(findings: &[Finding]) -> String {
    let head = ["WHAT", "NAME", "WORKS", "ROUND TRIP", "SAYS"].map(str::to_owned);
    let row = |finding: &Finding| {
        let trip = finding.round_trip_us.map_or_else(|| "-".to_owned(), |us| format!("{us} µs"));
        let works = if finding.ok { "yes" } else { "no" };
        [finding.what.to_owned(), finding.name.clone(), works.to_owned(), trip, finding.says.clone()]
    };
    let rows: Vec<[String; 5]> = std::iter::once(head).chain(findings.iter().map(row)).collect();
    let widths: [usize; 5] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
