//! The calls for tasks on a tokio runtime: the crate's root.

mod stream;
mod subscription;
mod watch;

use std::mem::ManuallyDrop;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

pub use self::stream::{
    ItemSender, ItemStream, post_ip_stream, post_ip_stream_with, post_stream, post_uds_stream, post_uds_stream_with,
};
pub use self::subscription::{
    Subscription, subscribe, subscribe_ip, subscribe_ip_with, subscribe_uds, subscribe_uds_with,
};
pub use self::watch::{ItemStreamWatch, SubscriptionWatch};
use crate::cancellation::Call;
use crate::channel::Channel;
use crate::client::tasks::client::TaskClient;
use crate::client::tasks::{no_runtime, post};
use crate::counters::Counters;
use crate::error::{Error, HandlerResult, Result};
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::Options;
use crate::os::fork;
use crate::server::handler::Handler;
use crate::server::waiting::Waiting;
use crate::server::{Inbox, Items, Responder};
use crate::server::{listener, start};
use crate::surface::{
    MethodCall, client_methods, client_streams, listen_functions, listen_streams, listener_methods, post_functions,
    publishing,
};

/// A listener on a channel, driven by the tokio runtime on which it was made. Dropping it stops it at once and
/// closes it in the background, so that its handler, and what it captured, may be dropped later;
/// [`close`](Listener::close) waits for that.
#[derive(Debug)]
pub struct Listener {
    listening: ManuallyDrop<Arc<listener::Listener>>,
    address: String,
}

impl Listener {
    /// Listens with a handler of raw messages. JSON bodies that it gets are JSON.
    ///
    /// The handler's futures run on the runtime, any number at once, and must not block; each answers
    /// at once or later through its [`Responder`].
    pub async fn serve<F, Fut>(channel: &Channel, mode: Mode, options: &Options, handler: F) -> Result<Listener>
    where
        F: Fn(Message, Responder) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Listener::start(channel, mode, options, true, move |message, responder| Box::pin(handler(message, responder)))
    }

    /// As [`serve`](Listener::serve), but JSON bodies that the handler gets are what has arrived: for a
    /// handler that reads each anyway, and [rejects](Responder::reject) those that are not JSON.
    pub async fn serve_unchecked<F, Fut>(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: F,
    ) -> Result<Listener>
    where
        F: Fn(Message, Responder) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        Listener::start(channel, mode, options, false, move |message, responder| Box::pin(handler(message, responder)))
    }

    /// As [`serve_unchecked`](Listener::serve_unchecked), with a handler that the loop of a thread of yours runs. The loop watches
    /// what [`Inbox::raw_waitable`] gives, and calls [`Inbox::run`] when that is readable.
    ///
    /// Busy sessions of callers that have many requests in flight are driven by that thread itself: it receives, calls the handler
    /// and sends, and no other thread takes part. All other messages wait in the [`Inbox`]. A handler that keeps its [`Responder`]
    /// answers later, from any thread; the answers of one turn of the loop leave together. While the loop does not come, its
    /// sessions wait; the listener's limits bound what waits. Where a handler takes long, the runtime goes on with its session.
    pub async fn serve_on_own_loop(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<(Listener, Inbox)> {
        let waiting = Waiting::on_own_loop().map_err(|error| {
            Error::from_os(format!("cannot listen on channel \"{channel}\": its inbox cannot be made"), error)
        })?;
        Listener::start_waiting(channel, mode, options, waiting, handler)
    }

    /// As [`serve_unchecked`](Listener::serve_unchecked), with a handler that a thread of yours runs: messages wait in the [`Inbox`],
    /// and [`Inbox::run`] takes them to the handler. In all else as
    /// [`blocking::Listener::serve_in_own_thread`](crate::blocking::Listener::serve_in_own_thread), which says when `wake` is called.
    pub async fn serve_in_own_thread_unchecked(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        wake: impl Fn() + Send + Sync + 'static,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<(Listener, Inbox)> {
        Listener::start_waiting(channel, mode, options, Waiting::new(Box::new(wake)), handler)
    }

    fn start_waiting(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        waiting: Arc<Waiting>,
        handler: impl Fn(&Message, Responder) + Send + Sync + 'static,
    ) -> Result<(Listener, Inbox)> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        let handler = Handler::Blocking(Box::new(handler));
        let listening = start::start(channel, mode, options, handler, false, runtime, Some(Arc::clone(&waiting)))?;
        let inbox = Inbox::new(waiting, &listening);
        let address = listening.address().to_string();
        Ok((Listener { listening: ManuallyDrop::new(listening), address }, inbox))
    }

    /// Listens to publish: takes subscribers, and neither requests nor broadcasts. A listener that takes either publishes
    /// besides with [`Options::publish`].
    pub async fn serve_publish(channel: &Channel, options: &Options) -> Result<Listener> {
        let refuses = |_, responder| {
            drop::<Responder>(responder);
            Box::pin(std::future::ready(())) as _
        };
        Listener::start(channel, Mode::Publish, options, false, refuses)
    }

    fn start(
        channel: &Channel,
        mode: Mode,
        options: &Options,
        check_json: bool,
        handler: impl Fn(Message, Responder) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Result<Listener> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        let handler = Handler::Async(Box::new(handler));
        let listening = start::start(channel, mode, options, handler, check_json, runtime, None)?;
        let address = listening.address().to_string();
        Ok(Listener { listening: ManuallyDrop::new(listening), address })
    }

    fn typed<Q, A, F, Fut>(channel: &Channel, mode: Mode, options: &Options, handler: F) -> Result<Listener>
    where
        Q: DeserializeOwned + Send,
        A: Serialize,
        F: Fn(Q) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HandlerResult<A>> + Send + 'static,
    {
        Listener::start(channel, mode, options, false, move |message, responder| match message.decode() {
            Ok(data) => {
                let handled = handler(data);
                Box::pin(async move {
                    let _nobody_is_left_to_tell = responder.finish(handled.await);
                })
            }
            Err(error) => {
                let _nobody_is_left_to_tell = responder.reject(error.message());
                Box::pin(std::future::ready(()))
            }
        })
    }

    fn streams<Q, T, A, S, F, Fut>(channel: &Channel, options: &Options, handler: F) -> Result<Listener>
    where
        Q: DeserializeOwned + Send,
        T: DeserializeOwned,
        A: Serialize,
        S: futures_core::Stream<Item = HandlerResult<A>> + Send + 'static,
        F: Fn(Q, Items<T>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = HandlerResult<S>> + Send + 'static,
    {
        Listener::start(channel, Mode::Request, options, false, move |message, responder| {
            // One who has opened none is told so.
            let Ok(reply) = responder.stream() else { return Box::pin(std::future::ready(())) };
            match message.decode() {
                Ok(data) => {
                    let handled = handler(data, reply.items().typed());
                    Box::pin(async move { reply.answer(handled.await).await })
                }
                Err(error) => {
                    reply.reject(error.message());
                    Box::pin(std::future::ready(()))
                }
            }
        })
    }

    /// Stops taking messages, waits until those that it has are answered (at most the grace period), and
    /// returns when the handler and all that it captured has been dropped. Closing twice is fine. If the future is
    /// dropped, closing goes on.
    ///
    /// Fails with [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) where a handler still runs after the grace period: the listener is closed
    /// then, but what the handler holds goes only when it returns. A later call says whether it has.
    ///
    /// Awaited by a future of one of this listener's handlers it begins to close and returns at once, as
    /// [`close_begin`](Listener::close_begin) does: the handler's answer still goes out. In a task that the handler has
    /// spawned it waits; a handler that waits for such a task takes [`close_begin`](Listener::close_begin).
    pub async fn close(&self) -> Result<()> {
        fork::check(self.listening.born(), "listener")?;
        self.listening.close().await
    }
}

listener_methods!();
publishing!(tasks);

/// A channel kept open: one session for any number of tasks. A session that breaks is replaced by the
/// next call.
pub struct Client(TaskClient);

client_methods! {
    tasks TaskClient,
    " Dropping the future cancels the request: its handler is told.",
    "Ends the calls that wait in other tasks, flushes, and closes. Later calls of `close` do nothing; other calls fail.

Calls that wait for an answer, a listener or room to send end with [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled), and a
handler that has such a request is told. Flushes come to their end. If the future is dropped, the client is closed all the
same, and nobody hears what became of broadcasts."
}

client_streams! { [async] [.await] " Dropping the future gives it up." }

/// Posts a raw request to any channel. A JSON answer has been checked to be JSON. Dropping the future
/// cancels the request.
pub async fn post_request(channel: &Channel, message: &Message, options: &Options) -> Result<Message> {
    let reply = post_request_unchecked(channel, message, options).await?;
    reply.check().map_err(Error::after_sending)?;
    Ok(reply)
}

/// Posts a raw broadcast to any channel; returns when the handler has it.
pub async fn post_broadcast(channel: &Channel, message: &Message, options: &Options) -> Result<()> {
    post::post_async(channel, Mode::Broadcast, message, options).await.map(drop)
}

async fn post_request_unchecked(channel: &Channel, message: &Message, options: &Options) -> Result<Message> {
    let reply = post::post_async(channel, Mode::Request, message, options).await?;
    Ok(reply.expect("a request has a reply"))
}

listen_functions! {
    tasks,
    "The handler's futures run on the runtime, any number at once, and must not block.",
    "The broadcasts of one client come one after another, those of different clients at once."
}

listen_streams! {
    tasks
    "The handler's futures and streams run on the runtime, each in a task of its own, any number at once, and must not block. \
    When the caller leaves, that task drops them at once, wherever they wait."
}

post_functions! { tasks, " Dropping the future cancels it." }

#[cfg(test)]
mod tests {
    use super::*;

    /// Names every future of the public calls; it is never run.
    #[test]
    fn every_future_may_move_between_threads() {
        fn assert_send<T: Send>(_: T) {}
        let _never_called = |client: &Client, channel: &Channel, options: &Options, message: &Message| {
            assert_send(post_request(channel, message, options));
            assert_send(post_broadcast(channel, message, options));
            assert_send(post_uds_request::<String>("x", "y"));
            assert_send(post_ip_broadcast(1, "y"));
            assert_send(listen_uds_publish("x"));
            assert_send(listen_uds_request("x", async |_: String| Ok("y")));
            assert_send(Client::connect(channel, options));
            assert_send(client.request::<String>("x"));
            assert_send(client.request_message(message, None));
            assert_send(client.broadcast("x"));
            assert_send(client.flush());
            assert_send(client.ping());
            assert_send(client.close());
        };
    }
}
