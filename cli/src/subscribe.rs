//! `simple-ipc subscribe`: a line for each event.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use simple_ipc::event_loop::Subscription;
use simple_ipc::{Event, Result};

use crate::arguments::{Place, Subscribe};
use crate::output::{self, Reader};
use crate::post::reachable_channel;
use crate::progress::Shown;
use crate::report::{Reporter, VerbKind, one_line, say, to_json};
use crate::{closed_output, json, signals};

pub(crate) fn run(place: &Place, subscribe: Subscribe) -> Result<ExitCode> {
    let channel = reachable_channel("subscribe to", &subscribe.at.channel)?;
    closed_output::check("the events")?;
    let reporter = Reporter::new(subscribe.json, VerbKind::Subscribe);
    let options = subscribe.largest.apply(place.options()).overflow(subscribe.overflow.into());
    let options = subscribe.reach.apply(options, subscribe.timeout).reconnect(subscribe.reconnect.0);
    let options = if subscribe.topic.is_empty() { options } else { options.topics(subscribe.topic) };
    let options = match subscribe.queue {
        Some(queue) => options.queue(queue.0),
        None => options,
    };
    let events = Arc::new(Subscription::begin(&channel, &options)?);
    let closing = Arc::clone(&events);
    signals::watch(move || closing.close(), || {})?;
    let closing = Arc::clone(&events);
    // Not only at the next event, which may never come.
    output::watch(move || closing.close())?;
    let waiting =
        Shown::waiting(format!("waiting for {}", one_line(&channel.to_string())), subscribe.json || subscribe.quiet);
    while !events.is_subscribed()? {
        events.wait(None)?;
    }
    drop(waiting);
    if !subscribe.quiet {
        say(&format!("subscribed to {}", one_line(&channel.to_string())));
    }
    let mut left = subscribe.count;
    while left != Some(0) {
        let Some(event) = events.next(None)? else { break };
        if event.missed != 0 && !subscribe.json {
            reporter.note(&missed(event.missed));
        }
        let line = if subscribe.json { record(&event) } else { json::line(&event.data) };
        if output::line(line)? == Reader::Gone {
            break;
        }
        left = left.map(|left| left - 1);
    }
    events.close();
    Ok(ExitCode::SUCCESS)
}

/// What is said before an event that others were missed before.
fn missed(count: i64) -> String {
    match count {
        -1 => "the publisher was replaced; events may have been missed before this one".to_owned(),
        1 => "an event was missed before this one".to_owned(),
        _ => format!("{count} events were missed before this one"),
    }
}

/// An event as `--json` shows it.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    data: json::Data,
    topic: &'a str,
    missed: i64,
    retained: bool,
}

fn record(event: &Event) -> String {
    let Event { topic, missed, retained, .. } = event;
    to_json(&Record { data: json::data(&event.data), topic, missed: *missed, retained: *retained })
}
