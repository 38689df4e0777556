//! What a forked child must know: that it is one, and which descriptors are not its own.
//!
//! A child inherits its parent's descriptors but not its threads. If it kept them, a dead parent's
//! lock would stay held and a closed session would not end for its peer. So every descriptor of this
//! library is noted in a table that needs no lock, and a handler that runs in the child right after
//! `fork` closes them all and moves on to a new generation. Objects remember the generation that
//! made them; in a later one they answer [`ErrorKind::Forked`] and are dropped without touching
//! descriptors, which may have new owners by then.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

static GENERATION: AtomicU32 = AtomicU32::new(1);

/// One bit for each descriptor number below 65,536. Higher numbers are not noted: a child keeps those.
static NOTED: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
const WORDS: usize = 1024;

/// The generation of this process: it changes in a forked child.
pub(crate) fn generation() -> u32 {
    static WATCH: Once = Once::new();
    WATCH.call_once(watch);
    GENERATION.load(Ordering::Relaxed)
}

/// Fails in a child of the process that was of `generation`.
pub(crate) fn check(born: u32, what: &str) -> Result<()> {
    if born == generation() {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forked,
        format!("this {what} was opened before a fork and belongs to the parent; open a new one in the child"),
    ))
}

/// The process that a binding's object was made in: kept beside what a forked child must not use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// The process that calls.
    pub fn current() -> Process {
        Process(generation())
    }

    /// Whether it is the process that calls.
    pub fn is_current(self) -> bool {
        self.0 == generation()
    }

    /// Fails with [`ErrorKind::Forked`] in a forked child of it; `what` names the object in the text.
    pub fn check(self, what: &str) -> Result<()> {
        check(self.0, what)
    }
}

fn watch() {
    // SAFETY: the handler does nothing but atomic operations and close(2), all of which are allowed
    // in the child of a process with several threads.
    unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
}

extern "C" fn in_child() {
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
    pub(crate) fn new(fd: OwnedFd) -> ForkFd {
        let born = generation();
        note(fd.as_raw_fd(), true);
        ForkFd { fd: Some(fd), born }
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
            // Forgotten before it is closed: a child forked in between keeps one descriptor too
            // many, where the other order could close somebody else's.
            note(fd.as_raw_fd(), false);
            drop(fd);
        } else {
            let _closed_by_in_child = fd.into_raw_fd();
        }
    }
}

/// A value that is made once in each process: a forked child gets a fresh one, and its parent's is
/// left behind untouched, whatever state other threads had brought it to.
pub(crate) struct ForkLocal<T: 'static>(AtomicPtr<Born<T>>);

struct Born<T> {
    generation: u32,
    value: T,
}

impl<T: Default + Sync> ForkLocal<T> {
    pub(crate) const fn new() -> ForkLocal<T> {
        ForkLocal(AtomicPtr::new(std::ptr::null_mut()))
    }

    /// This process's value. It is never freed.
    pub(crate) fn get(&'static self) -> &'static T {
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
