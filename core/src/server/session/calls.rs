//! Calls of a session that are not over, and what waits for a handler.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::message::Message;
use crate::server::call_id::CallId;
use crate::server::responder::Responder;

#[derive(Default)]
pub(crate) struct Calls {
    /// Calls of a multiplexed session that are not over, by their ids on the wire.
    pub(crate) in_flight: FxHashMap<u32, CallId>,
    /// Those of them that no thread has begun with yet.
    pub(crate) requests: VecDeque<(Message, Responder)>,
    /// Threads that take `requests` to the handler, one after another.
    pub(crate) runners: usize,
    /// What waits for the broadcast before it.
    pub(crate) in_order: VecDeque<InOrder>,
    /// Questions that are not answered yet, in `in_order` or on their way.
    pub(crate) questions: usize,
    /// Somebody is taking `in_order` to the handler.
    pub(crate) delivering: bool,
    /// The bytes of messages that handlers have not yet returned from.
    pub(crate) bytes: usize,
}

impl Calls {
    /// Ends a call. Whether it was there, and not another one with its id.
    pub(crate) fn end(&mut self, call: CallId) -> bool {
        let is_it = self.in_flight.get(&call.id()) == Some(&call);
        if is_it {
            self.in_flight.remove(&call.id());
        }
        is_it
    }
}

/// What is handed over in the order sent.
pub(crate) enum InOrder {
    Broadcast {
        message: Message,
        ack: Option<u32>,
    },
    /// The client asks to be told when all before this is handed over.
    Question(u32),
}
