//! What a forked child must know: that it is one, and which descriptors are not its own.
//!
//! A child inherits its parent's descriptors but not its threads. If it kept them, a dead parent's
//! lock would stay held and a closed session would not end for its peer. So every descriptor of this
//! library is noted in a table, and a handler that runs in the child right after `fork` closes them
//! all and moves on to a new generation. Objects remember the generation that made them; in a later
//! one they answer [`ErrorKind::Forked`] and are dropped without touching descriptors, which may have
//! new owners by then.
//!
//! A descriptor that is open and not yet noted (or no longer) would be missed by that handler. So
//! every descriptor is opened and closed inside a [`Step`], and `fork` waits until no thread is in one.

use std::cell::Cell;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};

static GENERATION: AtomicU32 = AtomicU32::new(1);

/// One bit for each descriptor number below 65,536. Higher numbers are not noted: a child keeps those.
static NOTED: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
const WORDS: usize = 1024;

/// The generation of this process: it changes in a forked child.
#[inline]
pub(crate) fn generation() -> u32 {
    static WATCH: Once = Once::new();
    WATCH.call_once(watch);
    GENERATION.load(Ordering::Relaxed)
}

/// Fails in a child of the process that was of `generation`.
#[inline]
pub(crate) fn check(born: u32, what: &str) -> Result<()> {
    if born == generation() { Ok(()) } else { Err(forked(what)) }
}

#[cold]
fn forked(what: &str) -> Error {
    Error::new(
        ErrorKind::Forked,
        format!("this {what} was opened before a fork and belongs to the parent; open a new one in the child"),
    )
}

/// The process that a binding's object was made in: kept beside what a forked child must not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// The process that calls.
    #[inline]
    pub fn current() -> Process {
        Process(generation())
    }

    /// The process that was of this generation.
    pub(crate) fn of(born: u32) -> Process {
        Process(born)
    }

    /// Whether it is the process that calls.
    #[inline]
    pub fn is_current(self) -> bool {
        self.0 == generation()
    }

    /// Fails with [`ErrorKind::Forked`] in a forked child of it; `what` names the object in the text.
    #[inline]
    pub fn check(self, what: &str) -> Result<()> {
        check(self.0, what)
    }
}

fn watch() {
    // SAFETY: the handler in the child does nothing but atomic operations, a look at a thread-local
    // number that has no destructor, and close(2), all of which are allowed in the child of a process
    // with several threads. The other two run in the parent and wait for a bounded time.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

/// How many threads are in a [`Step`], and, counted in units of [`FORK`], how many are in `fork`.
static STEPS: AtomicU64 = AtomicU64::new(0);
const FORK: u64 = 1 << 32;
/// Steps and forks wait for each other this often, a pause each, and then no longer: 50 ms at least.
/// A step is one system call, but that may hang on a file system that is gone, and a fork waits for
/// whatever locks other libraries take then, one of which the thread in the step may hold.
const TURNS: u32 = 500;
const PAUSE: Duration = Duration::from_micros(100);

thread_local! {
    /// How many steps this thread is in: a signal handler may fork in the middle of one.
    static STEPS_HERE: Cell<u32> = const { Cell::new(0) };
}

/// The time from before a descriptor is opened until it is noted, or from before it is forgotten until
/// it is closed. A fork comes before or after.
struct Step;

impl Step {
    fn begin() -> Step {
        // The handlers are there before the first descriptor is.
        generation();
        STEPS_HERE.set(STEPS_HERE.get() + 1);
        let mut steps = STEPS.load(Ordering::Relaxed);
        let mut turns = 0;
        loop {
            if steps >= FORK && turns < TURNS && STEPS_HERE.get() == 1 {
                turns += 1;
                std::thread::sleep(PAUSE);
                steps = STEPS.load(Ordering::Relaxed);
                continue;
            }
            // Acquire, with the release in `in_parent` and `before`: what a fork must not see half done
            // is done after it, or it waits.
            match STEPS.compare_exchange_weak(steps, steps + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Step,
                Err(now) => steps = now,
            }
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        STEPS.fetch_sub(1, Ordering::AcqRel);
        STEPS_HERE.set(STEPS_HERE.get() - 1);
    }
}

/// Lets no step begin, and waits for those that have.
extern "C" fn before() {
    let mut steps = STEPS.fetch_add(FORK, Ordering::AcqRel);
    let here = u64::from(STEPS_HERE.get());
    for _ in 0..TURNS {
        if steps % FORK <= here {
            return;
        }
        std::thread::sleep(PAUSE);
        steps = STEPS.load(Ordering::Acquire);
    }
}

extern "C" fn in_parent() {
    STEPS.fetch_sub(FORK, Ordering::AcqRel);
}

extern "C" fn in_child() {
    // Of all the threads only this one is in the child.
    STEPS.store(u64::from(STEPS_HERE.get()), Ordering::Relaxed);
    GENERATION.fetch_add(1, Ordering::Relaxed);
    for (index, word) in NOTED.iter().enumerate() {
        let mut bits = word.swap(0, Ordering::Relaxed);
        while bits != 0 {
            let fd = index * 64 + bits.trailing_zeros() as usize;
            // SAFETY: the descriptor is noted, so it was this library's in the parent, and every
            // object that holds it is of an older generation and will not use or close it.
            unsafe { libc::close(fd as RawFd) };
            bits &= bits - 1;
        }
    }
}

fn note(fd: RawFd, present: bool) {
    if let Some(word) = usize::try_from(fd).ok().and_then(|fd| NOTED.get(fd / 64)) {
        let bit = 1u64 << (fd % 64);
        if present {
            word.fetch_or(bit, Ordering::Relaxed);
        } else {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

/// A descriptor that a forked child closes and then leaves alone.
#[derive(Debug)]
pub(crate) struct ForkFd {
    fd: Option<OwnedFd>,
    born: u32,
}

impl ForkFd {
    /// What `open` opens, which is one system call. No child has it and does not know.
    pub(crate) fn open<E>(open: impl FnOnce() -> Result<OwnedFd, E>) -> Result<ForkFd, E> {
        let _step = Step::begin();
        let fd = open()?;
        note(fd.as_raw_fd(), true);
        Ok(ForkFd { fd: Some(fd), born: generation() })
    }

    /// A second descriptor of the same open file or socket.
    pub(crate) fn duplicate(&self) -> std::io::Result<ForkFd> {
        ForkFd::open(|| self.as_fd().try_clone_to_owned())
    }

    pub(crate) fn born(&self) -> u32 {
        self.born
    }
}

impl AsFd for ForkFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("taken only in drop").as_fd()
    }
}

impl AsRawFd for ForkFd {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl Drop for ForkFd {
    fn drop(&mut self) {
        let Some(fd) = self.fd.take() else { return };
        if self.born == GENERATION.load(Ordering::Relaxed) {
            let _step = Step::begin();
            // Forgotten before it is closed: where a fork could not wait for this, the child keeps one
            // descriptor too many, and in the other order it could close somebody else's.
            note(fd.as_raw_fd(), false);
            drop(fd);
        } else {
            let _closed_by_in_child = fd.into_raw_fd();
        }
    }
}

/// A value that is made once in each process: a forked child gets a fresh one, and its parent's is
/// left behind untouched, whatever state other threads had brought it to.
pub struct ForkLocal<T: 'static>(AtomicPtr<Born<T>>);

struct Born<T> {
    generation: u32,
    value: T,
}

impl<T: Default + Sync> ForkLocal<T> {
    /// No value yet: it is made when it is first asked for.
    #[expect(clippy::new_without_default, reason = "it stands in a static, which `Default` cannot make")]
    pub const fn new() -> ForkLocal<T> {
        ForkLocal(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// This process's value. It is never freed.
    pub fn get(&'static self) -> &'static T {
        let generation = generation();
        let mut fresh: Option<Box<Born<T>>> = None;
        loop {
            let current = self.0.load(Ordering::Acquire);
            // SAFETY: only pointers from Box::into_raw are stored, and none is freed once stored.
            if let Some(born) = unsafe { current.as_ref() }
                && born.generation == generation
            {
                return &born.value;
            }
            let made = fresh.take().unwrap_or_else(|| Box::new(Born { generation, value: T::default() }));
            let made = Box::into_raw(made);
            match self.0.compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire) {
                // SAFETY: just stored, never freed.
                Ok(_) => return unsafe { &(*made).value },
                // SAFETY: it came from Box::into_raw above and nobody else has seen it.
                Err(_) => fresh = Some(unsafe { Box::from_raw(made) }),
            }
        }
    }
}
