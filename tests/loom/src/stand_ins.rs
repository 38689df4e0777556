//! A socket that takes what it has room for, and a notification that a thread waits for.

use std::io;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};

use crate::lock::lock;
use crate::os::interest::Interest;

#[derive(Debug)]
pub(crate) struct Stream(Mutex<State>);

#[derive(Debug)]
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

    pub(crate) fn send_all_of(&self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.send(&parts.iter().flat_map(|part| part.iter()).copied().collect::<Vec<u8>>(), &[])
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

/// A body.
#[derive(Debug)]
pub(crate) struct Message(Vec<u8>);

impl Message {
    pub(crate) fn bytes(data: Vec<u8>) -> Message {
        Message(data)
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.0
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

/// Whether a publisher is in a burst. Outside of loom it is a question of time, of which there is none here.
pub(crate) mod burst {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    /// Set before a model, for all of its runs.
    pub(crate) static IS_BURST: AtomicBool = AtomicBool::new(false);

    #[derive(Debug, Default)]
    pub(crate) struct Burst;

    impl Burst {
        pub(crate) fn gathers(&mut self, _now: Instant) -> bool {
            IS_BURST.load(Ordering::SeqCst)
        }

        pub(crate) fn sent(&mut self, _began: Instant, _now: Instant) {}
    }
}

/// What becomes of a slow subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    Fail,
    DropOldest,
    Block,
}

/// A message that lies elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MessageRef<'a>(&'a [u8]);

impl<'a> MessageRef<'a> {
    pub(crate) fn bytes(data: &'a [u8]) -> MessageRef<'a> {
        MessageRef(data)
    }

    pub(crate) fn data(self) -> &'a [u8] {
        self.0
    }
}

/// The frames of a publisher: length, kind and number where the protocol has them, and nothing else.
pub(crate) mod frames {
    use bytes::Bytes;

    use super::MessageRef;

    pub(crate) struct Head([u8; 16]);

    impl Head {
        pub(crate) fn of_event(sequence: u64, _topic: &str, message: MessageRef<'_>) -> Head {
            let mut head = [0; 16];
            head[..4].copy_from_slice(&u32::try_from(message.data().len()).unwrap().to_le_bytes());
            head[4] = 18;
            head[8..12].copy_from_slice(&u32::try_from(sequence).unwrap().to_le_bytes());
            Head(head)
        }

        pub(crate) fn as_slice(&self) -> &[u8] {
            &self.0
        }
    }

    pub(crate) fn retained(head: &[u8], message: &[u8]) -> Bytes {
        Bytes::from([head, message].concat())
    }

    pub(crate) fn topic_of(_frame: &[u8]) -> &[u8] {
        &[]
    }

    pub(crate) fn gap(_next: &[u8], _missed: u64) -> Bytes {
        Bytes::from_static(&[17; 16])
    }

    pub(crate) fn goodbye(_id: u32) -> Bytes {
        Bytes::from_static(b"goodbye")
    }

    /// None is published here.
    pub(crate) fn is_attached(_frame: &[u8]) -> bool {
        false
    }

    pub(crate) fn unknown_body(_id: u32) -> Bytes {
        Bytes::from_static(b"unknown body")
    }

    pub(crate) fn too_slow(_id: u32, _waiting: usize, _queue: usize) -> Bytes {
        Bytes::from_static(b"too slow")
    }

    pub(crate) fn too_large(_id: u32, _len: usize, _largest: usize) -> Bytes {
        Bytes::from_static(b"too large")
    }
}
