//! `simple-ipc listen`: a listener for as long as somebody wants it.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, OnceLock, Weak};

use clap::CommandFactory;
use serde::Serialize;
use simple_ipc::blocking::Listener;
use simple_ipc::{Channel, Error, ErrorKind, Message, Mode, Peer, Responder, Result};

use crate::arguments::{Arguments, Listen, Place};
use crate::command::{Commands, Form};
use crate::json;
use crate::output::{self, Reader};
use crate::report::{Reporter, VerbKind, say_ready, to_json};
use crate::signals;

/// What ends a listener.
enum End {
    /// A signal, a reader of standard output that has left, or the one message of `--once`.
    Wanted,
    Failed(Error),
}

pub(crate) fn run(place: &Place, listen: Listen) -> Result<ExitCode> {
    let channel: Channel = listen.channel.parse()?;
    let reporter = Reporter::new(listen.json, VerbKind::Listen);
    let answer = answer(&listen, reporter);
    let mode = if listen.broadcast { Mode::Broadcast } else { Mode::Request };
    let (ends, ended) = mpsc::channel();

    // Before the listener is there, so that no signal can leave its files behind.
    let commands = match &answer {
        Answer::Exec(commands) | Answer::Stream(commands, _) => Some(Arc::clone(commands)),
        _ => None,
    };
    let on_second = {
        let commands = commands.clone();
        move || {
            if let Some(commands) = commands {
                commands.terminate();
            }
        }
    };
    let on_first = {
        let ends = ends.clone();
        move || drop(ends.send(End::Wanted))
    };
    signals::watch(on_first, on_second)?;
    if !listen.quiet {
        // Not only at the next message, which may never come.
        let ends = ends.clone();
        output::watch(move || drop(ends.send(End::Wanted)))?;
    }

    let desk = Arc::new(Desk {
        channel: OnceLock::new(),
        answer,
        reporter,
        json: listen.json,
        quiet: listen.quiet,
        once: listen.once,
        taken: AtomicBool::new(false),
        hub: listen.hub.publish.then(OnceLock::new),
        ends,
    });
    let options = listen.trust.apply(listen.bounds.apply(listen.shared.apply(listen.largest.apply(place.options()))));
    let options = listen.hub.publishing.apply(options).publish(listen.hub.publish).tap(listen.tap);
    // A failure is told below, with the channel; what the library itself warns of has no handler.
    let options = options.on_handler_failure(move |report| {
        if report.kind() != ErrorKind::HandlerFailed {
            reporter.note(&format!("{} (--max-in-flight)", report.message()));
        }
    });
    let listener = {
        let desk = Arc::clone(&desk);
        Arc::new(Listener::serve(&channel, mode, &options, move |message, responder| desk.take(message, responder))?)
    };
    if let Some(hub) = &desk.hub {
        hub.get_or_init(|| Arc::downgrade(&listener));
    }
    desk.channel.get_or_init(|| listener.channel().to_string());
    if !listen.quiet {
        say_ready(&listener);
    }

    let end = ended.recv().expect("the desk holds a sender until it ends");
    let closed = listener.close();
    // What the grace period did not suffice for has nobody to answer to any more.
    if let Some(commands) = commands {
        commands.terminate();
    }
    match end {
        End::Wanted => closed.map(|()| ExitCode::SUCCESS),
        End::Failed(error) => Err(error),
    }
}

/// How messages are answered.
enum Answer {
    Echo,
    Reply(Message),
    Exec(Arc<Commands>),
    /// Streams, with what a command prints.
    Stream(Arc<Commands>, Form),
    /// A broadcast listener needs no answer.
    Nothing,
}

fn answer(listen: &Listen, reporter: Reporter) -> Answer {
    if listen.echo {
        Answer::Echo
    } else if let Some(text) = &listen.reply {
        let (message, is_json) = json::message_from_text(text);
        // Text is as good a reply as any; what was meant to be JSON is worth a word.
        if !is_json && json::looks_broken(text) {
            reporter.note(&json::string_note("--reply", text));
        }
        Answer::Reply(message)
    } else if let Some(line) = &listen.exec {
        let commands = Arc::new(Commands::new(line.clone(), listen.largest.bytes()));
        match (listen.lines, listen.bytes) {
            (true, _) => Answer::Stream(commands, Form::Lines),
            (_, true) => Answer::Stream(commands, Form::Bytes),
            _ => Answer::Exec(commands),
        }
    } else if listen.broadcast {
        Answer::Nothing
    } else {
        let complaint = "a listener for requests needs --echo, --reply or --exec; for broadcasts use --broadcast";
        let mut command = Arguments::command();
        command.build();
        let listen = command.find_subcommand_mut("listen").expect("this verb is defined");
        listen.error(clap::error::ErrorKind::MissingRequiredArgument, complaint).exit()
    }
}

/// Where every message passes: shown, answered, counted.
struct Desk {
    /// Known when the listener is there: the system may pick the port.
    channel: OnceLock<String>,
    answer: Answer,
    reporter: Reporter,
    json: bool,
    quiet: bool,
    once: bool,
    taken: AtomicBool,
    /// Of a hub: the listener, once it is there. It owns its handler, which owns this desk.
    hub: Option<OnceLock<Weak<Listener>>>,
    ends: Sender<End>,
}

impl Desk {
    fn take(&self, message: &Message, responder: Responder) {
        if self.once && self.taken.swap(true, Ordering::SeqCst) {
            let _ = responder.fail("this listener takes one message only and has had it");
            return;
        }
        let channel = self.channel.wait();
        if !self.quiet {
            self.show(channel, message, responder.peer());
        }
        if let Some(hub) = &self.hub
            && let Some(listener) = hub.wait().upgrade()
            && let Err(error) = listener.publish_message("", message)
            && error.kind() != ErrorKind::Closed
        {
            self.reporter.note(&format!("cannot publish a message on {channel}: {}", error.message()));
        }
        self.answer(channel, message, responder);
        if self.once {
            self.end(End::Wanted);
        }
    }

    fn answer(&self, channel: &str, message: &Message, responder: Responder) {
        let answer = match &self.answer {
            Answer::Stream(commands, form) => {
                if let Err(text) = commands.stream(channel, message, responder, *form) {
                    self.reporter.note(&format!("a stream on {channel} ended early: {text}"));
                }
                return;
            }
            Answer::Echo if responder.is_stream() => {
                if let Err(error) = send_back(responder) {
                    self.reporter.note(&format!("a stream on {channel} ended early: {}", error.message()));
                }
                return;
            }
            Answer::Echo => Ok(message.clone()),
            Answer::Reply(reply) => Ok(reply.clone()),
            Answer::Exec(commands) => commands.run(channel, message, &responder),
            Answer::Nothing => Ok(Message::null()),
        };
        match answer {
            Ok(reply) => {
                if let Err(error) = responder.respond(&reply) {
                    self.reporter.note(&format!("cannot answer a message on {channel}: {}", error.message()));
                }
            }
            Err(text) => {
                self.reporter.note(&format!("cannot answer a message on {channel}: {text}"));
                // That nobody is left to be told makes it no worse.
                let _ = responder.fail(&text);
            }
        }
    }

    fn show(&self, channel: &str, message: &Message, peer: Peer) {
        let line = if self.json { record(channel, message, peer) } else { json::line(message) };
        match output::line(line) {
            Ok(Reader::There) => {}
            Ok(Reader::Gone) => self.end(End::Wanted),
            Err(error) => self.end(End::Failed(error)),
        }
    }

    /// Nobody receives it once the listener is closing, and then nobody needs it.
    fn end(&self, end: End) {
        let _ = self.ends.send(end);
    }
}

/// Sends back each item of a stream.
fn send_back(responder: Responder) -> Result<()> {
    let reply = responder.stream()?;
    let items = reply.items();
    while let Some(item) = items.recv(None)? {
        reply.send(&item, None)?;
    }
    reply.end()
}

/// A message as `--json` shows it.
#[derive(Serialize)]
struct Record<'a> {
    channel: &'a str,
    #[serde(flatten)]
    body: json::Body,
    peer: PeerRecord,
}

#[derive(Serialize)]
struct PeerRecord {
    uid: Option<u32>,
    pid: Option<i32>,
}

fn record(channel: &str, message: &Message, peer: Peer) -> String {
    let peer = PeerRecord { uid: peer.uid(), pid: peer.pid() };
    to_json(&Record { channel, body: json::body(message), peer })
}
