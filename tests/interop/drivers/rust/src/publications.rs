//! Publishing and subscribing: what both halves share.

pub(crate) mod tasks;
pub(crate) mod threads;

use std::time::Duration;

use simple_ipc::{Channel, Counters, Event, Options, Overflow, Result};

use crate::{Failure, say, say_error, values};

/// How long a publication waits for a subscriber that is to be waited for.
const PATIENCE: Duration = Duration::from_secs(20);

fn publisher_options() -> Options {
    Options::new().retain(true).patience(PATIENCE)
}

/// What a publisher is told to do.
enum Publishing {
    Publish { topic: String, value: String },
    Flood { count: usize, size: usize },
    Counters,
}

/// The address and the rest of a publisher's command.
fn publishing(line: &str) -> std::result::Result<(String, Publishing), Failure> {
    let fields: Vec<&str> = line.split('\t').collect();
    Ok(match fields[..] {
        ["publish", address, topic, value] => {
            let topic = if topic == "-" { "" } else { topic };
            (address.to_owned(), Publishing::Publish { topic: topic.to_owned(), value: value.to_owned() })
        }
        ["flood", address, count, size] => {
            (address.to_owned(), Publishing::Flood { count: count.parse()?, size: size.parse()? })
        }
        ["counters", address] => (address.to_owned(), Publishing::Counters),
        _ => return Err(format!("unknown command {line}").into()),
    })
}

/// The event with this number of a flood.
fn flood_event(number: usize, size: usize) -> String {
    format!("{:x<size$}", format!("flood:{number}:"))
}

fn say_published(result: Result<usize>) {
    match result {
        Ok(queued) => say(&format!("ok\t{queued}")),
        Err(error) => say_error(&error),
    }
}

fn say_flooded(result: Result<()>) {
    match result {
        Ok(()) => say("ok"),
        Err(error) => say_error(&error),
    }
}

fn say_counters(counters: Counters) {
    let Counters { subscribers, published, dropped, too_slow, .. } = counters;
    say(&format!("ok\t{subscribers}\t{published}\t{dropped}\t{too_slow}"));
}

/// What a subscriber is told to do.
enum Subscribing {
    Subscribe { channel: Channel, options: Box<Options> },
    Next { timeout: Duration },
    Take { total: u64, pause: Duration },
    Close,
}

fn subscribing(line: &str) -> std::result::Result<Subscribing, Failure> {
    let fields: Vec<&str> = line.split('\t').collect();
    let milliseconds = |text: &str| text.parse().map(Duration::from_millis);
    Ok(match fields[..] {
        ["subscribe", address, timeout, overflow, queue, topics] => {
            let known = [Overflow::Fail, Overflow::DropOldest, Overflow::Block];
            let overflow = known.into_iter().find(|policy| policy.name() == overflow).ok_or("unknown overflow")?;
            let mut options = Options::new().timeout(milliseconds(timeout)?).overflow(overflow);
            if queue != "-" {
                options = options.queue(queue.parse()?);
            }
            if topics != "*" {
                options = options.topics(topics.split(','));
            }
            Subscribing::Subscribe { channel: address.parse()?, options: Box::new(options) }
        }
        ["next", timeout] => Subscribing::Next { timeout: milliseconds(timeout)? },
        ["take", total, pause] => {
            Subscribing::Take { total: total.parse()?, pause: Duration::from_micros(pause.parse()?) }
        }
        ["close"] => Subscribing::Close,
        _ => return Err(format!("unknown command {line}").into()),
    })
}

fn say_event(event: &Event) {
    let topic = if event.topic.is_empty() { "-" } else { &event.topic };
    let (missed, retained) = (event.missed, u8::from(event.retained));
    say(&format!("ok\t{missed}\t{retained}\t{topic}\t{}", values::describe(&event.data)));
}

fn say_next(event: Result<Option<Event>>) {
    match event {
        Ok(Some(event)) => say_event(&event),
        Ok(None) => say("ok\tend"),
        Err(error) => say_error(&error),
    }
}

/// What has been taken of a flood.
#[derive(Default)]
struct Taken {
    delivered: u64,
    missed: u64,
    last: Option<usize>,
    is_disordered: bool,
}

impl Taken {
    fn take(&mut self, event: &Event) {
        self.delivered += 1;
        self.missed += u64::try_from(event.missed).unwrap_or(0);
        let text = event.data.as_text().unwrap_or_default();
        let number = text.split(':').nth(1).and_then(|number| number.parse().ok());
        // A gap of so many as were told, no more and no fewer.
        let due = self.last.map_or(0, |last| last + 1) + usize::try_from(event.missed).unwrap_or(0);
        self.is_disordered |= number != Some(due);
        self.last = number;
    }

    fn is_complete(&self, total: u64) -> bool {
        self.delivered + self.missed >= total
    }

    fn say(&self) {
        say(&format!("ok\t{}\t{}\t{}", self.delivered, self.missed, u8::from(!self.is_disordered)));
    }
}
