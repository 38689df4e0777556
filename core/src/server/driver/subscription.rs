//! A session that is a subscription: takes credit, and sends what the publishing threads have left to it.

use std::io;
use std::sync::Arc;

use tokio::task::yield_now;
use tokio::time::timeout;

use super::dismissal::{FAREWELL, read_to_the_end, send_the_rest};
use super::driven::{Driven, Next};
use super::runtime::receive;
use crate::error::ErrorKind;
use crate::os::async_stream::AsyncStream;
use crate::os::interest::Interest;
use crate::protocol::Violation;
use crate::protocol::frame::{FrameReader, Kind};
use crate::server::publication::{Place, Publication, Pumped, Refusal, asks_for_messages};
use crate::server::session::Session;
use crate::server::session::state::Ending;
use crate::server::tap::Tap;

/// Drives a session whose first frame, of which the header is here, is a subscribe.
pub(crate) async fn drive(driven: &mut Driven) -> Next {
    let Driven { session, reader, .. } = driven;
    let session = &*session;
    let Ok(fd) = AsyncStream::new(Arc::clone(&session.socket), Interest::Both) else { return Next::End };
    let begun = match first(session, &fd, reader).await {
        Ok(Some((id, body))) => begin(session, id, &body),
        Ok(None) => return Next::End,
        Err(violation) => return Next::Dismiss(violation),
    };
    let place = match begun {
        Ok(place) => place,
        Err(refused) => {
            if let Some((id, kind, text)) = refused {
                session.transmit_error(id, kind, &text, std::time::Duration::ZERO);
            } else {
                session.say_goaway();
            }
            let _slow_peers_are_not_waited_for = timeout(FAREWELL, async {
                send_the_rest(&fd, session).await;
                end(session, &fd).await;
            })
            .await;
            return Next::End;
        }
    };
    serve(session, &fd, reader, place).await
}

/// Receives the whole subscribe frame: its id and body. `None`: the client has gone.
async fn first(
    session: &Session,
    fd: &AsyncStream,
    reader: &mut FrameReader,
) -> Result<Option<(u32, Vec<u8>)>, Violation> {
    loop {
        if let Some((header, body)) = reader.next()? {
            return Ok(Some((header.id, body.into_vec())));
        }
        if !matches!(receive(fd, &session.socket, reader).await, Ok(1..)) {
            session.count_unfinished(reader);
            return Ok(None);
        }
    }
}

/// Why a subscription does not begin: the id of its subscribe, and what its client is told; `None`: the session was to end
/// before it.
type NotBegun = Option<(u32, ErrorKind, String)>;

fn begin(session: &Session, id: u32, body: &[u8]) -> Result<Place, NotBegun> {
    let of_messages = session.knows_inspection() && asks_for_messages(body);
    let publication = if of_messages { seen(session) } else { published(session) };
    let publication = publication.map_err(|(kind, text)| Some((id, kind, text.to_owned())))?;
    if !session.state.begin_subscription() {
        return Err(None);
    }
    let (socket, driver) = (Arc::clone(&session.socket), Arc::clone(&session.driver));
    publication.subscribe(id, body, session.peer_max, session.knows_attachments(), socket, driver).map_err(|refusal| {
        match refusal {
            Refusal::Error(kind, text) => Some((id, kind, text)),
            Refusal::Closed => None,
        }
    })
}

/// What the listener publishes.
fn published(session: &Session) -> Result<&Arc<Publication>, (ErrorKind, &'static str)> {
    let text = "the listener does not publish; have it listen with `publish`, or post to it";
    session.shared.publication.as_ref().ok_or((ErrorKind::WrongMode, text))
}

/// What passes at the listener, if this client may see it.
fn seen(session: &Session) -> Result<&Arc<Publication>, (ErrorKind, &'static str)> {
    let Some(tap) = &session.shared.tap else {
        let text = "the listener lets nobody see its messages; have it listen with `tap`";
        return Err((ErrorKind::WrongMode, text));
    };
    if !Tap::may_be_seen_by(&session.peer) {
        let text = "the listener lets its own user and root alone see its messages; look as its user";
        return Err((ErrorKind::PeerNotAllowed, text));
    }
    Ok(tap.publication())
}

async fn serve(session: &Session, fd: &AsyncStream, reader: &mut FrameReader, place: Place) -> Next {
    // What came together with the subscribe.
    if let Err(violation) = take(&place, reader) {
        dismiss(session, fd, &place, &violation).await;
        return Next::End;
    }
    let (mut is_finishing, mut has_parted) = (false, false);
    loop {
        match session.state.see().ending() {
            Ending::Open => {}
            Ending::Retiring if is_finishing => {}
            Ending::Retiring => {
                is_finishing = true;
                place.finish();
            }
            Ending::Lost => return Next::End,
            Ending::Over if has_parted => return Next::End,
            Ending::Over => {
                has_parted = true;
                place.part();
            }
        }
        let Ok(pumped) = place.pump() else { return Next::End };
        if pumped == Pumped::Ended {
            drop(place);
            let stalls = session.shared.options.stall_timeout;
            let _slow_peers_are_not_waited_for = timeout(stalls, end(session, fd)).await;
            return Next::End;
        }
        reader.rest();
        tokio::select! {
            () = session.driver.notified() => {}
            () = yield_now(), if pumped == Pumped::More => {}
            guard = fd.writable(), if pumped == Pumped::Full => {
                let Ok(mut guard) = guard else { return Next::End };
                match place.pump() {
                    Ok(Pumped::Full) => guard.clear_ready(),
                    Ok(_) => {}
                    Err(_) => return Next::End,
                }
            }
            received = receive(fd, &session.socket, reader), if place.may_receive() => {
                if !matches!(received, Ok(1..)) {
                    session.count_unfinished(reader);
                    return Next::End;
                }
                if let Err(violation) = take(&place, reader) {
                    dismiss(session, fd, &place, &violation).await;
                    return Next::End;
                }
            }
        }
    }
}

/// Takes the frames that are here.
fn take(place: &Place, reader: &mut FrameReader) -> Result<(), Violation> {
    while let Some((header, _)) = reader.next()? {
        match header.kind {
            Kind::Credit if header.id != place.id() => {
                return Err(Violation::Malformed("a credit has another id than the subscribe of its session"));
            }
            Kind::Credit if header.argument == 0 => {
                return Err(Violation::Malformed("a subscription grants nothing"));
            }
            Kind::Credit if !place.grant(header.argument) => {
                return Err(Violation::Malformed("more credit is granted than may be"));
            }
            Kind::Ping => place.pong(header.id),
            Kind::Credit | Kind::Pong => {}
            _ => return Err(Violation::Malformed("a subscription sent something else than credit, ping and pong")),
        }
    }
    Ok(())
}

/// Ends a subscription whose client broke the protocol: tells it so after the frame that has begun.
async fn dismiss(session: &Session, fd: &AsyncStream, place: &Place, violation: &Violation) {
    session.shared.malformed(&session.peer, violation);
    place.fail(violation.kind(), &violation.told_by_listener());
    let _slow_peers_are_not_waited_for = timeout(FAREWELL, async {
        if send_all(session, fd, place).await.is_ok() {
            end(session, fd).await;
        }
    })
    .await;
}

/// Completes when the last frame of a subscription has left.
async fn send_all(session: &Session, fd: &AsyncStream, place: &Place) -> io::Result<()> {
    loop {
        match place.pump()? {
            Pumped::Ended => return Ok(()),
            Pumped::More => yield_now().await,
            // A publishing thread is in the middle of a send, and says when it has ended.
            Pumped::Quiet => session.driver.notified().await,
            Pumped::Full => {
                let mut guard = fd.writable().await?;
                if place.pump()? == Pumped::Full {
                    guard.clear_ready();
                }
            }
        }
    }
}

/// Ends the stream, and lets the client read it to its end. Credit that comes meanwhile would reset a TCP connection, and
/// what is on its way would be lost.
async fn end(session: &Session, fd: &AsyncStream) {
    let _gone_already = session.socket.shutdown_write();
    if session.socket.is_tcp() {
        tokio::select! {
            () = read_to_the_end(fd, session) => {}
            () = session.shared.until_closed() => {}
        }
    }
}
