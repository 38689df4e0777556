//! `simple-ipc doctor`: what keeps channels from working, and what to do about it.
//!
//! | file | looks at |
//! |---|---|
//! | `directory` | the directory of the sockets: whether one can listen there, and what the dead have left |
//! | `machine` | limits, containers and namespaces |
//! | `listeners` | who listens, whether it answers, how near its limits it is |
//! | `held` | who holds one channel |

mod directory;
mod held;
mod listeners;
mod machine;

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use simple_ipc::{Channel, Result};

use crate::arguments::{Doctor, Place};
use crate::output;
use crate::report::{UNEXPECTED_STATUS, one_line, to_json};
use crate::style::Style;

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// Worth knowing: it may be meant so.
    Note,
    /// Something does not work, or soon will not.
    Problem,
}

/// Something that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// What it is about: `directory`, `limits`, or the name of a channel.
    about: String,
    finding: String,
    /// What to do; none where there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn ok(about: &str, finding: impl Into<String>) -> Finding {
        Finding { level: Level::Ok, about: about.to_owned(), finding: finding.into(), remedy: None }
    }

    fn note(about: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { level: Level::Note, about: about.to_owned(), finding: finding.into(), remedy: Some(remedy.into()) }
    }

    fn problem(about: &str, finding: impl Into<String>, remedy: impl Into<String>) -> Finding {
        Finding { level: Level::Problem, about: about.to_owned(), finding: finding.into(), remedy: Some(remedy.into()) }
    }

    fn text(&self, style: Style) -> String {
        let level = match self.level {
            Level::Ok => style.good("ok     "),
            Level::Note => style.warning("note   "),
            Level::Problem => style.bad("problem"),
        };
        let remedy = self.remedy.iter().map(|remedy| format!("         {}\n", style.faint(&one_line(remedy))));
        format!("{level}  {}: {}\n{}", one_line(&self.about), one_line(&self.finding), remedy.collect::<String>())
    }
}

pub(crate) fn run(place: &Place, doctor: &Doctor) -> Result<ExitCode> {
    let channel: Option<Channel> = doctor.channel.as_deref().map(str::parse).transpose()?;
    let directory = used_directory(place);
    let mut findings = Vec::new();
    findings.extend(directory::look(place, &directory));
    findings.extend(machine::look(&directory));
    match channel {
        Some(channel) => findings.extend(held::look(place, &channel, doctor.timeout)),
        None => findings.extend(listeners::look(place, doctor.timeout)),
    }
    let style = Style::of(&std::io::stdout());
    let show = |finding: &Finding| if doctor.json { to_json(finding) + "\n" } else { finding.text(style) };
    output::write(findings.iter().map(show).collect::<String>().as_bytes())?;
    let is_problem = findings.iter().any(|finding| finding.level == Level::Problem);
    Ok(if is_problem { ExitCode::from(UNEXPECTED_STATUS) } else { ExitCode::SUCCESS })
}

/// The directory that channels are looked for in, and by what it was chosen.
struct UsedDirectory {
    path: PathBuf,
    chosen_by: &'static str,
}

fn used_directory(place: &Place) -> UsedDirectory {
    let set = std::env::var_os(simple_ipc::DIRECTORY_VARIABLE).filter(|value| !value.is_empty());
    match (&place.dir, set) {
        (Some(directory), _) => UsedDirectory { path: directory.clone(), chosen_by: "--dir" },
        (None, Some(directory)) => UsedDirectory { path: directory.into(), chosen_by: simple_ipc::DIRECTORY_VARIABLE },
        (None, None) => UsedDirectory { path: simple_ipc::default_directory(), chosen_by: "the default" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_a_line_and_its_remedy_another() {
        let style = Style::of(&std::fs::File::open("Cargo.toml").unwrap());
        assert_eq!(Finding::ok("x", "fine").text(style), "ok       x: fine\n");
        let problem = Finding::problem("a\nb", "bad", "mend it");
        assert_eq!(problem.text(style), "problem  a\\nb: bad\n         mend it\n");
        let json = r#"{"level":"problem","about":"a\nb","finding":"bad","remedy":"mend it"}"#;
        assert_eq!(to_json(&problem), json);
    }
}
