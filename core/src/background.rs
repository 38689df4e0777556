//! The runtimes of this library, each with a thread: one that serves the listeners of blocking callers, one that drives
//! what bindings call asynchronously. Neither is started before it is needed.

use std::io;
use std::panic::catch_unwind;
use std::sync::Mutex;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, Result};
use crate::lock::lock;
use crate::os::{self, fork::ForkLocal};

#[derive(Default)]
struct Runtimes {
    listeners: Mutex<Option<Handle>>,
    calls: Mutex<Option<Handle>>,
}

static RUNTIMES: ForkLocal<Runtimes> = ForkLocal::new();

/// The runtime on which the listeners of blocking callers accept and serve what is not busy.
pub(crate) fn listeners() -> Result<Handle> {
    handle(&RUNTIMES.get().listeners, "simple-ipc")
}

/// The runtime on which a binding drives calls that were made asynchronously.
///
/// What runs there must not block. A forked child has a runtime of its own.
pub fn calls() -> Result<Handle> {
    handle(&RUNTIMES.get().calls, "simple-ipc-calls")
}

fn handle(slot: &Mutex<Option<Handle>>, name: &str) -> Result<Handle> {
    let mut slot = lock(slot);
    if let Some(handle) = &*slot {
        return Ok(handle.clone());
    }
    let failed = |error| Error::from_os("cannot start a background thread", error);
    let runtime = runtime().map_err(failed)?;
    let handle = runtime.handle().clone();
    let drive = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name(name.to_owned()).spawn(drive).map_err(failed)?;
    *slot = Some(handle.clone());
    Ok(handle)
}

/// A runtime, or why there is none.
///
/// Where some part of the program has turned tokio's signals on, tokio makes a pair of sockets for them with its first
/// runtime and panics if it gets none. So whether there are descriptors enough is found out before: for that pair, a copy
/// of one, and the three of a poll. Should other threads take them at this very moment, the panic ends here.
fn runtime() -> io::Result<Runtime> {
    os::check_descriptors(3)?;
    catch_unwind(|| Builder::new_current_thread().enable_all().build())
        .unwrap_or_else(|_| Err(io::Error::other("tokio panicked while it started")))
}
