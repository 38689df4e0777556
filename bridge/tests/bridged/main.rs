//! Bridges between directories that stand for machines, over a real NATS server on loopback.

mod away;
mod carrying;
mod errors;
mod names;
mod program;
mod publishing;
mod security;
mod streaming;
mod support;
mod traps;
