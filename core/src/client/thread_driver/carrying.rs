//! What a stream needs of the session that carries it: it sends and receives by itself, and nobody waits.

use std::io;
use std::sync::Arc;

use super::ThreadSession;
use crate::os::stream::{Stream, Wait};
use crate::protocol::Violation;
use crate::protocol::frame::{Body, Header};
use crate::protocol::hello::Hello;

impl ThreadSession {
    /// The id of a message that its owner sends by itself.
    pub(crate) fn next_id(&mut self) -> u32 {
        self.ids.next()
    }

    /// What has to leave before anything else.
    pub(crate) fn take_unsent(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    pub(crate) fn socket(&self) -> &Arc<Stream> {
        &self.socket
    }

    /// The listener's hello, once it has come.
    pub(crate) fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// Receives what is there. 0 is the end of the stream.
    pub(crate) fn receive_now(&mut self) -> io::Result<usize> {
        self.receive(Wait::No)
    }

    /// The next frame that is here, whatever it is; only when the hello has come.
    pub(crate) fn next_of_any_kind(&mut self) -> Result<Option<(Header, Body<'_>)>, Violation> {
        self.reader.next()
    }

    /// Whether a whole frame, or one that breaks the protocol, is here.
    pub(crate) fn has_a_frame(&mut self) -> bool {
        use crate::protocol::frame::Next;
        self.hello.is_some() && !matches!(self.reader.next_if(|_| false), Ok(Next::NotYet))
    }

    /// Whether the beginning of a large body is here, and its end is not.
    pub(crate) fn is_inside_a_body(&self) -> bool {
        self.reader.missing() > 0
    }

    /// A goaway with the id `last` has come. Whether it says that the message `id` was not taken.
    pub(crate) fn says_goodbye(&mut self, last: u32, id: u32) -> bool {
        self.goaway = Some(last);
        self.ids.leaves_out(last, id)
    }

    /// Whether it has memory, or may get it any moment: then a stream had better go elsewhere.
    pub(crate) fn is_sharing(&self) -> bool {
        self.sharing.is_under_way()
    }

    /// Whether it goes by its socket for good.
    #[inline(always)]
    pub(crate) fn never_shares(&self) -> bool {
        self.sharing.is_out_of_question()
    }

    /// It can be used no more.
    pub(crate) fn break_off(&mut self) {
        self.broken = true;
    }

    /// Gives memory back before it waits for its next owner.
    pub(crate) fn rest(&mut self) {
        self.reader.rest();
    }
}
