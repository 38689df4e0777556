//! What modules share state with that tests/loom takes in by their path: there, these are loom's.

#[cfg(feature = "tokio")]
pub(crate) use std::sync::{Arc, Mutex, MutexGuard};

pub(crate) use std::sync::atomic;
#[cfg(feature = "tokio")]
pub(crate) use tokio::sync::Notify;
