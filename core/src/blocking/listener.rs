//! Listeners whose handlers run on threads of the library.

use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::background;
use crate::channel::Channel;
use crate::counters::Counters;
use crate::error::{HandlerResult, Result};
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::Options;
use crate::os::fork;
use crate::server::handler::Handler;
use crate::server::{Items, Responder};
use crate::server::{listener, start};
use crate::surface::{listen_functions, listen_streams, listener_methods, publishing};

/// A listener on a channel. Dropping it stops it at once and closes it in the background, so that its handler, and
/// what it captured, may be dropped later; [`close`](Listener::close) waits for that.
#[derive(Debug)]
pub struct Listener {
    listening: ManuallyDrop<Arc<listener::Listener>>,
    address: String,
}

impl Listener {
    /// Listens with a handler of raw messages. JSON bodies that it gets are JSON.
    ///
    /// The handler runs on threads of the library, any number of times at once; it may block, and
    /// answer at once or later through its [`Responder`].
    pub fn serve(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<Listener> {
        Listener::start(channel, mode, options, handler, true)
    }

    /// As [`serve`](Listener::serve), but JSON bodies that the handler gets are what has arrived: for a
    /// handler that reads each anyway, and [rejects](Responder::reject) those that are not JSON.
    pub fn serve_unchecked(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<Listener> {
        Listener::start(channel, mode, options, handler, false)
    }

    /// Listens to publish: takes subscribers, and neither requests nor broadcasts. A listener that takes either publishes
    /// besides with [`Options::publish`].
    pub fn serve_publish(channel: &Channel, options: &Options) -> Result<Listener> {
        Listener::start(channel, Mode::Publish, options, |_, responder| drop(responder), false)
    }

    fn start(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
        check_json: bool,
    ) -> Result<Listener> {
        let handler = Handler::Blocking(Box::new(handler));
        let listening = start::start(channel, mode, options, handler, check_json, background::listeners()?)?;
        let address = listening.address().to_string();
        Ok(Listener { listening: ManuallyDrop::new(listening), address })
    }

    fn typed<Q: DeserializeOwned, A: Serialize>(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(Q) -> HandlerResult<A> + Send + Sync + 'static,
    ) -> Result<Listener> {
        let typed = move |message: &Message, responder: Responder| {
            let _nobody_is_left_to_tell = match message.decode() {
                Ok(data) => responder.finish(handler(data)),
                Err(error) => responder.reject(error.message()),
            };
        };
        Listener::start(channel, mode, options, typed, false)
    }

    fn streams<Q, T, A, I, F>(channel: &Channel, options: &Options, handler: F) -> Result<Listener>
    where
        Q: DeserializeOwned,
        T: DeserializeOwned,
        A: Serialize,
        I: IntoIterator<Item = HandlerResult<A>>,
        F: Fn(Q, Items<T>) -> HandlerResult<I> + Send + Sync + 'static,
    {
        let streams = move |message: &Message, responder: Responder| {
            // One who has opened none is told so.
            let Ok(reply) = responder.stream() else { return };
            match message.decode() {
                Ok(data) => {
                    let handled = handler(data, reply.items().typed());
                    reply.answer_in_thread(handled);
                }
                Err(error) => reply.reject(error.message()),
            }
        };
        Listener::start(channel, Mode::Request, options, streams, false)
    }

    /// Stops taking messages, waits until those that it has are answered (at most the grace period), and
    /// returns when the handler and all that it captured has been dropped. Closing twice is fine.
    ///
    /// Fails with [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) where a handler still runs after the grace
    /// period: the listener is closed then, but what the handler holds goes only when it returns. A later call says
    /// whether it has.
    ///
    /// On the thread of one of this listener's handlers it begins to close and returns at once, as
    /// [`close_begin`](Listener::close_begin) does: the handler's answer still goes out.
    pub fn close(&self) -> Result<()> {
        fork::check(self.listening.born(), "listener")?;
        self.listening.close_and_wait()
    }
}

listener_methods!();
publishing!(threads);

listen_functions! {
    threads,
    "The handler runs on threads of the library, any number of times at once, and may block.",
    "The broadcasts of one client come one after another, those of different clients at once."
}

listen_streams! {
    threads
    "The handler, and what it returns, run on a thread of the library, any number of times at once, and may block: waiting for \
    items, and for room for them, too. When the caller leaves, such a wait ends at once, and what the handler returned is dropped in \
    its thread at its next step."
}
