//! A handler whose messages, and answers, may be seen: it is called as before, by way of this. A listener whose messages are not
//! to be seen has nothing of it.

use std::sync::Arc;
use std::time::Duration;

use super::call_id::CallId;
use super::error_frame::ErrorFrame;
use super::handler::Handler;
use super::responder::{Changes, Recipient, Responder};
use super::stream::OpenStream;
use super::tap::{Tap, TappedCall};
use crate::error::Result;
use crate::message::{Message, MessageRef};
use crate::mode::Mode;
use crate::peer::Peer;

/// Has the tap told what passes at a handler.
pub(crate) fn around(handler: Handler, tap: &Arc<Tap>) -> Handler {
    let tap = Arc::clone(tap);
    match handler {
        Handler::Blocking(handler) => Handler::Blocking(Box::new(move |message, responder| {
            let responder = seen(&tap, message, responder);
            handler(message, responder);
        })),
        Handler::Async(handler) => Handler::Async(Box::new(move |message, responder| {
            let responder = seen(&tap, &message, responder);
            handler(message, responder)
        })),
    }
}

/// Tells that a call begins; its responder, which tells how it ends.
fn seen(tap: &Arc<Tap>, message: &Message, responder: Responder) -> Responder {
    let what = match (responder.is_stream(), responder.mode()) {
        (true, _) => "stream",
        (false, Mode::Request) => "request",
        (false, _) => "broadcast",
    };
    let call = tap.begin(what, responder.peer(), message.into());
    responder.by_way_of(|to| match to.stream() {
        Some(open) => {
            open.be_seen(call);
            to
        }
        None => Arc::new(Tapped { to, call }),
    })
}

/// Where an answer goes, of which it is told.
#[derive(Debug)]
struct Tapped {
    to: Arc<dyn Recipient>,
    call: TappedCall,
}

impl Recipient for Tapped {
    fn peer(&self) -> Peer {
        self.to.peer()
    }

    fn reply(&self, call: CallId, reply: MessageRef<'_>) -> Result<()> {
        let sent = self.to.reply(call, reply);
        match &sent {
            Ok(()) => self.call.tell("response", reply),
            Err(error) => self.call.tell_unanswered(error),
        }
        sent
    }

    fn fail(&self, call: CallId, frame: ErrorFrame<'_>, patience: Duration) -> Result<()> {
        let sent = self.to.fail(call, frame, patience);
        match &sent {
            Ok(()) => self.call.tell_error(frame),
            Err(error) => self.call.tell_unanswered(error),
        }
        sent
    }

    fn discard(&self, call: CallId) {
        self.to.discard(call);
    }

    fn is_cancelled(&self, call: CallId) -> bool {
        self.to.is_cancelled(call)
    }

    fn changes(&self, call: CallId) -> Changes<'_> {
        self.to.changes(call)
    }

    fn stream(&self) -> Option<&Arc<OpenStream>> {
        self.to.stream()
    }
}
