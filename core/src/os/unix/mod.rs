//! Unix: sockets, lock files, and what a fork leaves of them.

pub(crate) mod async_stream;
pub(crate) mod channel_lock;
pub(crate) mod clean;
mod cpus;
pub(crate) mod discover;
mod file_id;
pub(crate) mod fork;
pub(crate) mod linux;
mod listener;
pub(crate) mod lock_file;
pub(crate) mod poller;
pub(crate) mod refused;
mod retry;
pub(crate) mod stream;
#[cfg(test)]
pub(crate) mod watchdog;

pub(crate) use cpus::online_cpus;
