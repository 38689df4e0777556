//! The library's hand-written synchronisation under loom: its files are taken in by their path, with loom's
//! locks and atomics in place of the standard library's, and a socket that is a buffer.
#![cfg(test)]

#[path = "../../../core/src/server/acks.rs"]
mod acks;
#[path = "../../../core/src/server/clock.rs"]
#[expect(dead_code, reason = "not all of it takes part")]
mod clock;
#[path = "../../../core/src/outbox.rs"]
#[expect(dead_code, reason = "not all of it takes part")]
mod outbox;
#[path = "../../../core/src/server/room.rs"]
#[expect(dead_code, reason = "not all of it takes part")]
mod room;
#[path = "../../../core/src/server/turn.rs"]
mod turn;

mod answers;
mod batches;
mod due;
mod lines;
mod sends;
mod stand_ins;
mod watching;

mod sync {
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard, atomic};

    pub(crate) use crate::stand_ins::Notify;
}

mod lock {
    use loom::sync::{Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }
}

mod transport {
    pub(crate) mod socket {
        pub(crate) use crate::stand_ins::{Socket, advance, interrupted, would_block};
    }
}
