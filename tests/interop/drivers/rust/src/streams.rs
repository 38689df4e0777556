//! Streams: what both halves share.

pub(crate) mod tasks;
pub(crate) mod threads;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use simple_ipc::{Channel, Counters, Message, Options, Result};

use crate::{Failure, say, say_error, values};

/// The item with this number.
fn item(number: usize, size: usize) -> Message {
    let mut text = format!("item:{number}:");
    // A width in a format may not be that large.
    text.extend(std::iter::repeat_n('x', size.saturating_sub(text.len())));
    Message::text(&text)
}

/// The number of an item.
fn number_of(item: &Message) -> Option<usize> {
    let text = item.as_text()?;
    text.strip_prefix("item:")?.split(':').next()?.parse().ok()
}

/// What an opening asks its handler to do.
enum Order {
    Count { count: usize, size: usize },
    Fail { after: usize },
    Total,
    First { count: usize },
    Echo,
    Forever { size: usize },
    Silent,
    Stubborn,
    Unknown,
}

fn order(opening: &Message) -> Order {
    let opening: Value = opening.decode().unwrap_or_default();
    let number = |name: &str| opening[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    match opening["do"].as_str().unwrap_or_default() {
        "count" => Order::Count { count: number("n"), size: number("size") },
        "fail" => Order::Fail { after: number("n") },
        "total" => Order::Total,
        "first" => Order::First { count: number("n") },
        "echo" => Order::Echo,
        "forever" => Order::Forever { size: number("size") },
        "silent" => Order::Silent,
        "stubborn" => Order::Stubborn,
        _ => Order::Unknown,
    }
}

/// The sum that `total` answers with.
struct Total {
    items: usize,
    chars: usize,
    in_order: bool,
}

impl Total {
    fn new() -> Total {
        Total { items: 0, chars: 0, in_order: true }
    }

    fn add(&mut self, item: &Message) {
        self.in_order &= number_of(item) == Some(self.items);
        self.items += 1;
        self.chars += item.as_text().map_or(0, |text| text.chars().count());
    }

    fn message(&self) -> Message {
        let sum = json!({"items": self.items, "chars": self.chars, "in_order": self.in_order});
        Message::json(&sum).expect("a sum is JSON")
    }
}

/// How many handlers have cleaned up.
#[derive(Default)]
struct Cleaned(AtomicUsize);

impl Cleaned {
    /// Counts a handler when that is dropped.
    fn when_dropped(&self) -> impl Drop + '_ {
        struct Counts<'a>(&'a AtomicUsize);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        Counts(&self.0)
    }

    fn say(&self) {
        say(&format!("ok\t{}", self.0.load(Ordering::SeqCst)));
    }
}

fn say_counters(counters: Counters) {
    let Counters { in_flight, abandoned, streams, .. } = counters;
    say(&format!("ok\t{in_flight}\t{abandoned}\t{streams}"));
}

/// What a caller is told to do.
enum Calling {
    Open { channel: Channel, opening: Message },
    Next { timeout: Duration },
    Take { wanted: usize },
    Send { item: Message },
    Sends { count: usize, size: usize },
    End,
    Pump { count: usize, size: usize },
    Cancel,
    Leave,
    Close,
}

fn calling(line: &str) -> std::result::Result<Calling, Failure> {
    let fields: Vec<&str> = line.split('\t').collect();
    Ok(match fields[..] {
        ["open", address, opening] => {
            Calling::Open { channel: address.parse()?, opening: Message::json_text(opening)? }
        }
        ["next", timeout] => Calling::Next { timeout: Duration::from_millis(timeout.parse()?) },
        ["take", wanted] => Calling::Take { wanted: wanted.parse()? },
        ["send", value] => Calling::Send { item: values::build(value)? },
        ["sends", count, size] => Calling::Sends { count: count.parse()?, size: size.parse()? },
        ["end"] => Calling::End,
        ["pump", count, size] => Calling::Pump { count: count.parse()?, size: size.parse()? },
        ["cancel"] => Calling::Cancel,
        ["leave"] => Calling::Leave,
        ["close"] => Calling::Close,
        _ => return Err(format!("unknown command {line}").into()),
    })
}

fn options() -> Options {
    Options::new()
}

fn say_next(item: Result<Option<Message>>) {
    match item {
        Ok(Some(item)) => say(&format!("ok\t{}", values::describe(&item))),
        Ok(None) => say("ok\tend"),
        Err(error) => say_error(&error),
    }
}

fn say_done(done: Result<()>) {
    match done {
        Ok(()) => say("ok"),
        Err(error) => say_error(&error),
    }
}

/// What has been taken.
#[derive(Default)]
struct Taken {
    count: usize,
    is_disordered: bool,
}

impl Taken {
    fn take(&mut self, item: &Message) {
        self.is_disordered |= number_of(item) != Some(self.count);
        self.count += 1;
    }

    fn say(&self) {
        say(&format!("ok\t{}\t{}", self.count, u8::from(!self.is_disordered)));
    }
}
