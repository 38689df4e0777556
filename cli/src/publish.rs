//! `simple-ipc publish`: an event for each line of standard input.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use simple_ipc::blocking::Listener;
use simple_ipc::{Channel, Error, ErrorKind, Message, Result};

use crate::arguments::{Place, Publish};
use crate::input::{Input, Source};
use crate::line_messages::LineMessages;
use crate::post::TakenAs;
use crate::report::{Reporter, VerbKind, say_ready};
use crate::signals;

/// How often it is looked whether enough have subscribed.
const LOOK: Duration = Duration::from_millis(10);

pub(crate) fn run(place: &Place, publish: Publish) -> Result<ExitCode> {
    let channel: Channel = publish.channel.parse()?;
    let (ends, ended) = mpsc::channel();
    let on_first = {
        let ends = ends.clone();
        move || drop(ends.send(Ok(())))
    };
    // Before the listener is there, so that no signal can leave its files behind.
    signals::watch(on_first, || {})?;
    let options = publish.trust.apply(publish.bounds.apply(publish.largest.apply(place.options())));
    let listener = Arc::new(Listener::serve_publish(&channel, &publish.publishing.apply(options))?);
    if !publish.quiet {
        say_ready(&listener);
    }
    let taken = TakenAs { bytes: publish.bytes, text: publish.text, strict: publish.strict };
    let messages = LineMessages::new(taken, Reporter::new(publish.json, VerbKind::Listen));
    let lines = Lines { publish, messages };
    let publisher = Arc::clone(&listener);
    // In a thread of its own, so that Ctrl-C need not wait for a line that may never come.
    let spawned = thread::Builder::new().name("input".to_owned()).spawn(move || {
        let result = lines.run(&publisher);
        drop(publisher);
        let _ = ends.send(result);
    });
    spawned.map_err(|error| Error::from_os("cannot start a thread", error))?;
    let published = ended.recv().unwrap_or(Ok(()));
    let closed = listener.close();
    published.and(closed).map(|()| ExitCode::SUCCESS)
}

/// The lines on their way to the subscribers.
struct Lines {
    publish: Publish,
    messages: LineMessages,
}

impl Lines {
    fn run(mut self, publisher: &Listener) -> Result<()> {
        while publisher.counters().subscribers < self.publish.wait_for {
            thread::sleep(LOOK);
        }
        let mut input = Input::new(Source::Stdin, self.publish.largest.bytes());
        loop {
            while let Some(line) = input.lines.line()? {
                match self.event(input.lines.number, line)? {
                    Some(message) => drop(publisher.publish_message(&self.publish.topic, &message)?),
                    None => continue,
                }
            }
            if input.lines.ended {
                return Ok(());
            }
            input.read()?;
        }
    }

    /// The event that a line stands for; none where there is only white space.
    fn event(&mut self, number: u64, line: Vec<u8>) -> Result<Option<Message>> {
        let publish = &self.publish;
        if publish.bytes {
            return Ok(Some(Message::bytes(line)));
        }
        if self.messages.passes_over(&line) {
            return Ok(None);
        }
        let what = format!("line {number}");
        let text = String::from_utf8(line).map_err(|error| {
            let message = format!("cannot publish {what} as JSON: it is not UTF-8; use --bytes to publish it as it is");
            Error::new(ErrorKind::InvalidJson, message).with_source(error)
        })?;
        self.messages.message(&text, number, &what).map(Some)
    }
}
