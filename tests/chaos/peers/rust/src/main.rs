//! The Rust peer of the chaos and soak runs; `tests/chaos/README.md` says what it does and writes.
//!
//! On Unix sockets, or on the two ports in `$PORTS`: `0,0` are ports that the system picks.
//!
//! `peer listen JOURNAL`, `peer post JOURNAL NAME STOP`, which rests for `$PAUSE_MS` after each round

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use simple_ipc::blocking::{Client, Listener, post_broadcast, post_request};
use simple_ipc::{Channel, Error, Message, Mode, Options, Responder};

/// Any error: the peer ends with it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

const PATIENCE: Duration = Duration::from_secs(30);
const PADDING: usize = 200_000;
const BATCH: u64 = 16;

/// An append-only file, one write a line: a killed process either did it or did not.
struct Journal(File);

impl Journal {
    fn note(&self, line: &str) {
        let now = clock_gettime(ClockId::Monotonic);
        let nanoseconds = now.tv_sec * 1_000_000_000 + now.tv_nsec;
        let whole = format!("{nanoseconds} {line}\n");
        let written = (&self.0).write(whole.as_bytes()).expect("the journal can be written");
        assert_eq!(written, whole.len(), "a line of the journal is written whole");
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let journal = |path| OpenOptions::new().append(true).create(true).open(path).map(Journal);
    match arguments[..] {
        ["listen", path] => listen(&Arc::new(journal(path)?)),
        ["post", path, name, stop] => Poster::new(journal(path)?, name)?.post(Path::new(stop)),
        _ => Err("usage: peer listen JOURNAL | peer post JOURNAL NAME STOP".into()),
    }
}

/// The first three words of a message: what kind, whose, which number.
fn head_of(text: &str) -> &str {
    text.match_indices(' ').nth(2).map_or(text, |(end, _)| &text[..end])
}

fn listen(journal: &Arc<Journal>) -> Result<(), Failure> {
    let serve = |channel: &Channel, mode: Mode| {
        let journal = Arc::clone(journal);
        Listener::serve(channel, mode, &Options::new(), move |message: &Message, responder: Responder| {
            let text: String = message.decode().expect("every message is a text");
            journal.note(&format!("handled {}", head_of(&text)));
            // Whoever has gone needs no answer; one to a broadcast is not sent.
            responder.respond(&Message::text(head_of(&text))).ok();
        })
    };
    let (requests, broadcasts) = channels()?;
    let requests = serve(&requests, Mode::Request)?;
    let broadcasts = serve(&broadcasts, Mode::Broadcast)?;
    journal.note("ready");
    let port = |listener: &Listener| listener.port().unwrap_or_default();
    let mut output = std::io::stdout();
    writeln!(output, "ready {},{}", port(&requests), port(&broadcasts)).and_then(|()| output.flush())?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    requests.close()?;
    broadcasts.close()?;
    journal.note("closed");
    Ok(())
}

/// Of requests and of broadcasts.
fn channels() -> Result<(Channel, Channel), Failure> {
    let Ok(ports) = std::env::var("PORTS") else {
        return Ok((Channel::uds("chaos_requests")?, Channel::uds("chaos_broadcasts")?));
    };
    let (requests, broadcasts) = ports.split_once(',').ok_or("PORTS is two numbers with a comma between them")?;
    Ok((Channel::ip(requests.parse()?)?, Channel::ip(broadcasts.parse()?)?))
}

struct Poster {
    journal: Journal,
    name: String,
    padding: String,
    waiting: Options,
    channels: (Channel, Channel),
    requests: Client,
    broadcasts: Client,
    streamed: u64,
}

impl Poster {
    fn new(journal: Journal, name: &str) -> Result<Poster, Failure> {
        let waiting = Options::new().wait(PATIENCE).timeout(PATIENCE);
        let channels = channels()?;
        Ok(Poster {
            journal,
            name: name.to_owned(),
            padding: "x".repeat(PADDING),
            requests: Client::connect(&channels.0, &waiting)?,
            broadcasts: Client::connect(&channels.1, &waiting)?,
            waiting,
            channels,
            streamed: 0,
        })
    }

    fn post(mut self, stop: &Path) -> Result<(), Failure> {
        let waiting = self.waiting.clone();
        let hasty = Options::new().timeout(PATIENCE);
        let brief = waiting.clone().timeout(Duration::from_millis(20));
        let (requests, broadcasts) = self.channels.clone();
        let ask =
            |text: &str, options: &Options| post_request(&requests, &Message::text(text), options)?.decode().map(Some);
        let tell = |text: &str, options: &Options| {
            post_broadcast(&broadcasts, &Message::text(text), options).map(|()| None::<String>)
        };
        let pause = std::env::var("PAUSE_MS").map_or(Ok(0), |text| text.parse())?;
        let mut number = 0;
        while !stop.exists() {
            number += 1;
            match number % 8 {
                0 => self.call('h', number, |text| ask(text, &hasty)),
                1 => self.call('r', number, |text| ask(text, &waiting)),
                2 => self.call('t', number, |text| ask(text, &brief)),
                3 | 6 => self.call('b', number, |text| tell(text, &waiting)),
                4 => self.call('g', number, |text| tell(text, &hasty)),
                5 => self.call('k', number, |text| self.requests.request(text).map(Some)),
                _ => {
                    self.stream();
                    std::thread::sleep(Duration::from_millis(pause));
                }
            }
        }
        self.journal.note("done");
        Ok(())
    }

    fn call(&self, kind: char, number: u64, post: impl FnOnce(&str) -> Result<Option<String>, Error>) {
        let head = format!("{kind} {} {number}", self.name);
        let large = number % 32 < 8 && number % 8 < 6 && (number / 32).is_multiple_of(2);
        let text = if large { format!("{head} {}", self.padding) } else { head.clone() };
        self.journal.note(&format!("try {kind} {number}"));
        match post(&text) {
            Ok(Some(reply)) if reply != head => self.journal.note(&format!("wrong {kind} {number} {reply}")),
            Ok(_) => self.journal.note(&format!("ok {kind} {number}")),
            Err(error) => self.note_error(kind, number, &error),
        }
    }

    fn note_error(&self, kind: char, number: u64, error: &Error) {
        let verb = if error.may_have_been_handled() { "may" } else { "not" };
        self.journal.note(&format!("{verb} {kind} {number} {} {error}", error.kind()));
    }

    /// A batch of one-way messages on the kept session, and the flush that confirms them.
    fn stream(&mut self) {
        let mut first = self.streamed + 1;
        for _ in 0..BATCH {
            self.streamed += 1;
            let number = self.streamed;
            self.journal.note(&format!("try s {number}"));
            match self.broadcasts.broadcast(format!("s {} {number}", self.name)) {
                Ok(()) => {}
                Err(error) if error.may_have_been_handled() => {
                    self.journal.note(&format!("lost s {first} {number} {error}"));
                    first = number + 1;
                }
                Err(error) => self.note_error('s', number, &error),
            }
        }
        let last = self.streamed;
        match self.broadcasts.flush() {
            Ok(()) => self.journal.note(&format!("flushed s {first} {last}")),
            Err(error) => self.journal.note(&format!("lost s {first} {last} {error}")),
        }
    }
}
