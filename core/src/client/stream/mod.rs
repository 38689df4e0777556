//! The caller's side of streams.
//!
//! | module | holds |
//! |---|---|
//! | `state` | one stream, without input and output: which frames may come, what is granted, what is due |
//! | `session` | the stream on the session that carries it: what is sent when, what is received |
//! | `leaving` | such a session on its way back to the pool, when nobody wants the stream any longer |
//!
//! `event_loop` connects, keeps the time, and says what is wanted.

pub(crate) mod leaving;
pub(crate) mod session;
pub(crate) mod state;
#[cfg(test)]
mod tests;
