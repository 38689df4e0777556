//! Who drives a native session: the runtime, or a thread.

pub(super) mod batch;
pub(super) mod handover;
pub(super) mod runtime;
pub(super) mod thread;
