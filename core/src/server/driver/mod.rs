//! What drives native sessions: receives their frames, and takes messages to where they are handled.
//!
//! A driver ends by returning what happens [`Next`](driven::Next), and the dispatcher starts that.

pub(crate) mod batch;
mod dismissal;
pub(crate) mod dispatch;
pub(crate) mod driven;
pub(crate) mod group;
pub(crate) mod group_members;
mod group_thread;
mod handover;
mod messages;
mod own_loop;
mod runtime;
mod stream;
pub(crate) mod stuck;
mod subscription;
mod thread;
pub(crate) mod unbegun;
