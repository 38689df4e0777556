//! `sipc_responder_on_cancel`: a C program is told that nobody waits for an answer any more.

use std::cell::Cell;
use std::ffi::c_void;
use std::future::Future;
use std::ptr::null;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::{Duration, Instant};

use simple_ipc::{Error, ErrorKind, ForkLocal, Process, Result, background};
use tokio::task::AbortHandle;

use crate::argument;
use crate::callback::{self, UserData, sipc_cancel_callback};
use crate::lock::{lock, wait_while};

/// A callback that waits for its caller to give up, for as long as this lives.
pub(crate) struct Notice {
    /// A child of this process has the notice in its memory, but not the thread that would call.
    process: Process,
    gate: Arc<Gate>,
}

/// How many callbacks run though their responder has been used up, which happened inside them.
#[derive(Default)]
struct Late {
    running: Mutex<usize>,
    none_runs: Condvar,
}

static LATE: ForkLocal<Late> = ForkLocal::new();
/// How long a closing listener waits for such a callback.
const BRIEF: Duration = Duration::from_secs(5);

/// Waits until no callback runs whose responder is used up: nothing else tells that it has returned.
pub(crate) fn wait_for_those_that_used_their_responder_up() -> Result<()> {
    let late = LATE.get();
    let until = Some(Instant::now() + BRIEF);
    let (_guard, is_over) = wait_while(&late.none_runs, lock(&late.running), until, |running| *running > 0);
    if is_over {
        return Err(Error::new(
            ErrorKind::TimedOut,
            format!(
                "the listener is closed, but a callback of sipc_responder_on_cancel has not returned within {BRIEF:?}"
            ),
        ));
    }
    Ok(())
}

impl Late {
    fn one_more() {
        *lock(&LATE.get().running) += 1;
    }

    fn one_less() {
        let late = LATE.get();
        let mut running = lock(&late.running);
        // A callback that forks goes on in the child, which counts anew.
        *running = running.saturating_sub(1);
        late.none_runs.notify_all();
    }
}

struct Gate {
    /// The responder was used up inside the callback.
    late: AtomicBool,
    /// What is owed to C until it is called or the responder is used up. Locked during the call.
    owed: Mutex<Option<Owed>>,
    task: OnceLock<AbortHandle>,
}

struct Owed {
    callback: unsafe extern "C" fn(user_data: *mut c_void),
    user_data: UserData,
}

thread_local! {
    /// The gate whose callback this thread is running.
    static CALLING: Cell<*const Gate> = const { Cell::new(null()) };
}

impl Notice {
    /// Calls back, on the background runtime, once `cancelled` completes. `slot` is where the notice is
    /// kept: from then on the callback may run, and free the responder that the slot belongs to.
    pub(crate) fn start(
        slot: &OnceLock<Notice>,
        cancelled: impl Future<Output = ()> + Send + 'static,
        callback: sipc_cancel_callback,
        user_data: UserData,
    ) -> Result<()> {
        let callback = callback.ok_or_else(|| argument::null("callback"))?;
        let runtime = background::calls()?;
        let gate = Arc::new(Gate {
            late: AtomicBool::new(false),
            owed: Mutex::new(Some(Owed { callback, user_data })),
            task: OnceLock::new(),
        });
        slot.set(Notice { process: Process::current(), gate: Arc::clone(&gate) }).map_err(|_| {
            Error::new(ErrorKind::InvalidArgument, "this responder has a callback already; it takes one")
        })?;
        let called = Arc::clone(&gate);
        let task = runtime.spawn(async move {
            cancelled.await;
            called.call();
        });
        gate.task.get_or_init(|| task.abort_handle());
        Ok(())
    }
}

impl Gate {
    fn call(&self) {
        let mut owed = lock(&self.owed);
        let Some(Owed { callback, user_data }) = owed.take() else { return };
        let outer = CALLING.replace(self);
        callback::in_callback(|| {
            // SAFETY: a C function of this signature, with the data that was given with it.
            unsafe { callback(user_data.pointer()) };
            drop(user_data);
        });
        CALLING.set(outer);
        if self.late.load(Ordering::Relaxed) {
            Late::one_less();
        }
    }
}

impl Drop for Notice {
    /// After this nothing is called: a call that has begun is waited for, except inside itself.
    fn drop(&mut self) {
        if !self.process.is_current() {
            return;
        }
        if std::ptr::eq(CALLING.get(), &raw const *self.gate) {
            self.gate.late.store(true, Ordering::Relaxed);
            Late::one_more();
            return;
        }
        if let Some(task) = self.gate.task.get() {
            task.abort();
        }
        let owed = lock(&self.gate.owed).take();
        // Not under the lock: it may be anything that C does there.
        drop(owed);
    }
}
