//! What a live listener tells of itself, to whoever asks it.

use serde::{Deserialize, Serialize};

use crate::counters::Counters;

/// What a live listener tells of itself: see [`blocking::inspect`](crate::blocking::inspect). A listener of a later version
/// may tell more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ListenerState {
    /// The version of the listener's library.
    pub version: String,
    /// The listener's process, as it knows itself: in another pid namespace than the caller's it may be another number there.
    pub pid: i64,
    /// `request`, `broadcast` or `publish`; a later version may know more.
    pub mode: String,
    /// For how long it has been listening, in milliseconds.
    pub uptime_ms: u64,
    /// It takes nothing new: it answers what it has, and then it is gone.
    pub is_closing: bool,
    /// It takes subscribers.
    pub publishes: bool,
    /// It lets its messages be seen: see [`blocking::tap`](crate::blocking::tap()).
    pub tap: bool,
    /// It keeps the last event of each topic for later subscribers.
    pub retains: bool,
    /// How many bytes of memory its sessions share with their clients now: see [`Options::shared_memory`](crate::Options::shared_memory).
    pub shared_memory: u64,
    /// What it has counted.
    pub counters: Counters,
    /// Up to where it goes.
    pub limits: ListenerLimits,
}

/// The limits that a listener was given: see [`Options`](crate::Options).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ListenerLimits {
    /// The largest body that it takes, in bytes.
    pub max_message: u64,
    /// The most connections at once. Where the process may have fewer descriptors it is that number.
    pub max_connections: u64,
    /// The most messages in flight.
    pub max_in_flight: u64,
    /// The most bytes that wait to be handled or read.
    pub max_waiting: u64,
    /// The most bytes of memory that its sessions share with their clients.
    pub shared_memory: u64,
    /// The most threads of its handlers; 0 where its handlers do not block.
    pub threads: u64,
}
