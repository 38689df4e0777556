//! The blocking client: one channel kept open, used from any number of threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use super::connect::{Connected, Presence, Purpose};
use super::late_sends::{self, Gathers};
use super::one_way::OneWay;
use super::pool::Idle;
use super::replace::{self, FreeSessions, Tries};
use super::target::Target;
use super::thread_driver::ThreadSession;
use super::until::Until;
use super::{Attempt, Failed, deno, timed_out};
use crate::cancellation::{Call, Cancellation};
use crate::channel::Channel;
use crate::error::{Error, Result};
use crate::lock::lock;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::options::Options;
use crate::os::fork;
use crate::os::stream::Stream;

/// One-way messages that follow each other within this time are sent together.
const TOGETHER: Duration = Duration::from_micros(50);
/// How long a client that is dropped tries to get rid of what has gathered.
const FAREWELL: Duration = Duration::from_secs(1);

/// A channel kept open.
pub(crate) struct BlockingClient {
    target: Target<'static>,
    born: u32,
    closed: AtomicBool,
    /// Ends, when the client closes, what waits for an answer, a listener or the one-way session.
    closing: Cancellation,
    /// Ends what `close` itself waits for, when it waits no longer.
    cut: Cancellation,
    /// Sessions that no request is using.
    idle: Mutex<Idle>,
    /// The session of one-way messages: they keep their order.
    one_way: Arc<OneWaySender>,
}

/// Where one-way messages take turns.
#[derive(Default)]
struct OneWaySender {
    state: Mutex<OneWayState>,
    /// Notified when the session has been returned.
    returned: Condvar,
}

#[derive(Default)]
struct OneWayState {
    session: Option<Box<ThreadSession>>,
    /// A thread has the session, and may be waiting on it. Nobody waits with the lock held.
    is_lent: bool,
    /// What became of those that were sent on it.
    confirmations: OneWay,
    last: Option<Instant>,
    /// The thread of `late_sends` will send what has gathered.
    send_is_scheduled: bool,
}

/// The session of one-way messages, lent until this is dropped.
struct OneWayGuard<'a> {
    sender: &'a OneWaySender,
    session: Option<Box<ThreadSession>>,
    confirmations: OneWay,
    last: Option<Instant>,
    /// Whether the thread of `late_sends` is to send what has gathered.
    schedule_send: bool,
}

impl OneWaySender {
    /// Waits until nobody has the session, and takes it.
    fn borrow<'a>(&'a self, mut state: MutexGuard<'a, OneWayState>, until: &Until<'_>) -> Result<OneWayGuard<'a>> {
        while state.is_lent {
            if until.is_over() {
                return Err(timed_out());
            }
            state = crate::lock::wait(&self.returned, &self.state, state, until.look()).0;
            if let Some(error) = until.interrupted() {
                return Err(error);
            }
        }
        if let Some(error) = until.given_up() {
            return Err(error);
        }
        state.is_lent = true;
        Ok(OneWayGuard {
            sender: self,
            session: state.session.take(),
            confirmations: std::mem::take(&mut state.confirmations),
            last: state.last,
            schedule_send: false,
        })
    }

    /// Has those who wait for the session look whether they still may.
    fn wake_all(&self) {
        // They look and begin to wait under the lock.
        drop(lock(&self.state));
        self.returned.notify_all();
    }
}

impl Gathers for OneWaySender {
    fn try_send_gathered(&self) -> bool {
        match self.state.try_lock() {
            // Whoever has the session may leave something gathered.
            Ok(state) if state.is_lent => false,
            Ok(mut state) => {
                let is_sent = state.session.as_mut().is_none_or(|session| session.try_send_gathered());
                state.send_is_scheduled = !is_sent;
                is_sent
            }
            // Whoever has the lock is sending.
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Poisoned(_)) => true,
        }
    }
}

impl OneWayGuard<'_> {
    /// The session is lost, and with it perhaps messages that were not confirmed.
    fn lose(&mut self, error: Error) -> Error {
        if let Some(mut session) = self.session.take() {
            if let Some(refused) = session.take_one_way_error() {
                self.confirmations.refuse(refused);
            }
            session.leave();
        }
        let again = Error::new(error.kind(), error.message().to_owned());
        self.confirmations.retire(|| error).unwrap_or(again)
    }

    fn flush(&mut self, until: &Until<'_>) -> Result<()> {
        if !self.confirmations.is_unconfirmed() {
            return Ok(());
        }
        let Some(session) = self.session.as_mut() else { return Ok(()) };
        match session.call(until, ThreadSession::flush) {
            Ok(()) => {
                self.confirmations.confirm(self.confirmations.sent());
                Ok(())
            }
            Err(failed) if session.is_open() => {
                // One of them was refused; the others have arrived.
                self.confirmations.confirm(self.confirmations.sent());
                Err(failed.into())
            }
            Err(failed) => Err(self.lose(failed.into())),
        }
    }
}

impl Drop for OneWayGuard<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.sender.state);
        state.session = self.session.take();
        state.confirmations = std::mem::take(&mut self.confirmations);
        state.last = self.last;
        state.is_lent = false;
        drop(state);
        self.sender.returned.notify_one();
    }
}

impl BlockingClient {
    pub(crate) fn open(channel: &Channel, options: &Options) -> Result<BlockingClient> {
        let client = BlockingClient {
            target: Target::new(channel, options)?.into_owned(),
            born: fork::generation(),
            closed: AtomicBool::new(false),
            closing: Cancellation::new(),
            cut: Cancellation::new(),
            idle: Mutex::default(),
            one_way: Arc::default(),
        };
        let until = Until { caller: options.cancellation.as_ref(), ..Until::default() };
        if let Presence::Native = client.target.look(&until)?
            && let Connected::Native(stream) =
                client.target.connect(Purpose { body: None, timeout: options.timeout }, &until)?
        {
            client.idle.put(client.session(stream, &client.closing)?);
        }
        Ok(client)
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.target.channel
    }

    /// The options of a stream that is opened with it.
    pub(crate) fn stream_options(&self, given: Option<&Options>) -> Result<Options> {
        self.check_open()?;
        Ok(self.target.options.for_stream(given))
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.target.options.timeout
    }

    pub(crate) fn request(
        &self,
        message: MessageRef<'_>,
        timeout: Option<Duration>,
        caller: Option<&Cancellation>,
    ) -> Result<Message> {
        self.check_open()?;
        self.target.check_body(message)?;
        self.call(
            Purpose { body: Some(message.kind()), timeout },
            caller,
            |session, until| session.request(message, timeout, until),
            |stream, until| {
                self.post_deno(stream, Mode::Request, message, until).map(|reply| reply.unwrap_or_else(Message::null))
            },
        )
    }

    pub(crate) fn ping(&self, call: &Call) -> Result<Duration> {
        self.check_open()?;
        let caller = call.cancellation.as_ref();
        if let Presence::Other = self.target.look(&Until { deadline: None, caller, client: Some(&self.closing) })? {
            return Err(super::no_ping());
        }
        let began = Instant::now();
        let purpose = Purpose { body: None, timeout: call.timeout_or(self.timeout()) };
        self.call(purpose, caller, ThreadSession::ping, |_, _| Err(super::no_ping()))?;
        Ok(began.elapsed())
    }

    /// One call on a session that is free, or on a new one.
    #[inline]
    fn call<T>(
        &self,
        purpose: Purpose,
        caller: Option<&Cancellation>,
        on_session: impl FnMut(&mut ThreadSession, &Until<'_>) -> Attempt<T>,
        on_deno: impl FnOnce(Stream, &Until<'_>) -> Result<T>,
    ) -> Result<T> {
        let until = Until { deadline: None, caller, client: Some(&self.closing) };
        let new_session = |stream| self.session(stream, &self.closing);
        replace::call(&self.target, &self.idle, purpose, &until, new_session, on_session, on_deno)
    }

    fn post_deno(
        &self,
        stream: Stream,
        mode: Mode,
        message: MessageRef<'_>,
        until: &Until<'_>,
    ) -> Result<Option<Message>> {
        let options = &self.target.options;
        deno::Exchange::new(stream, mode, options.max_message).run(message, until, options.spin)
    }

    /// Sends a message that nobody answers, with those that come right after it.
    pub(crate) fn send_one_way(&self, message: MessageRef<'_>) -> Result<()> {
        self.check_open()?;
        self.target.check_body(message)?;
        let mut state = lock(&self.one_way.state);
        if state.send_is_scheduled
            && let Some(session) = &mut state.session
            && session.join_gathered(message)
        {
            state.confirmations.count();
            return Ok(());
        }
        let until = Until { client: Some(&self.cut), ..Until::new(self.timeout(), None) };
        let mut guard = self.one_way.borrow(state, &Until { client: Some(&self.closing), ..until })?;
        let done = self.send_one_way_on(&mut guard, message, until);
        let schedule_send = std::mem::take(&mut guard.schedule_send);
        drop(guard);
        if schedule_send {
            self.schedule_send();
        }
        done
    }

    fn send_one_way_on(
        &self,
        guard: &mut OneWayGuard<'_>,
        message: MessageRef<'_>,
        mut until: Until<'_>,
    ) -> Result<()> {
        let mut tries = Tries::default();
        loop {
            let unconfirmed = guard.confirmations.is_unconfirmed();
            let is_new = !guard.session.as_mut().is_some_and(|session| unconfirmed || session.is_usable());
            if is_new {
                let connecting = Until { client: Some(&self.closing), ..until };
                let connected =
                    self.target.connect(Purpose { body: Some(message.kind()), timeout: self.timeout() }, &connecting);
                until = until.within(self.timeout());
                match connected.map_err(|error| tries.unreached(error))? {
                    Connected::Native(stream) => guard.session = Some(self.session(stream, &self.cut)?),
                    Connected::Deno(stream) => {
                        return self.post_deno(stream, Mode::Broadcast, message, &until).map(drop);
                    }
                }
            }
            let now = Instant::now();
            let together = guard.last.is_some_and(|last| now - last < TOGETHER);
            guard.last = Some(now);
            let session = guard.session.as_mut().expect("it is ready");
            let done = session
                .send_one_way(message, &until)
                .and_then(|()| if together { Ok(()) } else { session.send_gathered(&until) });
            match done {
                Ok(()) => {
                    guard.confirmations.count();
                    guard.schedule_send = together;
                    return Ok(());
                }
                Err(Failed::NotTaken(error)) if !guard.confirmations.is_unconfirmed() => {
                    guard.session = None;
                    tries.not_taken(error, is_new)?;
                }
                // Only this message was refused: those before it are on their way.
                Err(failed) if session.is_open() => return Err(failed.into()),
                Err(failed) => return Err(guard.lose(failed.into())),
            }
        }
    }

    /// Has a thread send what has gathered, in case nothing else does.
    fn schedule_send(&self) {
        let mut state = lock(&self.one_way.state);
        if state.send_is_scheduled {
            return;
        }
        state.send_is_scheduled = true;
        drop(state);
        if late_sends::schedule(Arc::clone(&self.one_way) as Arc<dyn Gathers>).is_err() {
            // What has gathered goes with what the client does next.
            lock(&self.one_way.state).send_is_scheduled = false;
        }
    }

    /// Waits until every one-way message has been handed to the handler.
    pub(crate) fn flush(&self, call: &Call) -> Result<()> {
        self.check_open()?;
        let waiting = Until {
            client: Some(&self.closing),
            ..Until::new(call.timeout_or(self.timeout()), call.cancellation.as_ref())
        };
        let mut guard = self.one_way.borrow(lock(&self.one_way.state), &waiting)?;
        // Once it has the session it makes sure of what `close` would make sure of right after.
        guard.flush(&Until { client: Some(&self.cut), ..waiting })
    }

    /// Ends what waits, flushes and closes. Later calls do nothing.
    pub(crate) fn close(&self, call: &Call) -> Result<()> {
        fork::check(self.born, "client")?;
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        self.closing.cancel();
        self.one_way.wake_all();
        lock(&self.idle).close();
        let until = Until::new(call.timeout_or(self.timeout()), call.cancellation.as_ref());
        let closed = match self.one_way.borrow(lock(&self.one_way.state), &until) {
            Ok(mut guard) => {
                let flushed = guard.flush(&until);
                drop(guard.session.take());
                flushed
            }
            Err(error) => {
                // Who has the session is told that it is over, and says itself what became of its messages.
                self.cut.cancel();
                let now = Until::default();
                let mut guard = self.one_way.borrow(lock(&self.one_way.state), &now)?;
                Err(guard.lose(error))
            }
        };
        self.cut.cancel();
        closed
    }

    fn check_open(&self) -> Result<()> {
        fork::check(self.born, "client")?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(super::closed());
        }
        Ok(())
    }

    fn session(&self, stream: Stream, ended_by: &Cancellation) -> Result<Box<ThreadSession>> {
        ThreadSession::new(stream, &self.target.options).map(|session| session.ended_by(ended_by))
    }
}

impl Drop for BlockingClient {
    fn drop(&mut self) {
        if self.born != fork::generation() {
            return;
        }
        let mut state = lock(&self.one_way.state);
        if let Some(mut session) = state.session.take() {
            let _nobody_asked_to_know = session.send_gathered(&Until::new(Some(FAREWELL), None));
            if state.confirmations.is_unconfirmed() {
                session.leave();
            }
        }
    }
}
