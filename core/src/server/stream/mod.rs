//! Streams at a listener: what the caller sends and has not been taken, what may be sent to it, and how each ends.
//!
//! | file | holds |
//! |---|---|
//! | `inbox` | the caller's items that the handler has not taken |
//! | `flow` | one stream without input and output: what may come, what may be sent |
//! | `open` | one stream as threads share it: who waits for it, and who sends its last frame |
//! | `items` | the caller's items, as a handler has them |
//! | `reply` | the sequence that a handler answers with |
//!
//! Sessions are driven elsewhere: nothing here knows them, but for what carries a stream's frames.

#[cfg(test)]
mod both_sides;
mod flow;
mod inbox;
mod items;
mod open;
mod reply;

pub use self::items::{Items, ItemsInThread};
pub(crate) use self::open::{Carrier, OpenStream};
pub use self::reply::ReplyStream;
