//! A subscription without input and output: bytes in, events and grants of credit out.
//!
//! | module | holds |
//! |---|---|
//! | `asking` | what a subscriber says it wants, and what it is answered |
//! | `session` | one session: which frames may come, what is granted |
//! | `position` | what was got and what was missed, from one session to the next |
//! | `losses` | which ends of a session lead to another one, and how long one looks for it |
//!
//! `event_loop` connects, moves the bytes and keeps the time.

mod asking;
pub(crate) mod losses;
pub(crate) mod position;
pub(crate) mod session;

#[cfg(any(test, fuzzing))]
pub(crate) use self::asking::Answer;
pub(crate) use self::asking::subscribe_body;
