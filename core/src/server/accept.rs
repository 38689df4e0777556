//! Taking connections in: who may, how many, and which dialect each speaks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::driver::dispatch;
use super::driver::driven::{Driven, Drivers, Next};
use super::single::{deno, deno_fast, text};
use crate::mode::Mode;
use crate::os::async_stream::{AsyncListener, AsyncStream};
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, would_block};
use crate::os::{is_out_of_resources, own_owner};
use crate::peer::Peer;
use crate::protocol::dialect::Dialect;
use crate::protocol::frame::{FrameReader, Sender};
use crate::protocol::hello::{HELLO_LEN, Hello, PUBLISH_SUBSCRIBE, Role};
use crate::server::session::Session;
use crate::server::shared::{OpenConnection, Phase};
use crate::server::single::connection::{Connection, receive};
use crate::trace::{Span, Who, tell};

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
    let socket = fd.accept()?;
    let peer = socket.peer();
    let greeted = greet(Arc::clone(drivers), OpenConnection::new(shared), socket, peer);
    shared.runtime.spawn(Span::connection(&peer).around(greeted));
    Ok(())
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
async fn greet(drivers: Arc<Drivers>, open: OpenConnection, socket: Stream, peer: Peer) {
    let listener = &drivers.listener;
    let shared = &listener.shared;
    if !peer.allowed(&shared.options.peers, own_owner()) {
        return shared.refused(&peer);
    }
    let mut first = Vec::with_capacity(4096);
    if deno_fast::receive(&socket, &mut first).unwrap_or(false)
        && Dialect::of(first[0], shared.plain_text) == Some(Dialect::Deno)
        && deno_fast::is_for(shared, &first)
    {
        return deno_fast::serve(open, socket, peer, first).await;
    }
    let Ok(fd) = AsyncStream::new(Arc::new(socket), Interest::Both) else { return };
    if first.is_empty() {
        let received = tokio::select! {
            received = timeout(shared.options.hello_timeout, receive(&fd, &mut first)) => received,
            () = shared.until_stopping() => Ok(take_what_is_there(&fd, &mut first)),
        };
        if !matches!(received, Ok(Ok(1..))) {
            return shared.incomplete(&peer);
        }
    }
    match Dialect::of(first[0], shared.plain_text) {
        Some(Dialect::Native) => native(&drivers, open, fd, first).await,
        Some(Dialect::Text) if shared.mode == Mode::Publish => {
            shared.malformed(&peer, "plain text for a listener that publishes only");
        }
        Some(dialect) => {
            let connection = Connection::new(shared, fd, peer);
            match dialect {
                Dialect::Deno => deno::serve(shared, connection, first).await,
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

async fn native(drivers: &Arc<Drivers>, open: OpenConnection, fd: AsyncStream, mut first: Vec<u8>) {
    let listener = &drivers.listener;
    let shared = &listener.shared;
    let whole = timeout(shared.options.hello_timeout, async {
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
        () = shared.until_stopping() => {}
    }
    let Some((hello, rest)) = first.split_first_chunk::<HELLO_LEN>() else {
        return shared.incomplete(&fd.get_ref().peer());
    };
    let theirs = Hello::decode_from_client(hello);
    let role = match shared.mode {
        Mode::Request => Role::RequestListener,
        Mode::Broadcast | Mode::Publish => Role::BroadcastListener,
    };
    let ours = Hello::new(role, shared.options.max_message);
    let peer = fd.get_ref().peer();
    let (session, shared) = (fd.into_inner(), Arc::clone(shared));
    let session = Arc::new(Session::new(session, shared, listener.next_key(), peer, theirs.as_ref().ok()));
    listener.add(&session);
    let mut reader = FrameReader::new(Sender::Client, listener.shared.options.max_message);
    reader.let_attach(theirs.as_ref().is_ok_and(Hello::knows_attachments));
    reader.feed(rest);
    let may_subscribe =
        theirs.as_ref().is_ok_and(|hello| hello.role == Role::Multiplexed && hello.features & PUBLISH_SUBSCRIBE != 0);
    let driven = Driven { session, drivers: Arc::clone(drivers), reader, may_subscribe, _open: open };
    if !driven.session.greet(&ours) {
        return;
    }
    match theirs {
        Ok(_) => {
            tell!(DEBUG, "a session begins", channel: driven.session.shared.channel, peer: Who(&peer));
            dispatch::begin(driven).await;
        }
        Err(violation) => dispatch::dispatch(driven, Next::Dismiss(violation)),
    }
}
