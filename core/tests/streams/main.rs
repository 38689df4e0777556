//! Streams, as their callers use them. What is for Unix alone makes sockets as only Unix has them.

mod callers;
mod down;
#[cfg(unix)]
mod endings;
#[path = "../support/gate.rs"]
mod gate;
mod serving;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod times;
mod up;
