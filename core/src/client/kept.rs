//! The blocking client: one channel kept open, used from any number of threads.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::{Duration, Instant};

use super::connect::{Connected, LONGEST_PAUSE, Presence, connect, is_native, presence};
use super::exclusive::Exclusive;
use super::post::{TRIES, address};
use super::{Attempt, Failed, check_size, deadline, deno};
use crate::background;
use crate::channel::{Address, Channel};
use crate::error::{Error, Result};
use crate::interrupt;
use crate::lock::lock;
use crate::message::{Message, MessageRef};
use crate::options::Options;
use crate::server::Mode;
use crate::transport::fork;

/// The most sessions that wait for the next request.
const MOST_IDLE: usize = 16;
/// One-way messages that follow each other within this time are sent together.
const TOGETHER: Duration = Duration::from_micros(50);
/// What has gathered is sent at the latest after this.
const LATEST: Duration = Duration::from_millis(1);
/// How long a client that is dropped tries to get rid of what has gathered.
const FAREWELL: Duration = Duration::from_secs(1);

/// A channel kept open.
pub(crate) struct Kept {
    channel: Channel,
    address: Address,
    options: Options,
    born: u32,
    closed: AtomicBool,
    /// Sessions that no request is using.
    #[expect(clippy::vec_box, reason = "they go in and out with every message")]
    sessions: Mutex<Vec<Box<Exclusive>>>,
    /// The session of one-way messages: they keep their order.
    casts: Arc<Mutex<Casts>>,
}

#[derive(Default)]
struct Casts {
    session: Option<Box<Exclusive>>,
    /// Messages since the last flush.
    unconfirmed: u64,
    /// What became of earlier ones, where that has not been said yet.
    error: Option<Error>,
    last: Option<Instant>,
    /// A task will send what has gathered.
    sender_is_coming: bool,
}

impl Kept {
    pub(crate) fn open(channel: &Channel, options: &Options) -> Result<Kept> {
        options.check()?;
        let address = address(channel, options)?;
        let kept = Kept {
            channel: channel.clone(),
            address,
            options: options.clone(),
            born: fork::generation(),
            closed: AtomicBool::new(false),
            sessions: Mutex::default(),
            casts: Arc::default(),
        };
        kept.meet()?;
        Ok(kept)
    }

    /// Makes sure that somebody listens. A listener of the Deno original is not connected to before
    /// there is a message for it: its process would end if nothing came.
    fn meet(&self) -> Result<()> {
        let began = Instant::now();
        loop {
            match presence(&self.channel, &self.address, &self.options) {
                Ok(Presence::Native) => {
                    if let Connected::Native(socket) = self.connect()? {
                        lock(&self.sessions).push(self.session(socket)?);
                    }
                    return Ok(());
                }
                Ok(Presence::Other) => return Ok(()),
                Err(error) if began.elapsed() >= self.options.wait => return Err(error),
                Err(_) => interrupt::sleep(LONGEST_PAUSE)?,
            }
        }
    }

    pub(crate) fn channel(&self) -> &Channel {
        &self.channel
    }

    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.options.timeout
    }

    pub(crate) fn request(&self, message: MessageRef<'_>, timeout: Option<Duration>) -> Result<Message> {
        self.check_open()?;
        check_size(message, &self.options)?;
        let until = deadline(timeout);
        self.exchange(
            |session| session.request(message, timeout, until),
            |exchange| exchange.run(message, until, self.options.spin).map(|reply| reply.unwrap_or_else(Message::null)),
        )
    }

    pub(crate) fn ping(&self) -> Result<Duration> {
        self.check_open()?;
        let began = Instant::now();
        let until = deadline(self.options.timeout);
        if !is_native(&self.channel, &self.address, &self.options)? {
            return Err(super::no_ping());
        }
        self.exchange(|session| session.ping(until), |_| Err(super::no_ping()))?;
        Ok(began.elapsed())
    }

    /// One call on a session that is free, or on a new one.
    fn exchange<T>(
        &self,
        mut on_session: impl FnMut(&mut Exclusive) -> Attempt<T>,
        on_deno: impl FnOnce(deno::Exchange) -> Result<T>,
    ) -> Result<T> {
        let mut not_taken = None;
        for _ in 0..TRIES {
            let free = loop {
                let mut free = lock(&self.sessions).pop();
                if free.as_mut().is_none_or(|session| session.may_be_used()) {
                    break free;
                }
            };
            let mut session = match free {
                Some(session) => session,
                None => match self.connect()? {
                    Connected::Native(socket) => self.session(socket)?,
                    Connected::Deno(socket) => {
                        return on_deno(deno::Exchange::new(socket, Mode::Request, self.options.max_message));
                    }
                },
            };
            let done = on_session(&mut session);
            if session.is_open() && !self.closed.load(Ordering::SeqCst) {
                let mut sessions = lock(&self.sessions);
                if sessions.len() < MOST_IDLE {
                    sessions.push(session);
                }
            }
            match done {
                Err(Failed::NotTaken(error)) => not_taken = Some(error),
                done => return done.map_err(Error::from),
            }
        }
        Err(not_taken.expect("every try that did not return left its error"))
    }

    /// Sends a message that nobody answers, with those that come right after it.
    pub(crate) fn cast(&self, message: MessageRef<'_>) -> Result<()> {
        self.check_open()?;
        check_size(message, &self.options)?;
        let casts = &mut *lock(&self.casts);
        if let Some(error) = casts.error.take() {
            return Err(error);
        }
        if casts.sender_is_coming
            && let Some(session) = &mut casts.session
            && session.join_gathered(message)
        {
            casts.unconfirmed += 1;
            return Ok(());
        }
        let until = deadline(self.options.timeout);
        let mut not_taken = None;
        for _ in 0..TRIES {
            let unconfirmed = casts.unconfirmed;
            if !casts.session.as_mut().is_some_and(|session| unconfirmed > 0 || session.is_usable()) {
                match self.connect()? {
                    Connected::Native(socket) => casts.session = Some(self.session(socket)?),
                    Connected::Deno(socket) => {
                        let exchange = deno::Exchange::new(socket, Mode::Broadcast, self.options.max_message);
                        return exchange.run(message, until, self.options.spin).map(drop);
                    }
                }
            }
            let now = Instant::now();
            let together = casts.last.is_some_and(|last| now - last < TOGETHER);
            casts.last = Some(now);
            let session = casts.session.as_mut().expect("it is ready");
            let done = session
                .cast(message, until)
                .and_then(|()| if together { Ok(()) } else { session.send_gathered(until) });
            match done {
                Ok(()) => {
                    casts.unconfirmed += 1;
                    if together {
                        self.send_soon(casts);
                    }
                    return Ok(());
                }
                Err(Failed::NotTaken(error)) if casts.unconfirmed == 0 => {
                    casts.session = None;
                    not_taken = Some(error);
                }
                // Only this message was refused: those before it are on their way.
                Err(failed) if session.is_open() => return Err(failed.into()),
                Err(failed) => return Err(casts.lose(failed.into())),
            }
        }
        Err(not_taken.expect("every try that did not return left its error"))
    }

    /// Has a task send what has gathered, in case nothing else does.
    fn send_soon(&self, casts: &mut Casts) {
        if casts.sender_is_coming {
            return;
        }
        let Ok(runtime) = background::calls() else { return };
        casts.sender_is_coming = true;
        let casts = Arc::clone(&self.casts);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(LATEST).await;
                match casts.try_lock() {
                    Ok(mut casts) => {
                        if casts.session.as_mut().is_none_or(|session| session.try_send_gathered()) {
                            casts.sender_is_coming = false;
                            return;
                        }
                    }
                    // Whoever has the lock is sending.
                    Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Poisoned(_)) => return,
                }
            }
        });
    }

    /// Waits until every one-way message has been handed to the handler.
    pub(crate) fn flush(&self) -> Result<()> {
        self.check_open()?;
        self.flush_casts(&mut lock(&self.casts))
    }

    fn flush_casts(&self, casts: &mut Casts) -> Result<()> {
        if let Some(error) = casts.error.take() {
            return Err(error);
        }
        if casts.unconfirmed == 0 {
            return Ok(());
        }
        let Some(session) = casts.session.as_mut() else { return Ok(()) };
        match session.flush(deadline(self.options.timeout)) {
            Ok(()) => {
                casts.unconfirmed = 0;
                Ok(())
            }
            Err(failed) if session.is_open() => {
                // One of them was refused; the others have arrived.
                casts.unconfirmed = 0;
                Err(failed.into())
            }
            Err(failed) => Err(casts.lose(failed.into())),
        }
    }

    /// Flushes and closes. Later calls do nothing.
    pub(crate) fn close(&self) -> Result<()> {
        fork::check(self.born, "client")?;
        if self.closed.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        lock(&self.sessions).clear();
        let mut casts = lock(&self.casts);
        let flushed = self.flush_casts(&mut casts);
        casts.session = None;
        flushed
    }

    fn check_open(&self) -> Result<()> {
        fork::check(self.born, "client")?;
        if self.closed.load(Ordering::Relaxed) {
            return Err(super::closed());
        }
        Ok(())
    }

    fn connect(&self) -> Result<Connected> {
        let until = deadline(self.options.timeout.map(|timeout| timeout + self.options.wait));
        connect(&self.channel, &self.address, &self.options, until)
    }

    fn session(&self, socket: crate::transport::socket::Socket) -> Result<Box<Exclusive>> {
        Exclusive::new(socket, self.options.max_message, self.options.spin)
    }
}

impl Casts {
    /// The session is lost, and with it perhaps messages that were not confirmed.
    fn lose(&mut self, error: Error) -> Error {
        let lost = std::mem::take(&mut self.unconfirmed);
        self.session = None;
        super::unconfirmed(lost, error)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if self.born != fork::generation() {
            return;
        }
        let mut casts = lock(&self.casts);
        if let Some(mut session) = casts.session.take() {
            let _nobody_asked_to_know = session.send_gathered(deadline(Some(FAREWELL)));
            if casts.unconfirmed > 0 {
                session.leave();
            }
        }
    }
}
