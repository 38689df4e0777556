//! One-shot posts: on a pooled session where the listener speaks native, on the Deno wire elsewhere.

use tokio::runtime::Handle;

use super::deno::Exchange;
use super::pool::{Pooled, PooledShared};
use super::target::Target;
use super::task_driver::Operation;
use super::thread_driver::ThreadSession;
use super::until::Until;
use super::{no_runtime, replace};
use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::Options;

/// Posts, waiting in the calling thread. `None` for a broadcast.
pub(crate) fn post(
    channel: &Channel,
    mode: Mode,
    message: MessageRef<'_>,
    options: &Options,
) -> Result<Option<Message>> {
    let post = || {
        let target = Target::new(channel, options)?;
        target.check_size(message)?;
        replace::call(
            &target,
            &Pooled(&target.key),
            options.timeout,
            &Until { caller: options.cancellation.as_ref(), ..Until::default() },
            |stream| ThreadSession::new(stream, options.max_message, options.spin),
            |session, until| match mode {
                Mode::Request => session.request(message, options.timeout, until).map(Some),
                Mode::Broadcast => session.broadcast(message, until).map(|()| None),
                Mode::Publish => Err(nothing_is_posted().into()),
            },
            |stream, until| Exchange::new(stream, mode, options.max_message).run(message, until, options.spin),
        )
    };
    post().map_err(|error| error.on_channel(channel))
}

/// Posts, waiting on the runtime. Dropping the future cancels a request.
pub(crate) async fn post_async(
    channel: &Channel,
    mode: Mode,
    message: &Message,
    options: &Options,
) -> Result<Option<Message>> {
    let runtime = Handle::try_current().map_err(|_| no_runtime())?;
    let post = async {
        let target = Target::new(channel, options)?;
        target.check_size(message)?;
        let shared = PooledShared((target.key.clone(), runtime.id()));
        let until = Until { caller: options.cancellation.as_ref(), ..Until::default() };
        let operation = match mode {
            Mode::Request => Operation::Request(message),
            Mode::Broadcast => Operation::Broadcast(message),
            Mode::Publish => return Err(nothing_is_posted()),
        };
        replace::call_async(&target, &shared, options.timeout, &until, operation).await
    };
    post.await.map_err(|error| error.on_channel(channel))
}

/// The mode of a post was given as that of a publisher.
pub(crate) fn nothing_is_posted() -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "a post is a request or a broadcast; what is published comes from a listener",
    )
}
