//! What of the add-on depends on the operating system.

use simple_ipc::{Channel, Inbox, Listener, Message, Mode, Options, Responder, Result};

/// Listens for a thread that runs an event loop, which watches what the inbox has to be watched.
#[cfg(unix)]
pub(crate) async fn serve(
    channel: &Channel,
    mode: Mode,
    options: &Options,
    _wake: impl Fn() + Send + Sync + 'static,
    take_in: impl Fn(&Message, Responder) + Send + Sync + 'static,
) -> Result<(Listener, Inbox)> {
    Listener::serve_on_own_loop(channel, mode, options, take_in).await
}

/// The same where the loop has nothing of the listener's to watch: `wake` has it come.
#[cfg(not(unix))]
pub(crate) async fn serve(
    channel: &Channel,
    mode: Mode,
    options: &Options,
    wake: impl Fn() + Send + Sync + 'static,
    take_in: impl Fn(&Message, Responder) + Send + Sync + 'static,
) -> Result<(Listener, Inbox)> {
    Listener::serve_in_own_thread_unchecked(channel, mode, options, wake, take_in).await
}
