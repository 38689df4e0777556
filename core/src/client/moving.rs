//! Moves the bytes of a connection: by its socket, and by memory once the listener has given some.

use super::connection::{Answers, Connection, Tell};
use super::sharing::UNUSABLE_MEMORY;
use crate::error::{Error, Result};
use crate::os::stream::Stream;
use crate::protocol::Violation;
use crate::protocol::frame::Header;
use crate::session::receive::receive_into;

/// Sends what waits, as [`Connection::transmit`] does, and then says what is due about memory.
#[inline]
pub(crate) fn transmit<C>(stream: &Stream, connection: &mut Connection<C>, answers: &mut Answers<C>) -> bool {
    let goes_on = connection.transmit(|head, body| stream.send(head, body), answers);
    if goes_on && connection.sharing.is_due() {
        say_what_is_due(stream, connection);
    }
    goes_on
}

/// Adds a frame and sends, as [`Connection::add_and_transmit`] does, and then says what is due about memory.
#[inline]
pub(crate) fn add_and_transmit<C>(
    stream: &Stream,
    connection: &mut Connection<C>,
    header: &Header,
    body: &[u8],
    answers: &mut Answers<C>,
) -> bool {
    let goes_on = connection.add_and_transmit(header, body, |head, body| stream.send(head, body), answers);
    if goes_on && connection.sharing.is_due() {
        say_what_is_due(stream, connection);
    }
    goes_on
}

/// Asks for memory, or goes over to it, where nothing else waits to be sent.
#[cold]
fn say_what_is_due<C>(stream: &Stream, connection: &mut Connection<C>) {
    if connection.unsent() > 0 {
        return;
    }
    let features = connection.features();
    let Some(frame) = connection.sharing.due(features, || stream.may_share()) else { return };
    let is_question = frame.argument == 0;
    if is_question {
        stream.expect_offer(true);
    }
    let frame = frame.encode();
    match stream.send(&frame, &[]) {
        Ok(sent) if sent == frame.len() => {
            if connection.sharing.said() {
                stream.send_by_memory();
            }
        }
        // A few bytes go whole or not at all: where a part had gone, nothing could follow it.
        Ok(_) => stream.shutdown(),
        // Where there is no room it is due again with the next send, which meets whatever else there is.
        Err(_) if is_question => stream.expect_offer(false),
        Err(_) => {}
    }
}

/// Receives once, as [`Connection::receive`] does, and takes the memory that the listener gives.
#[inline]
pub(crate) fn receive<C>(stream: &Stream, connection: &mut Connection<C>, answers: &mut impl Tell<C>) -> Result<bool> {
    let received = connection.receive(|slot| receive_into(stream, slot), answers)?;
    if let Some(bytes) = connection.take_memory() {
        take_memory(stream, bytes)?;
    }
    Ok(received)
}

/// Takes the memory that the listener gives, or hears that it gives none.
#[cold]
pub(super) fn take_memory(stream: &Stream, bytes: u32) -> std::result::Result<(), Violation> {
    if bytes == 0 {
        stream.expect_offer(false);
        return Ok(());
    }
    stream.accept_offer(bytes).map_err(|_| UNUSABLE_MEMORY)
}

/// The session is over: everyone who waits hears of it.
pub(crate) fn end<C>(stream: &Stream, connection: &mut Connection<C>, error: &Error, answers: &mut Answers<C>) {
    connection.leave_out(stream.untaken());
    connection.end(error, answers);
}
