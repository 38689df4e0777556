//! What both sides of a native session share.

pub(crate) mod burst;
pub(crate) mod by_id;
pub(crate) mod credit;
pub(crate) mod items;
pub(crate) mod pieces;
pub(crate) mod receive;
#[cfg(feature = "tokio")]
pub(crate) mod send_queue;
pub(crate) mod spin_wait;
