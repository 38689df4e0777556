//! The session that a client's asynchronous calls share.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use simple_ipc::{Channel, Client, Error, ErrorKind, Options, Process, Result, background};
use tokio::sync::OnceCell;

use crate::operation::check_may_wait;

/// The asynchronous side of a `sipc_client`. It connects when it is first used: a client that only
/// makes blocking calls starts no runtime.
pub(super) struct Background {
    channel: Channel,
    options: Options,
    session: OnceCell<Client>,
    closed: AtomicBool,
    /// The process that made the client; a forked child has neither the session nor its runtime.
    process: Process,
}

impl Background {
    pub(super) fn new(channel: Channel, options: Options) -> Arc<Background> {
        Arc::new(Background {
            channel,
            options,
            session: OnceCell::new(),
            closed: AtomicBool::new(false),
            process: Process::current(),
        })
    }

    /// Itself, for a call to hold, unless it must not be used any more.
    pub(super) fn opened(self: &Arc<Background>) -> Result<Arc<Background>> {
        self.process.check("client")?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, format!("the client of channel \"{}\" is closed", self.channel)));
        }
        Ok(Arc::clone(self))
    }

    /// The session, connected. A failure leaves the next call to try again.
    pub(super) async fn session(&self) -> Result<&Client> {
        self.session.get_or_try_init(|| Client::connect(&self.channel, &self.options)).await
    }

    /// Waits until the broadcasts of asynchronous calls have reached the handler.
    pub(super) fn flush(self: &Arc<Background>) -> Result<()> {
        if self.session.get().is_none() {
            return Ok(());
        }
        check_may_wait("flush a client")?;
        let background = self.opened()?;
        wait_for(async move { background.session().await?.flush().await })
    }

    /// Flushes and closes, the first time.
    pub(super) fn close(self: &Arc<Background>) -> Result<()> {
        if self.session.get().is_none() {
            self.closed.store(true, Ordering::Relaxed);
            return Ok(());
        }
        check_may_wait("close a client")?;
        let Ok(background) = self.opened() else { return Ok(()) };
        self.closed.store(true, Ordering::Relaxed);
        wait_for(async move { background.session().await?.close().await })
    }
}

/// Runs a call on the background runtime and waits for its end in this thread.
fn wait_for(call: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let (done, end) = mpsc::channel();
    background::calls()?.spawn(async move {
        let _nobody_left = done.send(call.await);
    });
    end.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the call was dropped before it ended")))
}
