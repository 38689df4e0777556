//! A socket that takes what it has room for, and a notification that a thread waits for.

use std::io;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};

use crate::lock::lock;
use crate::os::interest::Interest;

pub(crate) struct Stream(Mutex<State>);

struct State {
    taken: Vec<u8>,
    room: usize,
    /// No send works after this many bytes.
    breaks_at: usize,
    ends: usize,
    /// A thread is in a send: frames must never be sent from two at once.
    busy: bool,
}

impl Stream {
    pub(crate) fn new(room: usize, breaks_at: usize) -> Stream {
        Stream(Mutex::new(State { taken: Vec::new(), room, breaks_at, ends: 0, busy: false }))
    }

    pub(crate) fn send(&self, head: &[u8], body: &[u8]) -> io::Result<usize> {
        {
            let mut state = lock(&self.0);
            assert!(!state.busy, "two threads send at once");
            state.busy = true;
        }
        // Others may do what they want here.
        loom::thread::yield_now();
        let mut state = lock(&self.0);
        state.busy = false;
        if state.taken.len() >= state.breaks_at {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let most = state.room.min(head.len() + body.len());
        if most == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.room -= most;
        state.taken.extend(head.iter().chain(body).take(most));
        Ok(most)
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        lock(&self.0).ends += 1;
        Ok(())
    }

    pub(crate) fn wait_for(&self, _what: Interest, _timeout: Option<Duration>) -> io::Result<bool> {
        Ok(false)
    }

    pub(crate) fn make_room(&self) {
        lock(&self.0).room = usize::MAX;
    }

    pub(crate) fn taken(&self) -> Vec<u8> {
        lock(&self.0).taken.clone()
    }

    pub(crate) fn ends(&self) -> usize {
        lock(&self.0).ends
    }
}

pub(crate) fn advance<'a>(head: &mut &'a [u8], body: &mut &'a [u8], sent: usize) {
    let of_head = sent.min(head.len());
    *head = &head[of_head..];
    *body = &body[sent - of_head..];
}

pub(crate) fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

pub(crate) fn interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

/// As `tokio::sync::Notify` for one who waits: a permit that is kept.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    permit: Mutex<bool>,
    given: Condvar,
}

impl Notify {
    pub(crate) fn notify_one(&self) {
        *lock(&self.permit) = true;
        self.given.notify_one();
    }

    /// Blocks. That nobody ever gives the permit is a deadlock, which loom reports.
    pub(crate) fn wait(&self) {
        let mut permit = lock(&self.permit);
        while !std::mem::take(&mut *permit) {
            permit = self.given.wait(permit).unwrap();
        }
    }
}
