//! What modules share state with that tests/loom takes in by their path: there, these are loom's.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
