//! How either side of a session receives: straight to where its reader wants the next bytes.

use std::io;

use crate::protocol::frame::{FrameReader, Slot};
use crate::transport::socket::{Socket, Wait};

/// Receives what is there, once, and says whether that was all: what comes later, the system tells anew.
pub(crate) fn receive_once(socket: &Socket, reader: &mut FrameReader) -> io::Result<(usize, bool)> {
    match reader.slot() {
        Slot::Buffer(slot) => {
            let room = slot.len();
            let count = socket.recv(slot, Wait::No)?;
            reader.filled(count);
            Ok((count, count < room))
        }
        Slot::Body(body, missing) => {
            let count = socket.recv_spare(body, missing, Wait::No)?;
            Ok((count, count < missing))
        }
    }
}

/// Receives once into `reader`. 0 is the end of the stream.
#[inline]
pub(crate) fn receive(socket: &Socket, reader: &mut FrameReader, wait: Wait) -> io::Result<usize> {
    match reader.slot() {
        Slot::Buffer(slot) => {
            let count = socket.recv(slot, wait)?;
            reader.filled(count);
            Ok(count)
        }
        Slot::Body(body, missing) => socket.recv_spare(body, missing, wait),
    }
}
