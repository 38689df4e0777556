//! Streams, as their callers use them.

mod callers;
mod down;
mod endings;
#[path = "../support/gate.rs"]
mod gate;
mod serving;
mod sessions;
#[path = "../support/mod.rs"]
mod support;
mod times;
mod up;
