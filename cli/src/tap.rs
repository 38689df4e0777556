//! `simple-ipc tap`: what passes at a live listener, a line for each message.

use std::process::ExitCode;

use serde::Serialize;
use simple_ipc::{Passed, Result, blocking};

use crate::arguments::{Place, Tap};
use crate::channels::since;
use crate::output::{self, Reader};
use crate::post::reachable_channel;
use crate::progress::Shown;
use crate::report::{Reporter, VerbKind, one_line, say, to_json};
use crate::style::Style;
use crate::{closed_output, json, signals};

/// How many characters of a body a line shows.
const SHOWN: usize = 200;

pub(crate) fn run(place: &Place, tap: Tap) -> Result<ExitCode> {
    let channel = reachable_channel("look on at", &tap.at.channel)?;
    closed_output::check("what passes")?;
    let reporter = Reporter::new(tap.json, VerbKind::Tap);
    let options = tap.largest.apply(place.options());
    let options = tap.reach.apply(options, tap.timeout).reconnect(tap.reconnect.0);
    let options = match tap.queue {
        Some(queue) => options.queue(queue.0),
        None => options,
    };
    let name = one_line(&channel.to_string());
    let waiting = Shown::waiting(format!("waiting for {name}"), tap.json || tap.quiet);
    let passing = blocking::tap(&channel, &options);
    drop(waiting);
    let passing = passing?;
    let closer = passing.closer();
    signals::watch(move || closer.close(), || {})?;
    let closer = passing.closer();
    // Not only at the next message, which may never come.
    output::watch(move || closer.close())?;
    if !tap.quiet {
        say(&format!("looking on at {name}"));
    }
    let style = Style::of(&std::io::stdout());
    let mut left = tap.count;
    for passed in passing {
        let passed = passed?;
        if passed.missed != 0 && !tap.json {
            reporter.note(&missed(passed.missed));
        }
        let line = if tap.json { record(&passed) } else { line(&passed, tap.whole, style) };
        left = left.map(|left| left - 1);
        if output::line(line)? == Reader::Gone || left == Some(0) {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What is said before something that others were missed before.
fn missed(count: i64) -> String {
    match count {
        -1 => "the listener was replaced; something may have been missed before this".to_owned(),
        count => format!("{count} of what passed were missed before this: they came faster than they were read"),
    }
}

/// For people: when, which call, what it is, its time or its caller, and the body.
fn line(passed: &Passed, whole: bool, style: Style) -> String {
    let Passed { what, call, at_ms, took_us, pid, message, .. } = passed;
    let at = since(*at_ms);
    let time = at.split_once('T').map_or(at.as_str(), |(_, time)| time.trim_end_matches('Z'));
    let who = match (took_us, pid) {
        (Some(took), _) => format!("{:.3} ms", *took as f64 / 1000.0),
        (None, Some(pid)) => format!("pid {pid}"),
        (None, None) => String::new(),
    };
    let padded = format!("{:<11}", one_line(what));
    let what = match what.as_str() {
        "error" | "unanswered" => style.bad(&padded),
        "response" | "end" => style.good(&padded),
        _ => padded,
    };
    let body = if what.trim_end() == "end" { String::new() } else { shown(&json::line(message), whole) };
    format!("{}  #{call:<6} {what}  {who:<14}  {body}", style.faint(time)).trim_end().to_owned()
}

fn shown(body: &str, whole: bool) -> String {
    if whole || body.chars().nth(SHOWN).is_none() {
        return one_line(body);
    }
    let begin: String = body.chars().take(SHOWN).collect();
    format!("{}… ({} bytes)", one_line(&begin), body.len())
}

/// What has passed, as `--json` shows it.
#[derive(Serialize)]
struct Record<'a> {
    what: &'a str,
    call: u64,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    took_us: Option<u64>,
    peer: Peer<'a>,
    missed: i64,
    #[serde(flatten)]
    body: json::Body,
}

#[derive(Serialize)]
struct Peer<'a> {
    pid: Option<i32>,
    user: Option<&'a str>,
}

fn record(passed: &Passed) -> String {
    let Passed { what, call, at_ms, took_us, pid, user, message, missed, .. } = passed;
    let peer = Peer { pid: *pid, user: user.as_deref() };
    let (at, body) = (since(*at_ms), json::body_as_it_is(message));
    to_json(&Record { what, call: *call, at, took_us: *took_us, peer, missed: *missed, body })
}
