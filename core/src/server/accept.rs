//! Taking connections in: who may, how many, and which dialect each speaks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::driver::dispatch;
use super::driver::driven::{Drivers, Next};
use super::driver::unbegun::{self, Accepted, FIRST, Unbegun};
use super::single::{deno, deno_fast, text};
use crate::mode::Mode;
use crate::os::async_stream::{AsyncListener, AsyncStream};
use crate::os::interest::Interest;
use crate::os::stream::{Wait, would_block};
use crate::os::{is_out_of_resources, own_owner};
use crate::protocol::dialect::Dialect;
use crate::protocol::hello::{HELLO_LEN, Hello};
use crate::server::shared::{OpenConnection, Phase, Shared, until};
use crate::server::single::connection::{Connection, receive};
use crate::trace::{Span, tell};

/// How long accepting waits for a connection to end when the process is out of descriptors or memory, or pauses when
/// something else keeps it from accepting.
const OUT_OF_RESOURCES: Duration = Duration::from_millis(100);
/// When files that could not be put back are looked after again, at first; then after twice that, and so on up to the
/// usual interval.
const HEAL_AGAIN: Duration = Duration::from_millis(50);
/// How many milliseconds later a connection that has ended has its descriptor closed at the latest, as a rule.
const CLOSING: u32 = 5;
/// How often a listener at its limit looks for a session that has gone quiet.
const CROWDED: Duration = Duration::from_millis(50);

/// The accepting task's hold on its listener: if the runtime ends, nobody is to be promised an answer.
pub(crate) struct Accepting(pub(crate) Arc<Drivers>);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.listener.stop();
        self.0.listener.shared.advance(Phase::AcceptedAll);
    }
}

/// Accepts until the listener stops.
pub(crate) async fn run(accepting: Accepting, mut fd: AsyncListener) {
    let drivers = &accepting.0;
    let listener = &drivers.listener;
    let shared = &listener.shared;
    let mut check = interval(shared.options.check_interval);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    check.tick().await;
    let mut made_anew = false;
    let mut again = HEAL_AGAIN;
    while !shared.is_closing() {
        tokio::select! {
            biased;
            () = shared.accepting.notified() => {}
            _ = check.tick() => {
                let healed = listener.heal();
                made_anew |= healed.as_ref().is_ok_and(|&anew| anew);
                if made_anew
                    && let Ok(socket) = listener.listening_socket()
                    && let Ok(anew) = AsyncListener::new(socket)
                {
                    // Whoever waits in the old one is still served.
                    while shared.may_open_another() && accept(drivers, &fd).is_ok() {}
                    fd = anew;
                    made_anew = false;
                }
                // Where it cannot be put back now, the next look tries again, and comes sooner.
                if made_anew || healed.is_err() {
                    again = again.min(check.period());
                    check.reset_after(again);
                    again *= 2;
                } else {
                    again = HEAL_AGAIN;
                }
            }
            guard = fd.readable() => {
                let Ok(mut guard) = guard else { break };
                if !shared.may_open_another() {
                    if !fd.someone_waits() {
                        guard.clear_ready();
                        continue;
                    }
                    listener.retire_quietest();
                    let _looked_again_either_way = timeout(CROWDED, shared.accepting.notified()).await;
                    continue;
                }
                match accept(drivers, &fd) {
                    Ok(()) => {}
                    Err(error) if would_block(&error) => guard.clear_ready(),
                    Err(error) if is_out_of_resources(&error) => make_room(drivers, &fd).await,
                    Err(_) => sleep(OUT_OF_RESOURCES).await,
                }
            }
        }
    }
    // Whoever connected before the channel's files went has been promised a listener.
    while shared.may_open_another() && accept(drivers, &fd).is_ok() {}
}

fn accept(drivers: &Arc<Drivers>, fd: &AsyncListener) -> io::Result<()> {
    let shared = &drivers.listener.shared;
    let socket = Arc::new(fd.accept()?);
    let peer = socket.peer();
    let (drivers, open) = (Arc::clone(drivers), OpenConnection::new(shared));
    let mut accepted = Accepted { drivers, open, socket, peer, first: Vec::new(), may_be_watched: true };
    if is_crowd(shared) && peer.allowed(&shared.options.peers, own_owner()) {
        accepted.first.reserve_exact(FIRST);
        match accepted.socket.recv_spare(&mut accepted.first, HELLO_LEN, Wait::No) {
            Err(error) if would_block(&error) => {
                dispatch::watch(Unbegun::new(accepted, greet_on_the_runtime));
                shared.crowd.notify_waiters();
                return Ok(());
            }
            // What it is, or that it has ended, is found out as for any other.
            _ => {}
        }
    }
    greet_on_the_runtime(accepted);
    Ok(())
}

/// Whether so many are open that sessions share threads from the beginning: then what follows the hello of each is received by the
/// thread that serves it.
fn is_crowd(shared: &Shared) -> bool {
    shared.blocking && shared.threads.is_shared_by_all(shared.open())
}

fn greet_on_the_runtime(accepted: Accepted) {
    let runtime = accepted.open.shared().runtime.clone();
    let span = Span::connection(&accepted.peer);
    runtime.spawn(span.around(greet(accepted)));
}

/// The process is out of descriptors or memory: lets the quietest connection go, and waits until it has.
async fn make_room(drivers: &Arc<Drivers>, fd: &AsyncListener) {
    let listener = &drivers.listener;
    let shared = &listener.shared;
    tell!(WARN, "out of descriptors or memory: the quietest session is let go", channel: shared.channel);
    shared.is_starved.store(true, Ordering::SeqCst);
    listener.retire_quietest();
    let ended = timeout(OUT_OF_RESOURCES, shared.accepting.notified()).await;
    shared.is_starved.store(false, Ordering::SeqCst);
    // Its descriptor is closed a moment after it counts as ended.
    for _ in 0..CLOSING {
        if ended.is_err() || accept(drivers, fd).is_ok() || shared.is_closing() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// Serves one connection, whatever it turns out to be.
async fn greet(mut accepted: Accepted) {
    let Accepted { drivers, socket, first, peer, may_be_watched, .. } = &mut accepted;
    let shared = &drivers.listener.shared;
    let (peer, may_be_watched) = (*peer, *may_be_watched);
    if !peer.allowed(&shared.options.peers, own_owner()) {
        return shared.refused(&peer);
    }
    let dialect = |first: &[u8]| first.first().and_then(|&byte| Dialect::of(byte, shared.plain_text));
    if dialect(first) != Some(Dialect::Native) {
        first.reserve(FIRST);
        if deno_fast::receive(socket, first).unwrap_or(false)
            && dialect(first) == Some(Dialect::Deno)
            && deno_fast::is_for(shared, first)
        {
            let Accepted { open, socket, first, .. } = accepted;
            return deno_fast::serve(open, socket, peer, first).await;
        }
    }
    let Ok(fd) = AsyncStream::new(Arc::clone(socket), Interest::Both) else { return };
    if first.is_empty() {
        let most = || if is_crowd(shared) { HELLO_LEN } else { usize::MAX };
        let received = tokio::select! {
            received = timeout(shared.options.hello_timeout, receive(&fd, first, most)) => received,
            () = shared.until_stopping() => Ok(take_what_is_there(&fd, first)),
            () = until(&shared.crowd, || is_crowd(shared)), if may_be_watched => {
                accepted.socket = fd.into_inner();
                return dispatch::watch(Unbegun::new(accepted, greet_on_the_runtime));
            }
        };
        if !matches!(received, Ok(Ok(1..))) {
            return shared.incomplete(&peer);
        }
    }
    match dialect(first) {
        Some(Dialect::Native) => native(accepted, fd).await,
        Some(Dialect::Text) if shared.mode == Mode::Publish => {
            shared.malformed(&peer, "plain text for a listener that publishes only");
        }
        Some(dialect) => {
            let connection = Connection::new(shared, fd, peer);
            let Accepted { drivers, first, open: _open, .. } = accepted;
            let listener = &drivers.listener;
            match dialect {
                Dialect::Deno => deno::serve(&listener.shared, connection, first).await,
                _ => text::serve(listener, connection, &first).await,
            }
        }
        None => shared.malformed(&peer, "its first byte begins no dialect"),
    }
}

/// What a client sent before the listener stopped is still taken.
fn take_what_is_there(fd: &AsyncStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    fd.get_ref().recv_spare(buffer, usize::MAX, Wait::No)
}

async fn native(mut accepted: Accepted, fd: AsyncStream) {
    let Accepted { drivers, first, peer, .. } = &mut accepted;
    let shared = &drivers.listener.shared;
    let whole = timeout(shared.options.hello_timeout, async {
        while first.len() < HELLO_LEN {
            let missing = HELLO_LEN - first.len();
            if receive(&fd, first, || missing).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok::<(), io::Error>(())
    });
    // One that comes in pieces is not waited for when the listener stops.
    tokio::select! {
        biased;
        _ = whole => {}
        () = shared.until_stopping() => {}
    }
    let Some(hello) = first.first_chunk::<HELLO_LEN>() else {
        return shared.incomplete(peer);
    };
    let theirs = Hello::decode_from_client(hello);
    // The session's driver watches it.
    accepted.socket = fd.into_inner();
    let Some(driven) = unbegun::begin(accepted, &theirs) else { return };
    match theirs {
        Ok(_) => dispatch::begin(driven).await,
        Err(violation) => dispatch::dispatch(driven, Next::Dismiss(violation)),
    }
}
