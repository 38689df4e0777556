//! How a listener starts: it takes its channel, and the tasks begin that accept and look after things.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::accept::{self, Accepting};
use super::driver::driven::Drivers;
use super::driver::stuck;
use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::log;
use crate::mode::Mode;
use crate::options::Options;
use crate::os::async_stream::AsyncListener;
use crate::server::handler::Handler;
use crate::server::listener::Listener;
use crate::server::waiting::Waiting;
use crate::trace::{Span, tell};

/// Takes the channel and starts to accept on `runtime`. What is `waiting` waits for a thread of the user's, where one takes messages
/// to the handler.
pub(crate) fn start(
    channel: &Channel,
    mode: Mode,
    options: &Options,
    handler: Handler,
    check_json: bool,
    runtime: Handle,
    waiting: Option<Arc<Waiting>>,
) -> Result<Arc<Listener>> {
    log::start_if_asked();
    let span = Span::listen(channel, mode);
    let listener = span.within(|| Listener::new(channel, mode, options, handler, check_json, runtime, waiting))?;
    let listener = Arc::new(listener);
    let drivers = Drivers::new(Arc::clone(&listener));
    let accepting = Accepting(Arc::clone(&drivers));
    let socket = listener.listening_socket()?;
    let runtime = &listener.shared.runtime;
    let watched = {
        let _runtime = runtime.enter();
        AsyncListener::new(socket).map_err(|error| {
            Error::from_os(format!("cannot listen on channel \"{channel}\": its socket cannot be watched"), error)
        })?
    };
    tell!(INFO, "listening", channel: listener.channel(), mode: mode, address: listener.address());
    runtime.spawn(span.around(accept::run(accepting, watched)));
    runtime.spawn(Arc::clone(&listener).check_limit());
    if listener.shared.blocking {
        let connecting = Arc::clone(&listener);
        runtime.spawn(async move { connecting.connecting.check(&connecting.shared).await });
        runtime.spawn(stuck::check(drivers));
    }
    // A bridge acknowledges when the other machine has.
    if mode == Mode::Broadcast && !options.bridge {
        runtime.spawn(Arc::clone(&listener).check_acks());
    }
    if listener.shared.publication.is_some() {
        runtime.spawn(Arc::clone(&listener).tell_subscribers());
    }
    Ok(listener)
}
