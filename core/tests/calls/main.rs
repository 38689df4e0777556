//! Calls of every kind, as users make them. In one program: what looks at its whole process has a program of its own.
//!
//! What is for Unix alone makes sockets, files or waits as only Unix has them.

#[cfg(unix)]
mod abandoned;
#[cfg(unix)]
mod absent;
mod attached;
mod broadcasts;
mod cancelling;
#[path = "../support/gate.rs"]
mod gate;
#[cfg(unix)]
mod giving_up;
mod handler_failures;
mod inspecting;
#[cfg(unix)]
mod limits;
mod methods;
#[cfg(unix)]
mod mistakes;
#[cfg(unix)]
mod own_loop;
mod own_thread;
mod passing_on;
#[cfg(unix)]
mod polled;
mod publications;
mod requests;
mod runtimes;
mod shared_sessions;
mod streams_left;
#[cfg(unix)]
mod subscriptions;
#[path = "../support/mod.rs"]
mod support;
mod tapping;
mod values;
mod watched_by_tasks;
