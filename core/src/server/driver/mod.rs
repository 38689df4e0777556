//! What drives native sessions: receives their frames, and takes messages to where they are handled.
//!
//! A driver ends by returning what happens [`Next`](driven::Next), and the dispatcher starts that.

pub(crate) mod batch;
pub(crate) mod crew;
mod dismissal;
pub(crate) mod dispatch;
pub(crate) mod driven;
mod handover;
mod messages;
mod own;
pub(crate) mod roster;
mod runtime;
mod stream;
pub(crate) mod stuck;
mod subscription;
mod thread;
mod together;
