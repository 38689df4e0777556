//! A directory of its own for each test, and listeners in it.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use simple_ipc::blocking::{Listener, post_broadcast, post_request};
use simple_ipc::{Channel, Message, Mode, Options, Responder};

use crate::watchdog::Watchdog;

pub(crate) struct Scratch {
    directory: tempfile::TempDir,
    _watchdog: Watchdog,
}

impl Scratch {
    pub(crate) fn new() -> Scratch {
        Scratch { directory: tempfile::tempdir().unwrap(), _watchdog: Watchdog::start() }
    }

    pub(crate) fn options(&self) -> Options {
        Options::new().directory(self.directory.path())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where the channel `build` has its socket.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path(".deno.build.socket")
    }

    pub(crate) fn lock_file(&self) -> PathBuf {
        self.path(".deno.build.socket.lock")
    }

    pub(crate) fn listen(
        &self,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Listener {
        // On a Unix socket plain text is served as it is.
        let options = if cfg!(windows) { options.clone().plain_text(true) } else { options.clone() };
        Listener::serve(&place(), mode, &options, handler).unwrap()
    }

    pub(crate) fn listen_tcp(
        &self,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Listener {
        Listener::serve(&Channel::ip(0).unwrap(), mode, options, handler).unwrap()
    }

    /// A request listener that answers what it gets.
    pub(crate) fn echo(&self) -> Listener {
        self.listen(Mode::Request, &self.options(), echo)
    }

    /// A broadcast listener, and what its handler gets.
    pub(crate) fn record(&self) -> (Listener, Receiver<Message>) {
        let (sender, receiver) = channel();
        let listener = self.listen(Mode::Broadcast, &self.options(), move |message, _| {
            let _the_test_is_over = sender.send(message.clone());
        });
        (listener, receiver)
    }

    /// Shows that a listener that answers what it gets, or takes broadcasts, still does.
    pub(crate) fn assert_serves(&self, listener: &Listener) {
        let options = self.options();
        match listener.mode() {
            Mode::Request => {
                let reply = post_request(listener.channel(), &Message::text("still there?"), &options).unwrap();
                assert_eq!(reply, Message::text("still there?"));
            }
            _ => post_broadcast(listener.channel(), &Message::text("still there?"), &options).unwrap(),
        }
    }
}

pub(crate) fn build() -> Channel {
    Channel::uds("build").unwrap()
}

/// Where bytes can be said by hand: a Unix socket, or a port on Windows, which has pipes in their place.
pub(crate) fn place() -> Channel {
    if cfg!(windows) { Channel::ip(0).unwrap() } else { build() }
}

pub(crate) fn echo(message: &Message, responder: Responder) {
    let _the_caller_may_have_gone = responder.respond(message);
}

/// Asks again and again until it is so; the watchdog ends what never comes.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < crate::raw::HANGS, "it never came to this: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// What comes through a channel, which the watchdog's time is more than enough for.
pub(crate) fn next<T>(receiver: &Receiver<T>) -> T {
    receiver.recv_timeout(crate::raw::HANGS).expect("nothing came")
}
