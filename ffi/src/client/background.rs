//! The session that a client's asynchronous calls share.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use simple_ipc::{Call, Channel, Client, Error, ErrorKind, Options, Process, Result, background};
use tokio::sync::{Notify, OnceCell};

use crate::operation::check_may_wait;

/// The asynchronous side of a `sipc_client`. It connects when it is first used: a client that only
/// makes blocking calls starts no runtime.
pub(super) struct Background {
    channel: Channel,
    options: Options,
    session: OnceCell<Client>,
    closed: AtomicBool,
    /// Ends the requests that wait.
    closing: Notify,
    /// How many calls have yet to call back.
    under_way: Mutex<usize>,
    none_is_under_way: Condvar,
    /// The process that made the client; a forked child has neither the session nor its runtime.
    process: Process,
}

/// A call of a client that has yet to call back.
pub(crate) struct UnderWay(Arc<Background>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        *self.0.under_way.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.none_is_under_way.notify_all();
    }
}

impl Background {
    pub(super) fn new(channel: Channel, options: Options) -> Arc<Background> {
        Arc::new(Background {
            channel,
            options,
            session: OnceCell::new(),
            closed: AtomicBool::new(false),
            closing: Notify::new(),
            under_way: Mutex::new(0),
            none_is_under_way: Condvar::new(),
            process: Process::current(),
        })
    }

    /// Itself, for a call to hold, unless it must not be used any more.
    pub(super) fn opened(self: &Arc<Background>) -> Result<Arc<Background>> {
        self.process.check("client")?;
        if self.closed.load(Ordering::SeqCst) {
            return Err(self.closed_error());
        }
        Ok(Arc::clone(self))
    }

    /// Counts a call that is about to begin. What is begun after this, `close` waits for.
    pub(super) fn begin(self: &Arc<Background>) -> Result<UnderWay> {
        self.process.check("client")?;
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock: who closes sees either the call or that it did not begin.
        if self.closed.load(Ordering::SeqCst) {
            return Err(self.closed_error());
        }
        *under_way += 1;
        Ok(UnderWay(Arc::clone(self)))
    }

    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("the client of channel \"{}\" is closed", self.channel))
    }

    /// The session, connected. A failure leaves the next call to try again.
    pub(super) async fn session(&self) -> Result<&Client> {
        self.session.get_or_try_init(|| Client::connect(&self.channel, &self.options)).await
    }

    /// Runs a request until it is answered or the client closes.
    pub(super) async fn until_closing<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let closing = self.closing.notified();
        tokio::pin!(closing);
        closing.as_mut().enable();
        if self.closed.load(Ordering::SeqCst) {
            return Err(given_up()); // Not a byte of it has left.
        }
        tokio::select! {
            biased;
            () = closing => Err(given_up().after_sending()),
            done = call => done,
        }
    }

    /// Waits until the broadcasts of asynchronous calls have reached the handler.
    pub(super) fn flush(self: &Arc<Background>, call: Call) -> Result<()> {
        if self.session.get().is_none() {
            return Ok(());
        }
        check_may_wait("flush a client")?;
        let background = self.opened()?;
        wait_for(async move { background.session().await?.flush_with(&call).await })
    }

    /// Takes no more calls, and ends the requests that wait.
    pub(super) fn close_begin(&self) {
        let under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::SeqCst);
        drop(under_way);
        self.closing.notify_waiters();
    }

    /// Flushes and closes, once every call has called back. Inside a callback it does that in the background.
    pub(super) fn close(self: &Arc<Background>, time: Time) -> Result<()> {
        let all_called_back = match check_may_wait("close a client") {
            Ok(()) => self.wait_for_all(time),
            Err(_) => {
                let background = Arc::clone(self);
                if self.session.get().is_some() {
                    background::calls()?.spawn(async move { background.close_session(Call::new()).await });
                }
                return Ok(());
            }
        };
        if self.session.get().is_some() {
            let background = Arc::clone(self);
            wait_for(async move { background.close_session(time.call()).await })?;
        }
        all_called_back
    }

    async fn close_session(&self, call: Call) -> Result<()> {
        match self.session.get() {
            Some(session) => session.close_with(&call).await,
            None => Ok(()),
        }
    }

    fn wait_for_all(&self, time: Time) -> Result<()> {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        while *under_way > 0 {
            under_way = match time.left() {
                None => self.none_is_under_way.wait(under_way).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    return Err(Error::new(
                        ErrorKind::TimedOut,
                        format!(
                            "channel \"{}\": the client is closed, but {under_way} calls have not called back",
                            self.channel
                        ),
                    )
                    .after_sending());
                }
                Some(left) => {
                    self.none_is_under_way.wait_timeout(under_way, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        Ok(())
    }
}

/// How long something that has several steps may still take; `None` is without limit.
#[derive(Clone, Copy)]
pub(super) struct Time(Option<Instant>);

impl Time {
    /// A length that is too great for the clock is without limit.
    pub(super) fn from_now(timeout: Option<Duration>) -> Time {
        Time(timeout.and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    pub(super) fn left(self) -> Option<Duration> {
        self.0.map(|until| until.saturating_duration_since(Instant::now()))
    }

    pub(super) fn call(self) -> Call {
        Call::new().timeout(self.left())
    }
}

fn given_up() -> Error {
    Error::new(ErrorKind::Cancelled, "the call was given up: its client is closed")
}

/// Runs a call on the background runtime and waits for its end in this thread.
fn wait_for(call: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    let (done, end) = mpsc::channel();
    background::calls()?.spawn(async move {
        let _nobody_left = done.send(call.await);
    });
    end.recv().unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the call was dropped before it ended")))
}
