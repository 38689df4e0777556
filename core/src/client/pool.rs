//! Native sessions of this process that wait for the next one-shot post.

use std::sync::Mutex;
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::thread_driver::ThreadSession;
use crate::channel::Address;
use crate::lock::lock;
use crate::options::{Options, Peers};
use crate::os::fork::ForkLocal;

/// The most sessions with one listener that wait at a time; more are closed after use.
const MOST_IDLE: usize = 16;

static POOL: ForkLocal<Pool> = ForkLocal::new();

#[derive(Default)]
#[expect(clippy::vec_box, reason = "sessions go in and out with every message")]
struct Pool(Mutex<FxHashMap<Key, Vec<Box<ThreadSession>>>>);

/// What two posts must agree in to use the same session.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    address: Address,
    peers: Peers,
    max_message: usize,
    spin: Duration,
}

impl Key {
    pub(super) fn new(address: Address, options: &Options) -> Key {
        Key { address, peers: options.peers.clone(), max_message: options.max_message, spin: options.spin }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }
}

/// A session that is still good, if one waits. The one used last comes first.
pub(super) fn take(key: &Key) -> Option<Box<ThreadSession>> {
    loop {
        let mut session = lock(&POOL.get().0).get_mut(key)?.pop()?;
        if session.may_be_used() {
            return Some(session);
        }
    }
}

/// Keeps a session for the next post.
pub(super) fn put(key: &Key, session: Box<ThreadSession>) {
    let mut pool = lock(&POOL.get().0);
    match pool.get_mut(key) {
        Some(waiting) if waiting.len() < MOST_IDLE => waiting.push(session),
        Some(_) => {}
        None => {
            // Sessions of listeners that are gone, which nobody may ever ask for again.
            pool.retain(|_, waiting| {
                waiting.retain_mut(|session| session.is_usable());
                !waiting.is_empty()
            });
            pool.insert(key.clone(), vec![session]);
        }
    }
}
