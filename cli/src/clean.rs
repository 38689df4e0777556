//! `simple-ipc clean`: removes what dead listeners left, and says what.

use std::process::ExitCode;

use simple_ipc::{Removed, Result};

use crate::arguments::{Clean, Place};
use crate::output;
use crate::report::{one_line, to_json};

pub(crate) fn run(place: &Place, clean: &Clean) -> Result<ExitCode> {
    let removed = simple_ipc::clean(place.dir.as_deref())?;
    let line = |one: &Removed| if clean.json { to_json(one) } else { text(one) };
    let lines: String = removed.iter().map(|one| line(one) + "\n").collect();
    output::write(lines.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

fn text(removed: &Removed) -> String {
    let paths: Vec<String> = removed.paths.iter().map(|path| one_line(&path.to_string_lossy())).collect();
    format!("removed {}: {}", one_line(&removed.channel), paths.join(", "))
}
