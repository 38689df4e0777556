//! How either side of a session receives: straight to where its reader wants the next bytes.

use std::io;

use crate::os::stream::{Stream, Wait};
use crate::protocol::frame::{FrameReader, Slot};

/// Receives once into `reader`. 0 is the end of the stream.
#[inline]
pub(crate) fn receive(socket: &Stream, reader: &mut FrameReader, wait: Wait) -> io::Result<usize> {
    receive_once(socket, reader, wait).map(|(count, _)| count)
}

/// The same, and whether that was all there was: what comes later, the system tells anew.
#[inline]
pub(crate) fn receive_once(socket: &Stream, reader: &mut FrameReader, wait: Wait) -> io::Result<(usize, bool)> {
    let (count, room) = match reader.slot() {
        Slot::Buffer(slot) => {
            let room = slot.len();
            let count = socket.recv(slot, wait)?;
            reader.filled(count);
            (count, room)
        }
        Slot::Body(body, missing) => (socket.recv_spare(body, missing, wait)?, missing),
    };
    Ok((count, count < room && !socket.may_have_more()))
}

/// Receives once into `reader` through `receive`, which fills a slot and says how many bytes came. 0 is the end of the
/// stream.
#[inline]
pub(crate) fn fill(reader: &mut FrameReader, receive: impl FnOnce(Slot<'_>) -> io::Result<usize>) -> io::Result<usize> {
    match reader.slot() {
        Slot::Buffer(slot) => {
            let count = receive(Slot::Buffer(slot))?;
            reader.filled(count);
            Ok(count)
        }
        body @ Slot::Body(..) => receive(body),
    }
}

/// Receives what is there into a slot.
#[inline]
pub(crate) fn receive_into(socket: &Stream, slot: Slot<'_>) -> io::Result<usize> {
    match slot {
        Slot::Buffer(slot) => socket.recv(slot, Wait::No),
        Slot::Body(body, missing) => socket.recv_spare(body, missing, Wait::No),
    }
}
