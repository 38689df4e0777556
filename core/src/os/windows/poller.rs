//! Many streams and a clock behind one event that somebody else's event loop waits for.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use windows_sys::Win32::Foundation::FILETIME;
use windows_sys::Win32::System::Threading::{
    CloseThreadpoolTimer, CreateThreadpoolTimer, PTP_CALLBACK_INSTANCE, PTP_TIMER, SetThreadpoolTimer,
    WaitForThreadpoolTimerCallbacks,
};

use super::ask::{Ask, Askable};
use super::event::{Event, wait_for_any};
use super::pool_wait::{PoolWait, Told as Tells};
use super::stream::{Core, Stream};
use super::waitable::number_of;
use super::waker::Waker;
use crate::lock::lock;
use crate::os::RawWaitable;
use crate::os::interest::Interest;

/// The token that tells that the bell was rung.
pub(crate) const RUNG: u64 = u64::MAX - 1;

/// The longest time that the clock is set to: what is longer is as good as for ever.
const LONGEST: Duration = Duration::from_secs(1 << 32);

/// Its event is set while a watched stream is ready or the time has come, as of the last look at the questions that are open:
/// [`arm`](Poller::arm) and [`wait`](Poller::wait) look, and ask again about streams that were ready.
#[derive(Debug)]
pub(crate) struct Poller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Set by the kernel when a question is answered, by the clock, and under `state` where a look finds that it should be;
    /// cleared under `state`.
    event: Arc<Event>,
    state: Mutex<State>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    watched: Vec<Watched>,
    /// The time at which the event is set.
    armed: Option<Instant>,
    /// The bell was rung, and nobody has asked what is ready since.
    is_rung: bool,
}

#[derive(Debug)]
struct Watched {
    stream: Weak<Core>,
    token: u64,
    room: bool,
    // Dropped in this order: nobody waits for a question that is taken back.
    /// Has the write in flight of a pipe set the poller's event.
    room_wait: Option<PoolWait>,
    /// What was asked last; `None`: it could not be, and somebody is to look.
    ask: Option<Ask>,
}

/// Sets the event of a poller.
#[derive(Debug)]
struct Sets(Arc<Event>);

impl Tells for Sets {
    fn tell(&self) {
        self.0.set();
    }
}

impl Watched {
    fn is_ready(&self) -> bool {
        self.ask.as_ref().is_none_or(Ask::is_answered)
    }

    /// Whether it is to be asked about again: it was ready, or was for a moment, of which nobody would be told twice.
    fn is_to_be_asked(&self) -> bool {
        self.is_ready() || self.room_wait.as_ref().is_some_and(PoolWait::has_told)
    }

    /// Asks; `false`: the stream is gone.
    fn ask(&mut self, event: &Arc<Event>) -> bool {
        let Some(stream) = self.stream.upgrade() else { return false };
        let interest = if self.room { Interest::Both } else { Interest::Read };
        self.room_wait = None;
        self.ask = None;
        self.ask = stream.ask(interest, event).ok();
        if let Some(other) = self.ask.as_ref().and_then(Ask::other_event) {
            // Without it somebody is to look.
            self.room_wait = PoolWait::new(Arc::clone(other), Arc::new(Sets(Arc::clone(event)))).ok();
            if self.room_wait.is_none() {
                self.ask = None;
            }
        }
        true
    }
}

impl Poller {
    /// Whether it looks at hundreds of sockets as quickly as at one: each is asked about by itself.
    #[cfg(feature = "tokio")]
    pub(crate) const SERVES_MANY: bool = false;

    pub(crate) fn new() -> io::Result<Poller> {
        let event = Arc::new(Event::new()?);
        let clock = Clock::new(Arc::clone(&event))?;
        Ok(Poller(Arc::new(Inner { event, state: Mutex::default(), clock })))
    }

    /// Watches a stream for what can be received, and for room to send if `room`. Dropping the stream
    /// ends it.
    pub(crate) fn watch(&self, stream: &Stream, token: u64, room: bool) -> io::Result<()> {
        let mut state = lock(&self.0.state);
        let stream = Arc::downgrade(stream.core());
        state.watched.retain(|watched| !watched.stream.ptr_eq(&stream));
        let mut watched = Watched { stream, token, room, room_wait: None, ask: None };
        watched.ask(&self.0.event);
        if watched.ask.is_none() {
            return Err(io::Error::last_os_error());
        }
        state.watched.push(watched);
        self.0.tell(&state);
        Ok(())
    }

    /// Changes whether room to send is watched for.
    pub(crate) fn watch_again(&self, stream: &Stream, token: u64, room: bool) -> io::Result<()> {
        self.watch(stream, token, room)
    }

    /// Ends it for a stream that lives on elsewhere.
    pub(crate) fn forget(&self, stream: &Stream) {
        lock(&self.0.state)
            .watched
            .retain(|watched| !std::ptr::eq(watched.stream.as_ptr(), Arc::as_ptr(stream.core())));
    }

    /// What other threads set the event by: one for each poller.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it is made of a descriptor, which can fail")]
    pub(crate) fn bell(&mut self) -> io::Result<Bell> {
        Ok(Bell(Arc::clone(&self.0)))
    }

    /// Sets the time at which the event is set; `None` is never.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it is a system call, which can fail")]
    pub(crate) fn arm(&mut self, at: Option<Instant>) -> io::Result<()> {
        let mut state = lock(&self.0.state);
        if state.armed != at {
            state.armed = at;
            self.0.clock.set(at);
        }
        self.0.look(&mut state);
        Ok(())
    }

    /// The time that is set.
    pub(crate) fn armed(&self) -> Option<Instant> {
        lock(&self.0.state).armed
    }

    /// The tokens of the streams that are ready now, without waiting; [`RUNG`] where the bell was rung since this was last asked.
    #[expect(clippy::unnecessary_wraps, reason = "elsewhere it is a system call, which can fail")]
    pub(crate) fn ready(&self, tokens: &mut Vec<u64>) -> io::Result<()> {
        let mut state = lock(&self.0.state);
        if std::mem::take(&mut state.is_rung) {
            tokens.push(RUNG);
        }
        tokens.extend(state.watched.iter().filter(|watched| watched.is_ready()).map(|watched| watched.token));
        Ok(())
    }

    /// Waits until something is ready; `false` when the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        self.0.look(&mut lock(&self.0.state));
        wait_for_any(&[self.0.event.handle()], timeout)
    }

    /// A second hold on what is watched, for a thread that waits while another one uses the poller: the same event.
    pub(crate) fn readiness(&self) -> Readiness {
        Readiness(Arc::clone(&self.0))
    }

    /// What an event loop waits for, for as long as this lives.
    pub(crate) fn raw_waitable(&self) -> RawWaitable {
        number_of(self.0.event.handle())
    }
}

impl Inner {
    /// Asks again about what was ready, since it may not be any more, and sets the event where there is something to do.
    fn look(&self, state: &mut State) {
        self.event.clear();
        state.watched.retain_mut(|watched| !watched.is_to_be_asked() || watched.ask(&self.event));
        self.tell(state);
    }

    /// Sets the event where there is something to do: a question that was asked has cleared it.
    fn tell(&self, state: &State) {
        let now = Instant::now();
        let has_come = state.armed.is_some_and(|at| at <= now);
        if has_come || state.is_rung || state.watched.iter().any(Watched::is_ready) {
            self.event.set();
        } else if self.clock.take_early() {
            self.clock.set(state.armed);
        }
    }
}

/// Sets a poller's event, from any thread, until the poller has been asked what is [ready](Poller::ready). Clones are the same
/// one.
#[derive(Clone, Debug)]
pub(crate) struct Bell(Arc<Inner>);

impl Bell {
    /// Does not wait.
    pub(crate) fn ring(&self) {
        let mut state = lock(&self.0.state);
        state.is_rung = true;
        self.0.event.set();
    }
}

/// Tells when a poller has something ready, whatever it is made of.
#[derive(Debug)]
pub(crate) struct Readiness(Arc<Inner>);

impl Readiness {
    /// Waits until something is ready; `false` when the time is over.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> io::Result<bool> {
        wait_for_any(&[self.0.event.handle()], timeout)
    }

    /// The same; `false` also where `waker` was woken.
    pub(crate) fn wait_or_woken(&self, waker: Option<&Waker>, timeout: Option<Duration>) -> io::Result<bool> {
        let mut handles = vec![self.0.event.handle()];
        handles.extend(waker.map(Waker::handle));
        wait_for_any(&handles, timeout)?;
        Ok(self.0.event.is_set())
    }

    /// What an event loop waits for, for as long as this lives.
    pub(crate) fn raw_waitable(&self) -> RawWaitable {
        number_of(self.0.event.handle())
    }

    pub(super) fn event(&self) -> &Arc<Event> {
        &self.0.event
    }
}

/// A timer of the system's thread pool that sets an event.
#[derive(Debug)]
struct Clock {
    timer: PTP_TIMER,
    told: Box<Told>,
}

#[derive(Debug)]
struct Told {
    /// Whether the timer has run out since this was last asked. Set by the pool's thread before it sets the event, which
    /// orders it; taken by whoever looks.
    has_run_out: AtomicBool,
    event: Arc<Event>,
}

impl Clock {
    fn new(event: Arc<Event>) -> io::Result<Clock> {
        let told = Box::new(Told { has_run_out: AtomicBool::new(false), event });
        // SAFETY: the memory that the callback gets outlives the timer, which `drop` ends first.
        let timer =
            unsafe { CreateThreadpoolTimer(Some(run_out), (&raw const *told).cast_mut().cast(), std::ptr::null()) };
        if timer == 0 { Err(io::Error::last_os_error()) } else { Ok(Clock { timer, told }) }
    }

    fn set(&self, at: Option<Instant>) {
        let Some(at) = at else {
            // SAFETY: the timer lives; no time turns it off.
            return unsafe { SetThreadpoolTimer(self.timer, std::ptr::null(), 0, 0) };
        };
        // A little later, since the two clocks do not tick together. In units of 100 ns, negative: from now on.
        let left = at.saturating_duration_since(Instant::now()).min(LONGEST) + Duration::from_micros(500);
        let after = -(i64::try_from(left.as_nanos() / 100).unwrap_or(i64::MAX));
        let bits = after.cast_unsigned();
        let due = FILETIME { dwLowDateTime: bits as u32, dwHighDateTime: (bits >> 32) as u32 };
        // SAFETY: the timer lives, and the structure outlives the call.
        unsafe { SetThreadpoolTimer(self.timer, &raw const due, 0, 0) };
    }

    /// Whether it has run out since this was last asked.
    fn take_early(&self) -> bool {
        self.told.has_run_out.swap(false, Ordering::Relaxed)
    }
}

unsafe extern "system" fn run_out(_: PTP_CALLBACK_INSTANCE, told: *mut std::ffi::c_void, _: PTP_TIMER) {
    // SAFETY: what `Clock::new` gave, which lives until no callback runs any more.
    let told = unsafe { &*told.cast::<Told>() };
    told.has_run_out.store(true, Ordering::Relaxed);
    told.event.set();
}

impl Drop for Clock {
    fn drop(&mut self) {
        // SAFETY: the timer lives; after the second call no callback runs or will.
        unsafe {
            SetThreadpoolTimer(self.timer, std::ptr::null(), 0, 0);
            WaitForThreadpoolTimerCallbacks(self.timer, 1);
            CloseThreadpoolTimer(self.timer);
        }
    }
}
