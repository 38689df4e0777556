//! Calls of every kind, as users make them. In one program: what looks at its whole process has a program of its own.

mod abandoned;
mod absent;
mod broadcasts;
mod cancelling;
#[path = "../support/gate.rs"]
mod gate;
mod giving_up;
mod handler_failures;
mod limits;
mod mistakes;
mod passing_on;
mod polled;
mod publications;
mod requests;
mod runtimes;
mod shared_sessions;
mod streams_left;
mod subscriptions;
#[path = "../support/mod.rs"]
mod support;
mod values;
mod watched_by_tasks;
