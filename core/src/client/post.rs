//! One-shot posts: on a pooled session where the listener speaks native, on the Deno wire elsewhere.

use std::time::Duration;

use super::connect::{Connected, connect, connect_async};
use super::pool::{self, Key};
use super::task_driver::shared;
use super::thread_driver::ThreadSession;
use super::until::Until;
use super::{Attempt, Failed, check_size, connecting_time, deno, first_of, telling};
use crate::channel::{Address, Channel};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::{Options, Wire};

/// How often a message that was not taken is tried on a new connection: a listener may be closing
/// while its successor starts.
pub(crate) const TRIES: usize = 3;

/// Posts, waiting in the calling thread. `None` for a broadcast.
pub(crate) fn post(
    channel: &Channel,
    mode: Mode,
    message: MessageRef<'_>,
    options: &Options,
) -> Result<Option<Message>> {
    try_to_post(channel, mode, message, options).map_err(|error| error.on_channel(channel))
}

fn try_to_post(channel: &Channel, mode: Mode, message: MessageRef<'_>, options: &Options) -> Result<Option<Message>> {
    let address = check(channel, message, options)?;
    let key = Key::new(address, options);
    let connecting = Until::new(connecting_time(options.timeout, options), options.cancellation.as_ref());
    if let Some(error) = connecting.given_up() {
        return Err(error);
    }
    let mut not_taken = None;
    if options.wire != Wire::Deno {
        while let Some(session) = pool::take(&key) {
            match on_session(session, &key, mode, message, options.timeout, &connecting) {
                Err(Failed::NotTaken(error)) => not_taken = Some(error),
                done => return done.map_err(Error::from),
            }
        }
    }
    for _ in 0..TRIES {
        match connect(channel, key.address(), options, &connecting)? {
            Connected::Deno(socket) => {
                let exchange = deno::Exchange::new(socket, mode, options.max_message);
                return exchange.run(message, &connecting.within(options.timeout), options.spin);
            }
            Connected::Native(socket) => {
                let session = ThreadSession::new(socket, options.max_message, options.spin)?;
                match on_session(session, &key, mode, message, options.timeout, &connecting) {
                    Err(Failed::NotTaken(error)) => not_taken = Some(error),
                    done => return done.map_err(Error::from),
                }
            }
        }
    }
    Err(not_taken.expect("every try that did not return left its error"))
}

fn on_session(
    mut session: Box<ThreadSession>,
    key: &Key,
    mode: Mode,
    message: MessageRef<'_>,
    timeout: Option<Duration>,
    until: &Until<'_>,
) -> Attempt<Option<Message>> {
    let done = session.call(&until.within(timeout), |session, until| match mode {
        Mode::Request => session.request(message, timeout, until).map(Some),
        Mode::Broadcast => session.broadcast(message, until).map(|()| None),
    });
    if session.is_open() {
        pool::put(key, session);
    }
    done
}

/// Posts, waiting on the runtime. Dropping the future cancels a request.
pub(crate) async fn post_async(
    channel: &Channel,
    mode: Mode,
    message: &Message,
    options: &Options,
) -> Result<Option<Message>> {
    try_to_post_async(channel, mode, message, options).await.map_err(|error| error.on_channel(channel))
}

async fn try_to_post_async(
    channel: &Channel,
    mode: Mode,
    message: &Message,
    options: &Options,
) -> Result<Option<Message>> {
    let address = check(channel, message.into(), options)?;
    let connecting = Until::new(connecting_time(options.timeout, options), options.cancellation.as_ref());
    if let Some(error) = connecting.given_up() {
        return Err(error);
    }
    let mut not_taken = None;
    for _ in 0..TRIES {
        let session = match shared(&address, options) {
            Some(session) => session,
            None => match connect_async(channel, &address, options, &connecting)
                .await
                .map_err(|error| first_of(not_taken.take(), error))?
            {
                Connected::Native(socket) => super::task_driver::share(socket, &address, options)?,
                Connected::Deno(socket) => {
                    let exchange = deno::Exchange::new(socket, mode, options.max_message);
                    return exchange.run_async(message.clone(), &connecting.within(options.timeout)).await;
                }
            },
        };
        let until = connecting.within(options.timeout);
        let done = match mode {
            Mode::Request => session.request(message, &until).await.map(Some),
            Mode::Broadcast => session.broadcast(message, &until).await.map(|()| None),
        };
        match done {
            Err(Failed::NotTaken(error)) => not_taken = Some(telling(not_taken.take(), error)),
            done => return done.map_err(Error::from),
        }
    }
    Err(not_taken.expect("every try that did not return left its error"))
}

/// What can be wrong before anything is sent.
fn check(channel: &Channel, message: MessageRef<'_>, options: &Options) -> Result<Address> {
    options.check()?;
    check_size(message, options)?;
    address(channel, options)
}

/// The address to connect to.
pub(crate) fn address(channel: &Channel, options: &Options) -> Result<Address> {
    if channel.port() == Some(0) {
        return Err(Error::new(ErrorKind::InvalidPort, "port 0 is good for listening only; post to 1 to 65535"));
    }
    options.address(channel)
}
