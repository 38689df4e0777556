//! `simple-ipc post`: one message, and its reply.

use std::ffi::OsString;
use std::io::{self, Read};
use std::process::ExitCode;

use simple_ipc::{Channel, Error, ErrorKind, Message, MessageKind, Result, blocking};

use crate::arguments::{Place, Post};
use crate::json;
use crate::output;
use crate::report::{Reporter, to_json};

pub(crate) fn run(place: &Place, post: Post) -> Result<ExitCode> {
    let channel = reachable_channel("post to", &post.channel)?;
    let mut options = post.timeout.apply(place.options()).wire(post.wire.into());
    if let Some(wait) = post.wait {
        options = options.wait(wait);
    }
    let message = message(post.data, post.bytes, Reporter::new(post.json))?;
    if post.broadcast {
        blocking::post_broadcast(&channel, &message, &options)?;
        return Ok(ExitCode::SUCCESS);
    }
    let reply = blocking::post_request(&channel, &message, &options)?;
    show(reply, post.json)?;
    Ok(ExitCode::SUCCESS)
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

/// The message that the arguments stand for.
fn message(data: Option<OsString>, bytes: bool, reporter: Reporter) -> Result<Message> {
    let Some(data) = data else {
        return Ok(Message::null());
    };
    let from_input = data == "-";
    let data = if from_input {
        let mut input = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut input);
        read.map_err(|error| Error::from_os("cannot read standard input", error))?;
        input
    } else {
        data.into_encoded_bytes()
    };
    if bytes {
        return Ok(Message::bytes(data));
    }
    let what = if from_input { "standard input" } else { "DATA" };
    let text = String::from_utf8(data).map_err(|error| {
        let message = format!("cannot send {what} as JSON: it is not UTF-8; use --bytes to send it as it is");
        Error::new(ErrorKind::InvalidJson, message).with_source(error)
    })?;
    let (mut message, is_json) = json::message_from_text(&text);
    if !is_json {
        // `echo hello | simple-ipc post x -` means hello.
        let text = if from_input { text.strip_suffix('\n').unwrap_or(&text) } else { &text };
        message = Message::text(text);
        reporter.note(&json::string_note(what, text));
    }
    Ok(message)
}

/// The reply on standard output. Whoever reads it may leave early.
fn show(reply: Message, as_json: bool) -> Result<()> {
    if as_json {
        output::line(to_json(&json::body(&reply)))?;
    } else if reply.kind() == MessageKind::Bytes {
        output::write(reply.data())?;
    } else {
        output::line(json::line(&reply))?;
    }
    Ok(())
}
