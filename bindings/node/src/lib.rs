//! The Node-API add-on under the npm package `simple-ipc`: what `lib/*.cjs` calls, and nothing that users call.
//!
//! Each JavaScript environment (the main thread, a worker) makes one `Hub`. Calls start on JavaScript's
//! thread and end on the library's runtime; what is ready for JavaScript gathers in the hub's queue, and one
//! threadsafe function takes the whole of it at a time.

mod call;
mod convert;
mod deliver;
mod event;
pub mod exports;
mod hub;
mod listener;
mod loop_calls;
mod on_loop;
mod open;
mod options;
mod os;
mod reply;
mod running;
mod stream;
mod subscription;

use std::sync::{Mutex, MutexGuard, PoisonError};

use napi_derive::napi;
use simple_ipc::ErrorKind;

/// The version that this add-on was built with; the package refuses one of another version.
#[napi]
#[must_use]
pub fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Whether JSON has this text as it is between two quotation marks.
#[napi]
#[must_use]
pub fn is_plain(text: convert::Text) -> bool {
    text.is_plain()
}

/// The names of all error kinds, in the order of their numbers.
#[napi]
#[must_use]
pub fn error_kinds() -> Vec<&'static str> {
    ErrorKind::ALL.iter().map(|kind| kind.name()).collect()
}

/// The numbers of all error kinds, in the same order.
#[napi]
#[must_use]
pub fn error_codes() -> Vec<i32> {
    ErrorKind::ALL.iter().map(|kind| kind.code()).collect()
}

/// A panic elsewhere does not make what a mutex guards wrong: each holder leaves it whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
