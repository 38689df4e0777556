//! The session that a client's asynchronous calls share.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use simple_ipc::event_loop::{ClientId, Queue, Ticket};
use simple_ipc::{Call, Channel, Error, ErrorKind, Options, Process, Result};

use crate::callback::check_may_wait;
use crate::engine::{Asynchronous, Counts, Engine, UnderWay, Waiting, engine};
use crate::lock::{lock, wait_while};
use crate::operation::{self, sipc_operation};

/// The asynchronous side of a `sipc_client`: a client of the engine's queue. It is opened when it is first used; a client
/// that only makes blocking calls starts no engine.
pub(super) struct Background {
    channel: Channel,
    options: Options,
    /// Locked before the engine, where both are.
    state: Mutex<State>,
    none_is_under_way: Condvar,
    /// The process that made the client; a forked child has no engine of its parent's, and leaves `state` alone, which
    /// a thread may have held when it was forked.
    process: Process,
}

#[derive(Default)]
struct State {
    /// No call begins any more.
    is_closed: bool,
    /// How many calls have yet to call back.
    under_way: usize,
    /// How many threads wait until there is none. Nobody is notified where there is no such thread, since that is a system call
    /// for each call.
    waiters: u32,
    opened: Option<Opened>,
    /// What the first close waits for; taken by the one that does.
    closing: Option<Result<(Arc<Engine>, Arc<Waiting>)>>,
}

/// A client of the engine's queue.
#[derive(Clone)]
struct Opened {
    engine: Arc<Engine>,
    client: ClientId,
}

impl Background {
    pub(super) fn new(channel: Channel, options: Options) -> Arc<Background> {
        Arc::new(Background {
            channel,
            options,
            state: Mutex::default(),
            none_is_under_way: Condvar::new(),
            process: Process::current(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Begins a call of the client. What began, `close` waits for.
    ///
    /// # Safety
    /// `operation` is NULL or good for one write.
    pub(super) unsafe fn begin(
        self: &Arc<Background>,
        asked: Asynchronous,
        operation: *mut *mut sipc_operation,
        begin: impl FnOnce(&mut Queue, ClientId) -> Result<Option<Ticket>>,
    ) -> Result<()> {
        self.process.check("client")?;
        // Held until the call is in the queue: who closes finds it there, or it does not begin. Where it does not,
        // `asked`, whose drop is C's code, outlives the lock.
        let mut state = self.lock();
        if state.is_closed {
            return Err(self.closed_error());
        }
        let engine = match &state.opened {
            Some(opened) => Arc::clone(&opened.engine),
            None => engine()?,
        };
        let entered = engine.enter()?;
        state.under_way += 1;
        let call = asked.counted(UnderWay(Arc::clone(self) as Arc<dyn Counts>));
        let opened = &mut state.opened;
        let begin = |queue: &mut Queue| {
            let client = match opened {
                Some(opened) => opened.client,
                None => {
                    // Whether somebody listens shows with the call itself.
                    let (client, _nobody_waits_for_it) = queue.connect(&self.channel, &self.options)?;
                    *opened = Some(Opened { engine: Arc::clone(&engine), client });
                    client
                }
            };
            begin(queue, client)
        };
        // SAFETY: by this function's contract.
        unsafe { operation::begin(entered, call, operation, begin) };
        Ok(())
    }

    fn closed_error(&self) -> Error {
        Error::new(ErrorKind::Closed, format!("the client of channel \"{}\" is closed", self.channel))
    }

    /// Waits until the broadcasts of asynchronous calls have reached the handler.
    pub(super) fn flush(&self, time: Time) -> Result<()> {
        self.process.check("client")?;
        let Some(Opened { engine, client }) = self.lock().opened.clone() else { return Ok(()) };
        check_may_wait("flush a client")?;
        let waiting = engine.enter()?.begin_waiting(|queue| queue.flush_with(client, &time.call()))?;
        engine.wait_for(&waiting, time.0)
    }

    /// Takes no more calls, ends the requests that wait, and begins to flush.
    pub(super) fn close_begin(&self, time: Time) {
        if !self.process.is_current() {
            return;
        }
        let mut state = self.lock();
        state.is_closed = true;
        let Some(Opened { engine, client }) = state.opened.take() else { return };
        let closing = engine
            .enter()
            .and_then(|mut entered| entered.begin_waiting(|queue| queue.close_with(client, &time.call())));
        state.closing = Some(closing.map(|waiting| (engine, waiting)));
    }

    /// Waits until every call has called back and the flush of `close_begin` has ended. Inside a callback it waits for
    /// neither, and they go on.
    pub(super) fn close(&self, time: Time) -> Result<()> {
        self.process.check("client")?;
        if check_may_wait("close a client").is_err() {
            return Ok(());
        }
        let all_called_back = self.wait_for_all(time);
        if let Some(closing) = self.lock().closing.take() {
            let (engine, waiting) = closing?;
            engine.wait_for(&waiting, time.0)?;
        }
        all_called_back
    }

    fn wait_for_all(&self, time: Time) -> Result<()> {
        let mut state = self.lock();
        state.waiters += 1;
        let (mut state, is_over) = wait_while(&self.none_is_under_way, state, time.0, |state| state.under_way > 0);
        state.waiters -= 1;
        if is_over {
            let text = format!(
                "channel \"{}\": the client is closed, but {} calls have not called back",
                self.channel, state.under_way
            );
            return Err(Error::new(ErrorKind::TimedOut, text).after_sending());
        }
        Ok(())
    }
}

impl Counts for Background {
    fn one_less(&self) {
        let is_waited_for = {
            let mut state = self.lock();
            state.under_way -= 1;
            state.waiters > 0 && state.under_way == 0
        };
        if is_waited_for {
            self.none_is_under_way.notify_all();
        }
    }
}

impl Drop for Background {
    /// Reached when C has freed the client and every call has called back.
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(Opened { engine, client }) = state.opened.take()
            && let Ok(mut entered) = engine.enter()
        {
            entered.queue().abandon(client);
        }
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

    fn left(self) -> Option<Duration> {
        self.0.map(|until| until.saturating_duration_since(Instant::now()))
    }

    pub(super) fn call(self) -> Call {
        Call::new().timeout(self.left())
    }
}
