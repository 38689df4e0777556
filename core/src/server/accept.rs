//! Taking connections in: who may, how many, and which dialect each speaks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::driver::runtime;
use super::single::{deno, deno_fast, text};
use crate::counters::count;
use crate::mode::Mode;
use crate::os::async_stream::{AsyncListener, AsyncStream};
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, would_block};
use crate::os::{is_out_of_resources, own_owner};
use crate::protocol::dialect::Dialect;
use crate::protocol::frame::{FrameReader, Sender};
use crate::protocol::hello::{HELLO_LEN, Hello, Role};
use crate::server::listening::{Accepting, Listening};
use crate::server::session::Session;
use crate::server::single::connection::{Connection, receive};

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

/// Accepts until the listener stops.
pub(super) async fn run(accepting: Accepting, mut fd: AsyncListener) {
    let listening = accepting.listening();
    let mut check = interval(listening.check_interval());
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    check.tick().await;
    let mut made_anew = false;
    let mut again = HEAL_AGAIN;
    while !listening.is_closing() {
        tokio::select! {
            biased;
            () = listening.accepting().notified() => {}
            _ = check.tick() => {
                let healed = listening.heal();
                made_anew |= healed.as_ref().is_ok_and(|&anew| anew);
                if made_anew
                    && let Ok(socket) = listening.listening_socket()
                    && let Ok(anew) = AsyncListener::new(socket)
                {
                    // Whoever waits in the old one is still served.
                    while listening.has_seat() && accept(listening, &fd).is_ok() {}
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
                if !listening.has_seat() {
                    if !fd.someone_waits() {
                        guard.clear_ready();
                        continue;
                    }
                    listening.retire_quietest();
                    let _looked_again_either_way = timeout(CROWDED, listening.accepting().notified()).await;
                    continue;
                }
                match accept(listening, &fd) {
                    Ok(()) => {}
                    Err(error) if would_block(&error) => guard.clear_ready(),
                    Err(error) if is_out_of_resources(&error) => make_room(listening, &fd).await,
                    Err(_) => sleep(OUT_OF_RESOURCES).await,
                }
            }
        }
    }
    // Whoever connected before the channel's files went has been promised a listener.
    while listening.has_seat() && accept(listening, &fd).is_ok() {}
}

fn accept(listening: &Arc<Listening>, fd: &AsyncListener) -> io::Result<()> {
    let socket = fd.accept()?;
    listening.connection_opened();
    let seat = OpenConnection(Some(Arc::clone(listening)));
    listening.runtime.spawn(greet(seat, socket));
    Ok(())
}

/// The process is out of descriptors or memory: lets the quietest connection go, and waits until it has.
async fn make_room(listening: &Arc<Listening>, fd: &AsyncListener) {
    listening.is_starved.store(true, Ordering::SeqCst);
    listening.retire_quietest();
    let ended = timeout(OUT_OF_RESOURCES, listening.accepting().notified()).await;
    listening.is_starved.store(false, Ordering::SeqCst);
    // Its descriptor is closed a moment after it counts as ended.
    for _ in 0..CLOSING {
        if ended.is_err() || accept(listening, fd).is_ok() || listening.is_closing() {
            return;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

/// A connection that counts as open until this is dropped or given to a session.
pub(super) struct OpenConnection(Option<Arc<Listening>>);

impl OpenConnection {
    pub(super) fn listening(&self) -> &Arc<Listening> {
        self.0.as_ref().expect("given away only at the end")
    }

    /// From here on the session says when the connection has ended.
    fn give_to_session(mut self) -> Arc<Listening> {
        self.0.take().expect("given away only once")
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(listening) = self.0.take() {
            listening.connection_ended();
        }
    }
}

/// Serves one connection, whatever it turns out to be.
async fn greet(seat: OpenConnection, socket: Stream) {
    let listening = Arc::clone(seat.listening());
    let peer = socket.peer();
    if !peer.allowed(&listening.peers, own_owner()) {
        return count(&listening.tally.refused);
    }
    let mut first = Vec::with_capacity(4096);
    if deno_fast::receive(&socket, &mut first).unwrap_or(false)
        && Dialect::of(first[0], listening.plain_text) == Some(Dialect::Deno)
        && deno_fast::is_for(&listening, &first)
    {
        return deno_fast::serve(seat, socket, peer, first).await;
    }
    let Ok(fd) = AsyncStream::new(Arc::new(socket), Interest::Both) else { return };
    if first.is_empty() {
        let received = tokio::select! {
            received = timeout(listening.hello_timeout, receive(&fd, &mut first)) => received,
            () = listening.until_stopping() => Ok(take_what_is_there(&fd, &mut first)),
        };
        if !matches!(received, Ok(Ok(1..))) {
            return count(&listening.tally.incomplete);
        }
    }
    match Dialect::of(first[0], listening.plain_text) {
        Some(Dialect::Native) => native(seat, fd, first).await,
        Some(dialect) => {
            let connection = Connection::new(&listening, fd, peer);
            match dialect {
                Dialect::Deno => deno::serve(&listening, connection, first).await,
                _ => text::serve(&listening, connection, &first).await,
            }
        }
        None => count(&listening.tally.malformed),
    }
}

/// What a client sent before the listener stopped is still taken.
fn take_what_is_there(fd: &AsyncStream, buffer: &mut Vec<u8>) -> io::Result<usize> {
    fd.get_ref().recv_spare(buffer, usize::MAX, Wait::No)
}

async fn native(seat: OpenConnection, fd: AsyncStream, mut first: Vec<u8>) {
    let listening = Arc::clone(seat.listening());
    let whole = timeout(listening.hello_timeout, async {
        while first.len() < HELLO_LEN {
            if receive(&fd, &mut first).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok::<(), io::Error>(())
    });
    // One that comes in pieces is not waited for when the listener stops.
    tokio::select! {
        biased;
        _ = whole => {}
        () = listening.until_stopping() => {}
    }
    let Some((hello, rest)) = first.split_first_chunk::<HELLO_LEN>() else {
        return count(&listening.tally.incomplete);
    };
    let theirs = Hello::decode_from_client(hello);
    let role = match listening.mode {
        Mode::Request => Role::RequestListener,
        Mode::Broadcast => Role::BroadcastListener,
    };
    let ours = Hello::new(role, listening.max_message);
    let peer = fd.get_ref().peer();
    let exclusive = theirs.as_ref().is_ok_and(|hello| hello.role == Role::Exclusive);
    let peer_max = theirs.as_ref().map_or(usize::MAX, |hello| hello.max_message as usize);
    let key = listening.next_key();
    let session = Arc::new(Session::new(fd.into_inner(), seat.give_to_session(), key, peer, exclusive, peer_max));
    listening.add(&session);
    if !session.greet(&ours) {
        return runtime::abandon(session);
    }
    match theirs {
        Ok(_) => {
            let mut reader = FrameReader::new(Sender::Client, listening.max_message);
            reader.feed(rest);
            runtime::drive(session, reader, false).await;
        }
        Err(violation) => runtime::dismiss(session, violation).await,
    }
}
