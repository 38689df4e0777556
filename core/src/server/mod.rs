//! Listeners: who serves which connection, and where its handler runs.
//!
//! | file | holds |
//! |---|---|
//! | `start` | how a listener starts: its tasks |
//! | `listener` | what is a listener's own: its channel's files, its sessions, its handler, how it ends |
//! | `shared` | what all its connections share: limits, counters, what is in hand |
//! | `accept` | taking connections in, telling dialects apart |
//! | `connecting` | those of which nothing has come yet, and no task waits for |
//! | `session` | native sessions |
//! | `driver` | what receives on them: the runtime or a thread, and the dispatcher between these |
//! | `single` | the dialects without sessions |
//! | `publication` | what it publishes, and to whom |
//! | `tap`, `tapped` | telling what passes to those who may see it, and a handler that is seen |
//! | `stream` | requests whose answers, or what follows them, are sequences |
//! | `admission` | what a listener has in hand altogether, and who waits for room |
//! | `handler`, `responder`, `threads` | calling the user's handler, its answer, the threads for it |
//! | `waiting`, `inbox` | a thread of the user's in the place of those threads |
//! | `clock`, `repeated_check` | the time of a listener, and checks that rest while there is nothing to check |
//!
//! No two files import each other, and each imports only what stands below it: `start`, `inbox`, `accept`, `driver`, `listener`,
//! `session` and `single`, `tapped`, `shared`, `responder`, `stream`, `tap`, `publication`, the rest.

mod accept;
mod admission;
mod call_id;
mod clock;
#[cfg(test)]
mod clock_tests;
mod connecting;
mod driver;
mod error_frame;
pub(crate) mod handler;
mod inbox;
pub(crate) mod listener;
mod publication;
mod repeated_check;
mod responder;
mod session;
mod shared;
mod single;
pub(crate) mod start;
mod stream;
mod tap;
mod tapped;
mod threads;
pub(crate) mod waiting;

pub use inbox::Inbox;
#[cfg(any(test, fuzzing))]
pub(crate) use publication::check_any as check_any_subscribe;
pub use responder::Responder;
pub use stream::{Items, ItemsInThread, ReplyStream};
