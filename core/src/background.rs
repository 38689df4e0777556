//! The threads of this library: one that serves the listeners of blocking callers, one that drives
//! asynchronous calls of bindings. Neither is started before it is needed.

use std::sync::Mutex;

use tokio::runtime::{Builder, Handle};

use crate::error::{Error, Result};
use crate::lock::lock;
use crate::transport::fork::ForkLocal;

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
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let handle = runtime.handle().clone();
    let drive = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name(name.to_owned()).spawn(drive).map_err(failed)?;
    *slot = Some(handle.clone());
    Ok(handle)
}
