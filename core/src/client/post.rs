//! One-shot posts: on a pooled session where the listener speaks native, on the Deno wire elsewhere.

use super::connect::Purpose;
use super::deno::Exchange;
use super::pool::Pooled;
use super::replace;
use super::target::Target;
use super::thread_driver::ThreadSession;
use super::until::Until;
use crate::channel::Channel;
use crate::error::{Error, ErrorKind, Result};
use crate::inspection::ListenerState;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::{Options, Wire};

/// Posts, waiting in the calling thread. `None` for a broadcast.
pub(crate) fn post(
    channel: &Channel,
    mode: Mode,
    message: MessageRef<'_>,
    options: &Options,
) -> Result<Option<Message>> {
    let post = || {
        let target = Target::new(channel, options)?;
        target.check_body(message)?;
        replace::call(
            &target,
            &Pooled(&target.key),
            Purpose { body: Some(message.kind()), timeout: options.timeout },
            &Until { caller: options.cancellation.as_ref(), ..Until::default() },
            |stream| ThreadSession::new(stream, options),
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

/// Asks a listener what it tells of itself, waiting in the calling thread.
pub(crate) fn inspect(channel: &Channel, options: &Options) -> Result<ListenerState> {
    let ask = || {
        // An original's process would end where one connects and leaves.
        let options = options.clone().wire(Wire::Native);
        let target = Target::new(channel, &options)?;
        let told = replace::call(
            &target,
            &Pooled(&target.key),
            Purpose { body: None, timeout: options.timeout },
            &Until { caller: options.cancellation.as_ref(), ..Until::default() },
            |stream| ThreadSession::new(stream, &options),
            ThreadSession::ask,
            |_, _| Err(speaks_no_native()),
        );
        let told = told.map_err(|error| if target.is_an_original(&error) { speaks_no_native() } else { error })?;
        // serde takes an array for a struct, too.
        let is_object = told.data().trim_ascii_start().starts_with(b"{");
        let state = if is_object { told.decode().ok() } else { None };
        state.ok_or_else(|| Error::new(ErrorKind::Protocol, "what the listener tells of itself cannot be read"))
    };
    ask().map_err(|error: Error| error.on_channel(channel))
}

fn speaks_no_native() -> Error {
    let text = "the listener speaks the Deno wire only, on which nothing can be asked of it; post a message instead";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

/// The mode of a post was given as that of a publisher.
pub(crate) fn nothing_is_posted() -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        "a post is a request or a broadcast; what is published comes from a listener",
    )
}
