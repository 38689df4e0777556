//! What asynchronous calls run on: one event-loop queue for the process, and a thread that drives it.
//!
//! A call goes into the queue in the thread that makes it, under the engine's lock, and mostly leaves the process there
//! and then. The engine's thread waits for what comes back, and is the only one that calls C back. It holds no lock
//! while it waits and while C's code runs, so callbacks may begin, cancel and close whatever they like.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use simple_ipc::event_loop::{Queue, Readiness, Ticket};
use simple_ipc::{Error, ErrorKind, ForkLocal, Message, Result};

use crate::boundary;
use crate::callback::{Then, in_callback};
use crate::calls::Calls;
use crate::lock::{lock, wait_while};
use crate::message::sipc_message;

/// The engine of this process. It is made when it is first needed, and never freed.
static ENGINE: ForkLocal<Mutex<Option<Arc<Engine>>>> = ForkLocal::new();

/// How long a wait for the end of a call sleeps at least, when its time is over and the queue's clock has not noticed.
const SHORT: Duration = Duration::from_millis(1);

/// How soon the engine's thread goes on after the system has refused it a wait or a look.
const AFTER_FAILURE: Duration = Duration::from_millis(10);

/// How many looks in a row may fail before the engine's calls end with that error: about a second.
const MOST_FAILURES: u32 = 100;

pub(crate) struct Engine(Mutex<Shared>);

struct Shared {
    calls: Calls<Whom>,
    /// What C is to be told next, in order. Only the engine's thread takes from it.
    due: Vec<(Asynchronous, Result<Option<Message>>)>,
    /// The engine's thread will process the queue before it waits: nobody has to wake it. That thread alone sets it to
    /// `false`.
    is_awake: bool,
    /// The engine's thread has ended, after a defect or because the queue no longer works.
    is_broken: bool,
}

/// Who is told what a call comes to.
enum Whom {
    Callback(Asynchronous),
    Waiting(Arc<Waiting>),
}

/// A call that owes C a callback.
pub(crate) struct Asynchronous {
    then: Then,
    progress: Arc<Progress>,
    /// Dropped after the callback has returned and its user data is gone.
    under_way: Option<UnderWay>,
}

/// How far a call is. Shared by C's handle and the engine.
#[derive(Default)]
pub(crate) struct Progress {
    /// Where to cancel it, and its number there. Set under the lock of what serves it, before the call can end; stays
    /// empty where it ended at once.
    begun: OnceLock<(Arc<dyn GivesUp>, u64)>,
    end: Mutex<End>,
    /// The call has finished: told only where somebody waits for it, since that is a system call.
    finishes: Condvar,
}

#[derive(Default)]
struct End {
    /// The callback has returned and its user data is gone.
    is_finished: bool,
    /// How many threads wait for that.
    waiters: u32,
}

/// What serves asynchronous calls, each of which has a number there.
pub(crate) trait GivesUp: Send + Sync {
    /// Ends a call with [`ErrorKind::Cancelled`], if it is still under way.
    fn give_up(&self, number: u64);
}

/// What counts the calls that have yet to call back.
pub(crate) trait Counts: Send + Sync {
    /// One of them has.
    fn one_less(&self);
}

/// A call that has been counted.
pub(crate) struct UnderWay(pub(crate) Arc<dyn Counts>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.one_less();
    }
}

/// A call that a thread of C's waits for.
#[derive(Default)]
pub(crate) struct Waiting {
    result: Mutex<Option<Result<()>>>,
    is_over: Condvar,
}

impl Waiting {
    fn end(&self, result: Result<()>) {
        *lock(&self.result) = Some(result);
        self.is_over.notify_all();
    }
}

impl Asynchronous {
    pub(crate) fn new(then: Then) -> Result<Asynchronous> {
        then.check_callback()?;
        Ok(Asynchronous { then, progress: Arc::default(), under_way: None })
    }

    /// The same, counted.
    pub(crate) fn counted(self, under_way: UnderWay) -> Asynchronous {
        Asynchronous { under_way: Some(under_way), ..self }
    }

    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// Calls C back. No lock may be held.
    fn finish(self, result: Result<Option<Message>>) {
        self.finish_with(sipc_message::answer(result));
    }

    /// The same, with a message that is C's already.
    pub(crate) fn finish_with(self, result: Result<Option<sipc_message>>) {
        in_callback(|| self.then.run(result));
        drop(self.under_way);
        let is_waited_for = {
            let mut end = lock(&self.progress.end);
            end.is_finished = true;
            end.waiters > 0
        };
        if is_waited_for {
            self.progress.finishes.notify_all();
        }
    }
}

impl Progress {
    /// Notes where the call is served, before it can end.
    pub(crate) fn set_begun(&self, server: Arc<dyn GivesUp>, number: u64) {
        let _first = self.begun.set((server, number));
    }

    /// Gives the call up, if it is still under way.
    pub(crate) fn cancel(&self) {
        if let Some((server, number)) = self.begun.get() {
            server.give_up(*number);
        }
    }

    /// Waits for its end; `false` if that has not come by `until`.
    pub(crate) fn wait(&self, until: Option<Instant>) -> bool {
        let mut end = lock(&self.end);
        end.waiters += 1;
        let (mut end, is_over) = wait_while(&self.finishes, end, until, |end| !end.is_finished);
        end.waiters -= 1;
        !is_over
    }
}

/// The engine, which is started where there is none.
pub(crate) fn engine() -> Result<Arc<Engine>> {
    let mut slot = lock(ENGINE.get());
    if let Some(engine) = &*slot
        && !lock(&engine.0).is_broken
    {
        return Ok(Arc::clone(engine));
    }
    let calls = Calls::new()?;
    let readiness = calls.queue.readiness()?;
    let engine = Arc::new(Engine(Mutex::new(Shared { calls, due: Vec::new(), is_awake: false, is_broken: false })));
    let driven = Arc::clone(&engine);
    thread::Builder::new()
        .name("simple-ipc-loop".to_owned())
        .spawn(move || drive(&driven, &readiness))
        .map_err(|error| Error::from_os("cannot start a background thread", error))?;
    *slot = Some(Arc::clone(&engine));
    Ok(engine)
}

/// What the engine's thread does.
fn drive(engine: &Engine, readiness: &Readiness) {
    let mut due = Vec::new();
    let mut failures = 0;
    let why = loop {
        match boundary::guarded(|| engine.turn(&mut due)) {
            Ok(Ok(true)) => failures = 0,
            Ok(Ok(false)) => {
                failures = 0;
                // For want of memory, say: what is there is looked at all the same, a little later.
                if readiness.wait().is_err() {
                    thread::sleep(AFTER_FAILURE);
                }
            }
            Ok(Err(_)) if failures < MOST_FAILURES => {
                failures += 1;
                thread::sleep(AFTER_FAILURE);
            }
            Ok(Err(error)) | Err(error) => break error,
        }
    };
    engine.break_down(&why);
}

/// The engine while it is locked: calls go into it.
pub(crate) struct Entered<'a> {
    engine: &'a Arc<Engine>,
    shared: MutexGuard<'a, Shared>,
}

impl Engine {
    /// Locks the engine, unless its thread has ended.
    pub(crate) fn enter(self: &Arc<Engine>) -> Result<Entered<'_>> {
        let shared = lock(&self.0);
        if shared.is_broken {
            return Err(Error::new(ErrorKind::Internal, "the thread that drives asynchronous calls has ended"));
        }
        Ok(Entered { engine: self, shared })
    }

    /// Waits for the end of a call; `until` is when it is over at the latest, by the queue's own clock.
    pub(crate) fn wait_for(&self, waiting: &Waiting, until: Option<Instant>) -> Result<()> {
        let mut result = lock(&waiting.result);
        loop {
            if let Some(result) = result.take() {
                return result;
            }
            let at_least = until.map(|until| until.max(Instant::now() + SHORT));
            let (its_end, is_over) = wait_while(&waiting.is_over, result, at_least, |result| result.is_none());
            result = its_end;
            if is_over {
                drop(result);
                // The engine's thread may be in a callback that does not return.
                let processed = lock(&self.0).process();
                result = lock(&waiting.result);
                if let Err(error) = processed {
                    result.get_or_insert(Err(error));
                }
            }
        }
    }

    /// Does what there is to do, then calls back. `false` if nothing was to be called: the thread may wait.
    fn turn(&self, due: &mut Vec<(Asynchronous, Result<Option<Message>>)>) -> Result<bool> {
        let mut shared = lock(&self.0);
        shared.is_awake = true;
        shared.process()?;
        std::mem::swap(due, &mut shared.due);
        shared.is_awake = !due.is_empty();
        drop(shared);
        let calls_back = !due.is_empty();
        for (call, result) in due.drain(..) {
            call.finish(result);
        }
        Ok(calls_back)
    }

    /// The thread ends: whoever waits hears of it.
    fn break_down(&self, why: &Error) {
        let (owed, due) = {
            let mut shared = lock(&self.0);
            shared.is_broken = true;
            (shared.calls.take_all(), std::mem::take(&mut shared.due))
        };
        for (call, result) in due {
            call.finish(result);
        }
        for whom in owed {
            let error = Error::new(why.kind(), why.message().to_owned()).after_sending();
            match whom {
                Whom::Callback(call) => call.finish(Err(error)),
                Whom::Waiting(waiting) => waiting.end(Err(error)),
            }
        }
    }
}

impl GivesUp for Engine {
    fn give_up(&self, number: u64) {
        let mut shared = lock(&self.0);
        if let Some(Whom::Callback(call)) = shared.calls.cancel(Ticket::from_number(number)) {
            shared.tell(call, Err(Error::new(ErrorKind::Cancelled, "the call was cancelled").after_sending()));
        }
    }
}

impl Entered<'_> {
    /// Begins a call, of which C hears in the engine's thread, also where it fails at once. `call` gives no ticket
    /// where it is over.
    pub(crate) fn begin(&mut self, asked: Asynchronous, call: impl FnOnce(&mut Queue) -> Result<Option<Ticket>>) {
        let queue = &mut self.shared.calls.queue;
        // A defect, too, is told by the callback: here it would drop what counts the call, whose lock the caller holds.
        match boundary::guarded(|| call(queue)).unwrap_or_else(Err) {
            Ok(Some(ticket)) => {
                asked.progress.set_begun(Arc::<Engine>::clone(self.engine), ticket.number());
                self.shared.calls.owe(ticket, Whom::Callback(asked));
                self.shared.submit();
            }
            Ok(None) => self.shared.tell(asked, Ok(None)),
            Err(error) => self.shared.tell(asked, Err(error)),
        }
    }

    /// Begins a call for [`wait_for`](Engine::wait_for).
    pub(crate) fn begin_waiting(&mut self, call: impl FnOnce(&mut Queue) -> Result<Ticket>) -> Result<Arc<Waiting>> {
        let waiting = Arc::<Waiting>::default();
        let ticket = call(&mut self.shared.calls.queue)?;
        self.shared.calls.owe(ticket, Whom::Waiting(Arc::clone(&waiting)));
        self.shared.submit();
        Ok(waiting)
    }

    /// The queue, for what nobody is told of.
    pub(crate) fn queue(&mut self) -> &mut Queue {
        &mut self.shared.calls.queue
    }
}

impl Shared {
    fn process(&mut self) -> Result<()> {
        let due = &mut self.due;
        self.calls.process(|_, whom, result| match whom {
            Whom::Callback(call) => due.push((call, result)),
            // No code of C's runs for it, so it need not wait for callbacks.
            Whom::Waiting(waiting) => waiting.end(result.map(drop)),
        })?;
        self.wake();
        Ok(())
    }

    /// Has the engine's thread call back.
    fn tell(&mut self, call: Asynchronous, result: Result<Option<Message>>) {
        self.due.push((call, result));
        self.wake();
    }

    /// Has the engine's thread come, if it has something to tell C and would not come by itself.
    fn wake(&mut self) {
        if !self.is_awake && !self.due.is_empty() {
            self.is_awake = true;
            self.calls.queue.wake();
        }
    }

    /// Sends what has gathered; an engine's thread that is awake does that for all calls together.
    fn submit(&mut self) {
        if !self.is_awake {
            self.calls.queue.submit();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::c_void;
    use std::sync::mpsc::{Sender, channel};

    use simple_ipc::{Channel, Mode, Options};

    use super::*;
    use crate::error::{sipc_error, sipc_error_free};
    use crate::status::{SIPC_INTERNAL, SIPC_NOT_LISTENING, sipc_status};

    unsafe extern "C" fn on_end(
        status: sipc_status,
        reply: *mut sipc_message,
        error: *mut sipc_error,
        user_data: *mut c_void,
    ) {
        assert!(reply.is_null());
        // SAFETY: the error is this callback's, and `user_data` is the test's sender, which outlives the call.
        let told = unsafe {
            sipc_error_free(error);
            &*user_data.cast::<Sender<sipc_status>>()
        };
        told.send(status).unwrap();
    }

    fn asked(told: &Sender<sipc_status>) -> Asynchronous {
        let told = std::ptr::from_ref(told).cast_mut().cast::<c_void>();
        Asynchronous::new(Then::new(Some(on_end), told, None)).unwrap()
    }

    /// An engine without a thread, with a call under way that is waiting for its listener.
    fn engine_with_a_call(told: &Sender<sipc_status>) -> (Arc<Engine>, Arc<Progress>, Arc<Waiting>) {
        let calls = Calls::new().unwrap();
        let shared = Shared { calls, due: Vec::new(), is_awake: false, is_broken: false };
        let engine = Arc::new(Engine(Mutex::new(shared)));
        let channel = Channel::uds("engine_nobody_listens").unwrap();
        let options = Options::new().wait(Duration::MAX);
        let call = asked(told);
        let progress = Arc::clone(call.progress());
        let mut entered = engine.enter().unwrap();
        let message = Message::null();
        entered.begin(call, |queue| queue.post(&channel, Mode::Request, message, &options).map(Some));
        let waiting =
            entered.begin_waiting(|queue| queue.post(&channel, Mode::Request, Message::null(), &options)).unwrap();
        drop(entered);
        (engine, progress, waiting)
    }

    #[test]
    fn who_waits_when_the_thread_ends_is_told_and_nothing_begins_afterwards() {
        let (told, statuses) = channel();
        let (engine, progress, waiting) = engine_with_a_call(&told);
        let defect = boundary::guarded(|| panic!("on purpose")).unwrap_err();
        engine.break_down(&defect);
        assert_eq!(statuses.try_recv(), Ok(SIPC_INTERNAL));
        assert!(progress.wait(None));
        let error = engine.wait_for(&waiting, None).unwrap_err();
        assert!(error.kind() == ErrorKind::Internal && error.message().contains("on purpose"), "{error}");
        assert_eq!(engine.enter().err().map(|error| error.kind()), Some(ErrorKind::Internal));
        // What has ended is not cancelled.
        progress.cancel();
        assert!(statuses.try_recv().is_err());
    }

    #[test]
    fn a_call_that_panics_or_fails_at_once_is_told_by_its_callback() {
        let (told, statuses) = channel();
        let (engine, ..) = engine_with_a_call(&told);
        let mut entered = engine.enter().unwrap();
        entered.begin(asked(&told), |_| panic!("on purpose"));
        entered.begin(asked(&told), |_| Err(Error::new(ErrorKind::NotListening, "nobody is there")));
        drop(entered);
        assert!(statuses.try_recv().is_err(), "C is called back by the engine's thread alone");
        assert!(engine.turn(&mut Vec::new()).unwrap());
        assert_eq!(statuses.try_iter().collect::<Vec<_>>(), [SIPC_INTERNAL, SIPC_NOT_LISTENING]);
    }

    #[test]
    fn a_wait_ends_in_time_though_the_engines_thread_does_not_come() {
        let (told, _statuses) = channel();
        let (engine, ..) = engine_with_a_call(&told);
        let channel = Channel::uds("engine_nobody_listens").unwrap();
        let options = Options::new().wait(Duration::from_millis(5)).timeout(Duration::from_millis(5));
        let until = Some(Instant::now() + Duration::from_millis(5));
        let waiting = engine
            .enter()
            .unwrap()
            .begin_waiting(|queue| queue.post(&channel, Mode::Request, Message::null(), &options))
            .unwrap();
        assert_eq!(engine.wait_for(&waiting, until).unwrap_err().kind(), ErrorKind::NotListening);
    }
}
