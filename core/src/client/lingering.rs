//! Connections that are received to their end after their callers have left: a listener of the Deno original ends its process
//! where it cannot answer, and a TCP connection that is closed with bytes unread takes along what is on its way.

use std::sync::{Arc, Mutex};

use slab::Slab;

use crate::lock::lock;
use crate::os::fork::{self, ForkLocal};
use crate::os::poller::Poller;
use crate::os::stream::{Stream, Wait, interrupted, would_block};

/// The most connections that are received to their end at a time; one more is closed at once.
const MOST_LINGERING: usize = 256;

/// A connection that is received to its end, whoever has left.
pub(crate) struct Lingering(Option<Arc<Stream>>);

impl Lingering {
    pub(crate) fn new(socket: Stream) -> Lingering {
        Lingering::of(Arc::new(socket))
    }

    pub(crate) fn of(socket: Arc<Stream>) -> Lingering {
        Lingering(Some(socket))
    }

    /// The connection, unless it is over.
    pub(super) fn unless_over(&self) -> Option<&Stream> {
        self.0.as_deref()
    }

    pub(super) fn get(&self) -> &Arc<Stream> {
        self.0.as_ref().expect("taken only at the end")
    }

    /// The stream has ended: nothing is left to wait for.
    pub(super) fn done(&mut self) {
        self.0 = None;
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take().filter(|socket| socket.born() == fork::generation()) {
            let _told_already = socket.shutdown_write();
            ABANDONED.get().add(socket);
        }
    }
}

/// The connections of this process that nobody else receives on.
static ABANDONED: ForkLocal<Abandoned> = ForkLocal::new();

#[derive(Default)]
struct Abandoned(Mutex<State>);

#[derive(Default)]
struct State {
    /// By the tokens by which `poller` knows them.
    sockets: Slab<Arc<Stream>>,
    /// There as long as a thread receives, which ends with the last connection.
    poller: Option<Arc<Poller>>,
}

impl Abandoned {
    /// Has the thread receive on a connection. Where that cannot be had, or there are too many, the connection is closed.
    fn add(&'static self, socket: Arc<Stream>) {
        let mut state = lock(&self.0);
        if state.sockets.len() >= MOST_LINGERING {
            return;
        }
        let running = state.poller.clone();
        let Some(poller) = running.clone().or_else(|| Poller::new().ok().map(Arc::new)) else { return };
        let place = state.sockets.vacant_entry();
        if poller.watch(&socket, place.key() as u64, false).is_err() {
            return;
        }
        let token = place.key();
        place.insert(socket);
        if running.is_some() {
            return;
        }
        state.poller = Some(Arc::clone(&poller));
        let thread = std::thread::Builder::new().name("simple-ipc-ends".into());
        if thread.spawn(move || self.receive_all(&poller)).is_err() {
            state.sockets.remove(token);
            state.poller = None;
        }
    }

    /// Receives until no connection is left.
    fn receive_all(&self, poller: &Poller) {
        let mut scrap = vec![0; 16 << 10];
        let mut ready = Vec::new();
        loop {
            ready.clear();
            let looked = poller.wait(None).and_then(|_| poller.ready(&mut ready));
            for &token in &ready {
                let token = usize::try_from(token).expect("it was a usize");
                let socket = lock(&self.0).sockets.get(token).cloned();
                if socket.is_some_and(|socket| has_ended(&socket, &mut scrap)) {
                    let socket = lock(&self.0).sockets.remove(token);
                    poller.forget(&socket);
                }
            }
            let mut state = lock(&self.0);
            if looked.is_err() {
                state.sockets.clear();
            }
            if state.sockets.is_empty() {
                state.poller = None;
                return;
            }
        }
    }
}

/// Receives once. Whether nothing more will come.
fn has_ended(socket: &Stream, scrap: &mut [u8]) -> bool {
    match socket.recv(scrap, Wait::No) {
        Ok(count) => count == 0,
        Err(error) => !would_block(&error) && !interrupted(&error),
    }
}
