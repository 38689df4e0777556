//! The Rust driver of the interop matrix; `tests/interop/README.md` says what it reads and prints.
//!
//! `driver (blocking|async) (listen PREFIX|post|publish PREFIX|subscribe|streams PREFIX|stream)`

mod publications;
mod streams;
mod tasks;
mod threads;
mod values;

use std::io::Write;
use std::time::Duration;

use simple_ipc::{Channel, Error, Message, Options};

/// Any error: the driver ends with it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["blocking", "listen", prefix] => threads::listen(prefix),
        ["blocking", "post"] => threads::post(),
        ["blocking", "publish", prefix] => publications::threads::publish(prefix),
        ["blocking", "subscribe"] => publications::threads::subscribe(),
        ["blocking", "streams", prefix] => streams::threads::listen(prefix),
        ["blocking", "stream"] => streams::threads::call(),
        ["async", "listen", prefix] => tasks::run(tasks::listen(prefix)),
        ["async", "post"] => tasks::run(tasks::post()),
        ["async", "publish", prefix] => tasks::run(publications::tasks::publish(prefix)),
        ["async", "subscribe"] => tasks::run(publications::tasks::subscribe()),
        ["async", "streams", prefix] => tasks::run(streams::tasks::listen(prefix)),
        ["async", "stream"] => tasks::run(streams::tasks::call()),
        _ => {
            Err("usage: driver (blocking|async) (listen PREFIX|post|publish PREFIX|subscribe|streams PREFIX|stream)"
                .into())
        }
    }
}

/// Prints one line, whole.
fn say(line: &str) {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).expect("the runner reads standard output");
}

fn say_result(result: Result<Option<Message>, Error>) {
    match result {
        Ok(Some(reply)) => say(&format!("ok\t{}", values::describe(&reply))),
        Ok(None) => say("ok"),
        Err(error) => say_error(&error),
    }
}

fn say_error(error: &Error) {
    let maybe = if error.may_have_been_handled() { "maybe" } else { "no" };
    say(&format!("error\t{}\t{maybe}\t{error}", error.kind()));
}

/// What a message asks its handler to do.
enum Order {
    Fail(String),
    Wait(String),
    Meet(usize),
    Echo,
}

fn order(message: &Message) -> Order {
    let text = message.as_text().unwrap_or_default();
    if let Some(text) = text.strip_prefix("do:fail:") {
        return Order::Fail(text.to_owned());
    }
    if let Some(id) = text.strip_prefix("do:wait:") {
        return Order::Wait(id.to_owned());
    }
    match text.strip_prefix("do:meet:").and_then(|rest| rest.split(':').next()) {
        Some(guests) => Order::Meet(guests.parse().expect("do:meet has a number")),
        None => Order::Echo,
    }
}

/// A command to a poster.
struct Command {
    verb: String,
    channel: Channel,
    options: Options,
    value: String,
    count: usize,
}

impl Command {
    fn parse(line: &str) -> Result<Command, Failure> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [verb, address, timeout, value, ref more @ ..] = fields[..] else {
            return Err("a command has a verb, an address, a timeout and a value".into());
        };
        Ok(Command {
            verb: verb.to_owned(),
            channel: address.parse()?,
            options: Options::new().timeout(Duration::from_millis(timeout.parse()?)),
            value: value.to_owned(),
            count: more.first().map_or(Ok(0), |count| count.parse())?,
        })
    }
}

fn say_many(wrong: Option<String>) {
    match wrong {
        None => say("ok"),
        Some(why) => say(&format!("error\tother\tmaybe\t{why}")),
    }
}

/// Why one of many answers is not what was sent.
fn wrong_answer(sent: &str, got: Result<Message, Error>) -> Option<String> {
    match got {
        Ok(reply) if reply.as_text().as_deref() == Some(sent) => None,
        Ok(_) => Some("got another answer".to_owned()),
        Err(error) => Some(error.to_string()),
    }
}
