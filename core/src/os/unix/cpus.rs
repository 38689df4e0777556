//! How many processors the machine has.

use std::sync::OnceLock;

/// The machine's processors that are switched on. Not those that this process may run on: two processes
/// that are bound to one processor each, and not the same, had better poll.
pub(crate) fn online_cpus() -> usize {
    static CPUS: OnceLock<usize> = OnceLock::new();
    // SAFETY: it reads a number and takes no pointer.
    *CPUS.get_or_init(|| usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) }).unwrap_or(1))
}
