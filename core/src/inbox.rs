//! How either side of a session receives: straight to where its reader wants the next bytes.

use std::io;

use crate::protocol::frame::{FrameReader, Slot};
use crate::transport::socket::{Socket, Wait};

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
