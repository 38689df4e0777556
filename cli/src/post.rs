//! `simple-ipc post`: one message, and its reply.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use simple_ipc::{Channel, Error, ErrorKind, Message, MessageKind, Result, blocking};

use crate::arguments::{Place, Post};
use crate::json;
use crate::progress::Shown;
use crate::report::{Reporter, VerbKind, one_line, to_json};
use crate::{closed_output, lines, output};

pub(crate) fn run(place: &Place, post: Post) -> Result<ExitCode> {
    let channel = reachable_channel("post to", &post.at.channel)?;
    if !post.broadcast {
        closed_output::check("the reply")?;
    }
    let options = post.shared.apply(post.largest.apply(place.options())).wire(post.wire.into());
    let options = post.reach.apply(options, post.timeout);
    let reporter = Reporter::new(post.json, VerbKind::Post);
    if post.lines {
        return lines::run(&channel, &post, &options, reporter);
    }
    let taken = TakenAs { bytes: post.bytes, text: post.text, strict: post.strict };
    if is_input(post.attach.as_deref().map(Path::as_os_str)) && is_input(post.data.as_deref()) {
        let text = "cannot read both DATA and the bytes beside it from standard input; give one of them otherwise";
        return Err(Error::new(ErrorKind::InvalidArgument, text));
    }
    let message = message(post.data.as_deref(), taken, reporter)?;
    let message = match post.attach.as_deref() {
        Some(file) => attach(&message, file)?,
        None => message,
    };
    if post.broadcast {
        blocking::post_broadcast(&channel, &message, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    let waiting = Shown::waiting(format!("waiting for {}", one_line(&channel.to_string())), post.json);
    let reply = blocking::post_request(&channel, &message, &options);
    drop(waiting);
    let reply = reply?;
    show(&reply, post.json)?;
    Ok(ExitCode::SUCCESS)
}

/// The same JSON with the bytes of a file beside it.
fn attach(message: &Message, file: &Path) -> Result<Message> {
    let bytes = if is_input(Some(file.as_os_str())) {
        input()?
    } else {
        std::fs::read(file).map_err(|error| Error::from_os(format!("cannot read {}", file.display()), error))?
    };
    let json = std::str::from_utf8(message.data()).expect("it was made of text");
    Message::attached_unchecked(json, bytes)
}

/// Whether an argument stands for standard input.
fn is_input(argument: Option<&OsStr>) -> bool {
    argument.is_some_and(|argument| argument == "-")
}

/// All of standard input.
fn input() -> Result<Vec<u8>> {
    let mut input = Vec::new();
    let read = io::stdin().lock().read_to_end(&mut input);
    read.map_err(|error| Error::from_os("cannot read standard input", error))?;
    Ok(input)
}

/// The channel, for a verb that needs somebody at the other end.
pub(crate) fn reachable_channel(attempt: &str, text: &str) -> Result<Channel> {
    let channel: Channel = text.parse()?;
    if channel.port() == Some(0) {
        let message =
            format!("cannot {attempt} port 0: it is for listening only; use the port that the listener prints");
        return Err(Error::new(ErrorKind::InvalidPort, message));
    }
    Ok(channel)
}

/// What is made of a text that the user gives, unless it is JSON where it is JSON, else a string.
#[derive(Clone, Copy)]
pub(crate) struct TakenAs {
    pub(crate) bytes: bool,
    /// A string, in any case.
    pub(crate) text: bool,
    /// What is not JSON is refused.
    pub(crate) strict: bool,
}

/// The message that the arguments stand for.
pub(crate) fn message(data: Option<&OsStr>, taken: TakenAs, reporter: Reporter) -> Result<Message> {
    let Some(data) = data else {
        return Ok(Message::null());
    };
    let from_input = is_input(Some(data));
    let data = if from_input { input()? } else { data.as_encoded_bytes().to_vec() };
    if taken.bytes {
        return Ok(Message::bytes(data));
    }
    let what = if from_input { "standard input" } else { "DATA" };
    let mut text = text(data, what)?;
    if from_input {
        refuse_nothing(&text, taken.text)?;
        // `echo hello | simple-ipc post x -` means hello.
        if text.ends_with('\n') && (taken.text || !json::message_from_text(&text).1) {
            text.pop();
        }
    }
    let (message, is_json) = message_of(&text, what, taken.text, taken.strict)?;
    if !is_json && !taken.text {
        reporter.note(&json::string_note(what, &text));
    }
    Ok(message)
}

/// UTF-8, in which JSON and strings are.
pub(crate) fn text(data: Vec<u8>, what: &str) -> Result<String> {
    String::from_utf8(data).map_err(|error| {
        let message = format!("cannot send {what} as JSON: it is not UTF-8; use --bytes to send it as it is");
        Error::new(ErrorKind::InvalidJson, message).with_source(error)
    })
}

/// The message that a text stands for, and whether the text was taken as JSON.
pub(crate) fn message_of(text: &str, what: &str, as_text: bool, strict: bool) -> Result<(Message, bool)> {
    if as_text {
        return Ok((Message::text(text), false));
    }
    if strict && let Err(error) = Message::json_text(text) {
        let message =
            format!("cannot send {what}: {}; correct it, or use --text to send it as a string", error.message());
        return Err(Error::new(ErrorKind::InvalidJson, message).with_source(error));
    }
    Ok(json::message_from_text(text))
}

/// An empty input is more often a program that failed than a message.
fn refuse_nothing(text: &str, as_text: bool) -> Result<()> {
    let nothing = if as_text { text.is_empty() } else { text.trim().is_empty() };
    if nothing {
        let message =
            "cannot send standard input: it is empty; leave DATA out to send null, or use --bytes to send no bytes";
        return Err(Error::new(ErrorKind::InvalidJson, message));
    }
    Ok(())
}

/// The reply on standard output. Whoever reads it may leave early.
fn show(reply: &Message, as_json: bool) -> Result<()> {
    if as_json {
        output::line(to_json(&json::body(reply)))?;
    } else if reply.kind() == MessageKind::Bytes {
        output::write(reply.data())?;
    } else {
        output::line(json::line(reply))?;
    }
    Ok(())
}
