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
use crate::server::waiting::Waiting;
use crate::server::{Inbox, Items, Responder};
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

    /// Listens with a handler that a thread of yours runs: messages wait in the [`Inbox`], and [`Inbox::run`] takes them to the
    /// handler. For programs with a loop of their own, which do not want to lock what their handlers use.
    ///
    /// `wake` is called when something has come and the inbox is not called already: in a thread of the library, so that it does no
    /// more than to have the loop come, by [`Bell::ring`](crate::event_loop::Bell::ring) for an
    /// [`event_loop::Queue`](crate::event_loop::Queue). It is called once more for whatever comes after `run` has begun.
    ///
    /// The listener's limits bound what waits: beyond them callers are not read. A handler that waits holds up the loop; one that
    /// keeps its [`Responder`] and answers later does not. Answers never wait for a caller that is slow to take them.
    /// [`close`](Listener::close) takes what has come to the handler itself where it is called in the thread that last called
    /// `run`, and otherwise waits for that.
    ///
    /// ```
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let options = simple_ipc::Options::new().directory(directory.path());
    /// use simple_ipc::blocking::{Listener, post_uds_request_with};
    /// use simple_ipc::event_loop::Queue;
    /// use simple_ipc::{Channel, Mode};
    ///
    /// let mut queue = Queue::new()?;
    /// let bell = queue.bell()?;
    /// let channel = Channel::uds("sums")?;
    /// let (listener, inbox) = Listener::serve_in_own_thread(
    ///     &channel,
    ///     Mode::Request,
    ///     &options,
    ///     move || bell.ring(),
    ///     |message, responder| {
    ///         let _the_caller_may_be_gone = responder.respond(message);
    ///     },
    /// )?;
    /// let caller = std::thread::spawn({
    ///     let options = options.clone();
    ///     move || post_uds_request_with::<u32>("sums", 1, &options)
    /// });
    /// let mut completions = Vec::new();
    /// while !caller.is_finished() {
    ///     queue.wait(Some(std::time::Duration::from_millis(10)))?; // or the queue's descriptor in a loop of your own
    ///     queue.process(&mut completions)?;
    ///     inbox.run()?;
    /// }
    /// assert_eq!(caller.join().unwrap()?, 1);
    /// listener.close()?;
    /// # Ok::<(), simple_ipc::Error>(())
    /// ```
    pub fn serve_in_own_thread(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        wake: impl Fn() + Send + Sync + 'static,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<(Listener, Inbox)> {
        Listener::start_in_own_thread(channel, mode, options, Box::new(wake), handler, true)
    }

    /// As [`serve_in_own_thread`](Listener::serve_in_own_thread), but JSON bodies that the handler gets are what has arrived, as of
    /// [`serve_unchecked`](Listener::serve_unchecked).
    pub fn serve_in_own_thread_unchecked(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        wake: impl Fn() + Send + Sync + 'static,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<(Listener, Inbox)> {
        Listener::start_in_own_thread(channel, mode, options, Box::new(wake), handler, false)
    }

    fn start_in_own_thread(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        wake: Box<dyn Fn() + Send + Sync>,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
        check_json: bool,
    ) -> Result<(Listener, Inbox)> {
        let waiting = Waiting::new(wake);
        let listener = Listener::start_with(channel, mode, options, handler, check_json, Some(Arc::clone(&waiting)))?;
        let inbox = Inbox::new(waiting, &listener.listening);
        Ok((listener, inbox))
    }

    fn start(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
        check_json: bool,
    ) -> Result<Listener> {
        Listener::start_with(channel, mode, options, handler, check_json, None)
    }

    fn start_with(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
        check_json: bool,
        waiting: Option<Arc<Waiting>>,
    ) -> Result<Listener> {
        let handler = Handler::Blocking(Box::new(handler));
        let listening = start::start(channel, mode, options, handler, check_json, background::listeners()?, waiting)?;
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
