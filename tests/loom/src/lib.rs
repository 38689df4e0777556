//! The library's hand-written synchronisation under loom: its files are taken in by their path, with loom's
//! locks and atomics in place of the standard library's, and a socket that is a buffer.
#![cfg(test)]

#[path = "../../../core/src/server"]
mod server {
    #[expect(dead_code, reason = "not all of it takes part")]
    pub(crate) mod admission;
    #[expect(dead_code, reason = "not all of it takes part")]
    pub(crate) mod clock;
    pub(crate) mod driver {
        #[expect(dead_code, reason = "not all of it takes part")]
        pub(crate) mod group_members;
        pub(crate) mod handover;
    }
    pub(crate) mod publication {
        pub(crate) use crate::stand_ins::{burst, frames};
        pub(crate) mod batch;
        pub(crate) mod cursor;
        pub(crate) mod log;
        #[expect(dead_code, reason = "not all of it takes part")]
        pub(crate) mod publisher;
        pub(crate) mod retained;
        #[expect(dead_code, reason = "not all of it takes part")]
        pub(crate) mod terms;
    }
    pub(crate) mod repeated_check;
    pub(crate) mod session {
        #[expect(dead_code, reason = "not all of it takes part")]
        pub(crate) mod acks;
        #[expect(dead_code, reason = "not all of it takes part")]
        pub(crate) mod state;
    }
}
#[path = "../../../core/src/protocol"]
mod protocol {
    pub(crate) mod sequence;
}
#[path = "../../../core/src/session"]
mod session {
    pub(crate) mod pieces;
    #[expect(dead_code, reason = "not all of it takes part")]
    pub(crate) mod send_queue;
}

mod admission;
mod answers;
mod due;
mod publications;
mod rings;
mod sends;
mod shared_threads;
mod stand_ins;
mod state;
mod stuck;

mod event {
    pub(crate) use crate::stand_ins::Overflow;
}

mod message {
    pub(crate) use crate::stand_ins::{Message, MessageRef};
}

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

#[path = "../../../core/src/os"]
mod os {
    #[expect(dead_code, reason = "the send queue waits for room alone")]
    pub(crate) mod interest;
    #[expect(dead_code, reason = "not all of it takes part")]
    #[path = "unix/linux/ring.rs"]
    pub(crate) mod ring;
    pub(crate) mod stream {
        pub(crate) use crate::stand_ins::{Stream, advance, interrupted, would_block};
    }
}
