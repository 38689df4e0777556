//! `simple-ipc generate`: the man pages and the shell completions, from the same definitions that
//! the command line is read with.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};
use clap_mangen::Man;
use simple_ipc::{Error, Result};

use crate::arguments::Arguments;
use crate::completion;
use crate::report::EXIT_STATUS;

const PROGRAM: &str = "simple-ipc";

/// The heading under which the examples stand in a verb's `--help`.
const EXAMPLES: &str = "Examples:\n";

pub(crate) fn run(directory: &Path) -> Result<ExitCode> {
    let written = pages(directory).and_then(|()| completions(directory));
    written.map_err(|error| Error::from_os(format_args!("cannot write to {}", directory.display()), error))?;
    Ok(ExitCode::SUCCESS)
}

/// What has each shell ask the command itself: what it offers goes with the version that is installed, and with what lives now.
fn completions(directory: &Path) -> io::Result<()> {
    let shells: [(&dyn EnvCompleter, &str); 3] =
        [(&Bash, "simple-ipc.bash"), (&Zsh, "_simple-ipc"), (&Fish, "simple-ipc.fish")];
    for (shell, file) in shells {
        let mut text = Vec::new();
        shell.write_registration(completion::VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut text)?;
        fs::write(directory.join(file), text)?;
    }
    Ok(())
}

/// `simple-ipc.1` and one page for each verb that is not hidden.
fn pages(directory: &Path) -> io::Result<()> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    page(directory, &command, true)?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        page(directory, verb, false)?;
    }
    Ok(())
}

fn page(directory: &Path, command: &Command, top: bool) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let man = Man::new(command.clone()).source(concat!("simple-ipc ", env!("CARGO_PKG_VERSION"))).manual("Simple IPC");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    synopsis(&mut text, command)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if top {
        man.render_subcommands_section(&mut text)?;
    }
    exit_status(&mut text)?;
    environment(&mut text)?;
    let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    if let Some((_, examples)) = help.split_once(EXAMPLES) {
        literal(&mut text, "EXAMPLES", examples)?;
    }
    see_also(&mut text, top)?;
    fs::write(directory.join(format!("{name}.1")), text)
}

/// The usage lines of `--help`, which show the values of options as well.
fn synopsis(text: &mut Vec<u8>, command: &Command) -> io::Result<()> {
    let usage = command.clone().render_usage().to_string();
    literal(text, "SYNOPSIS", usage.trim_start_matches("Usage:"))
}

fn exit_status(text: &mut Vec<u8>) -> io::Result<()> {
    writeln!(text, ".SH \"EXIT STATUS\"")?;
    for (status, meaning) in EXIT_STATUS {
        writeln!(text, ".TP\n\\fB{status}\\fR\n{}", escaped(meaning))?;
    }
    Ok(())
}

fn environment(text: &mut Vec<u8>) -> io::Result<()> {
    let meaning = "The directory of the sockets where --dir is not given. Without both it is /tmp.";
    writeln!(text, ".SH ENVIRONMENT\n.TP\n\\fB{}\\fR\n{}", simple_ipc::DIRECTORY_VARIABLE, escaped(meaning))
}

fn see_also(text: &mut Vec<u8>, top: bool) -> io::Result<()> {
    writeln!(text, ".SH \"SEE ALSO\"")?;
    if top {
        let pages: Vec<String> = Arguments::command()
            .get_subcommands()
            .filter(|verb| !verb.is_hide_set())
            .map(|verb| format!("\\fBsimple\\-ipc\\-{}\\fR(1)", verb.get_name()))
            .collect();
        writeln!(text, "{}", pages.join(", "))
    } else {
        writeln!(text, "\\fBsimple\\-ipc\\fR(1)")
    }
}

/// Lines as they stand, in a section of their own.
fn literal(text: &mut Vec<u8>, heading: &str, lines: &str) -> io::Result<()> {
    writeln!(text, ".SH {heading}\n.nf")?;
    for line in lines.trim().lines() {
        writeln!(text, "{}", escaped(line.trim_start()))?;
    }
    writeln!(text, ".fi")
}

/// Text as roff takes it for itself: no line starts a request, a dash stays a dash to be copied.
fn escaped(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_a_roff_request() {
        assert_eq!(escaped(".TH a\\b-c 'd'"), "\\&.TH a\\eb\\-c \\(aqd\\(aq");
    }
}
