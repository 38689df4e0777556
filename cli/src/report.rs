//! What is said on standard error, and the exit status that goes with it.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::value::RawValue;
use simple_ipc::blocking::Listener;
use simple_ipc::{Error, ErrorKind};

use crate::json::compact;
use crate::progress::before_a_line;

/// Every exit status and what it means: the one source for `--help`, the man page and the program.
pub(crate) const EXIT_STATUS: [(u8, &str); 7] = [
    (0, "all went well; for listen also: ended by Ctrl-C or SIGTERM"),
    (1, "unexpected; for ping also: no reply came back; for doctor also: a problem was found"),
    (2, "the command line, a channel's name, a port or a body makes no sense"),
    (3, "the channel: nobody listens, already in use, no permission"),
    (4, "the peer or the message: timed out, connection lost, handler failed, too large"),
    (5, "the wire: what arrived does not follow the protocol"),
    (6, "this machine: the operating system reported an error, or something ran out"),
];

/// No reply came back: the status that ping(8) ends with.
pub(crate) const NO_REPLY_STATUS: u8 = 1;

/// Something that no error kind stands for.
pub(crate) const UNEXPECTED_STATUS: u8 = 1;

/// The table of exit statuses as `--help` shows it.
pub(crate) fn exit_status_text() -> String {
    let lines: Vec<String> = EXIT_STATUS.iter().map(|(status, meaning)| format!("  {status}  {meaning}")).collect();
    format!("Exit status:\n{}", lines.join("\n"))
}

/// The exit status of an error of this kind: by its group.
pub(crate) fn exit_status(kind: ErrorKind) -> u8 {
    match kind.code() / 100 {
        1 => 2,
        2 => 3,
        3 => 4,
        4 => 5,
        5 => 6,
        _ => UNEXPECTED_STATUS,
    }
}

/// Which verb is run: its options are what an error may advise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VerbKind {
    Listen,
    Post,
    Stream,
    Subscribe,
    Tap,
    Ping,
    Other,
}

/// The option of this verb that the advice of an error of this kind is about, if there is one.
fn option_for(kind: ErrorKind, verb: VerbKind) -> Option<&'static str> {
    let reaches = !matches!(verb, VerbKind::Listen | VerbKind::Other);
    match kind {
        ErrorKind::NotListening if reaches => Some("--wait"),
        ErrorKind::TimedOut if verb == VerbKind::Stream => Some("--timeout, --idle-timeout"),
        ErrorKind::TimedOut if reaches => Some("--timeout"),
        ErrorKind::PeerNotAllowed if reaches => Some("--allow-user"),
        ErrorKind::TooLarge
            if matches!(verb, VerbKind::Post | VerbKind::Stream | VerbKind::Subscribe | VerbKind::Tap) =>
        {
            Some("--max-message")
        }
        ErrorKind::TooSlow if verb == VerbKind::Subscribe => Some("--queue, --overflow"),
        ErrorKind::NoDirectory => Some("--dir"),
        _ => None,
    }
}

/// How a run speaks on standard error: lines for people, or JSON objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reporter {
    json: bool,
    verb: VerbKind,
}

/// An error as `--json` shows it.
#[derive(Serialize)]
pub(crate) struct ErrorRecord<'a> {
    code: i32,
    kind: &'a str,
    message: &'a str,
    may_have_been_handled: bool,
    /// The command's option that the advice is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    handler_data: Option<Box<RawValue>>,
}

impl<'a> ErrorRecord<'a> {
    pub(crate) fn new(error: &'a Error, verb: VerbKind) -> ErrorRecord<'a> {
        ErrorRecord {
            code: error.kind().code(),
            kind: error.kind().name(),
            message: error.message(),
            may_have_been_handled: error.may_have_been_handled(),
            option: option_for(error.kind(), verb),
            handler_code: error.handler_code(),
            handler_data: error.handler_data().and_then(|data| RawValue::from_string(compact(data)).ok()),
        }
    }
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    /// Of the input, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    error: ErrorRecord<'a>,
}

#[derive(Serialize)]
struct NoteLine<'a> {
    note: &'a str,
}

impl Reporter {
    pub(crate) fn new(json: bool, verb: VerbKind) -> Reporter {
        Reporter { json, verb }
    }

    /// Says why the command ends, and gives the exit status for it.
    pub(crate) fn error(self, error: &Error) -> ExitCode {
        say(&if self.json { self.error_object(error, None) } else { format!("simple-ipc: {}", self.text(error)) });
        ExitCode::from(exit_status(error.kind()))
    }

    /// An error as one line of JSON, with the number of the line of input that it is about.
    pub(crate) fn error_object(self, error: &Error, line: Option<u64>) -> String {
        to_json(&ErrorLine { line, error: ErrorRecord::new(error, self.verb) })
    }

    /// An error as one line for people, with the option that its advice is about.
    pub(crate) fn text(self, error: &Error) -> String {
        // The text is the handler's own and need not say that it is.
        let whose = match (error.kind(), error.handler_code()) {
            (ErrorKind::HandlerFailed, Some(code)) => format!("the handler failed ({}): ", one_line(code)),
            (ErrorKind::HandlerFailed, None) => "the handler failed: ".to_owned(),
            _ => String::new(),
        };
        let option = option_for(error.kind(), self.verb).map(|option| format!(" ({option})")).unwrap_or_default();
        format!("{whose}{}{option}", one_line(error.message()))
    }

    /// Whether errors and notes are objects.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Says something worth knowing that ends nothing.
    pub(crate) fn note(self, text: &str) {
        if self.json {
            say(&to_json(&NoteLine { note: text }));
        } else {
            say(&format!("simple-ipc: {}", one_line(text)));
        }
    }
}

/// One line on standard error. That nobody can read it is no reason to end.
pub(crate) fn say(line: &str) {
    let before = before_a_line();
    let _ = std::io::stderr().lock().write_all(format!("{before}{line}\n").as_bytes());
}

/// Says that a listener is ready, where, and which process it is.
pub(crate) fn say_ready(listener: &Listener) {
    let (channel, address) = (listener.channel().to_string(), listener.address());
    say(&format!("listening on {} ({}), pid {}", one_line(&channel), one_line(address), std::process::id()));
}

/// One line of JSON for a record of this program's own, which always has one.
pub(crate) fn to_json(record: &impl Serialize) -> String {
    serde_json::to_string(record).expect("a record of plain fields always becomes JSON")
}

/// Text from elsewhere as one line that cannot move the cursor: control characters are escaped.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_kind_has_the_status_of_its_group() {
        for &kind in ErrorKind::ALL {
            let status = exit_status(kind);
            assert!((2..=6).contains(&status), "{kind}");
            assert!(EXIT_STATUS.iter().any(|(listed, _)| *listed == status));
        }
        assert_eq!(exit_status(ErrorKind::NotListening), 3);
        assert_eq!(exit_status(ErrorKind::TimedOut), 4);
    }

    #[test]
    fn text_from_elsewhere_stays_on_one_line() {
        assert_eq!(one_line("a\nb\u{1b}[31mé"), "a\\nb\\u{1b}[31mé");
    }
}
