//! What passes at a listener, for those who may see it: a publication of its own beside the listener's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use super::error_frame::ErrorFrame;
use super::publication::Publication;
use crate::error::Error;
use crate::message::{Message, MessageKind, MessageRef};
use crate::options::Options;
use crate::os;
use crate::passed::Note;
use crate::peer::{Peer, Peers};

/// The largest message of an event: a frame's length has 32 bits, and the topic stands before the message.
const LARGEST: usize = u32::MAX as usize - 512;

/// Where it is told what passes. While nobody looks, telling costs a look at who does.
#[derive(Debug)]
pub(crate) struct Tap {
    publication: Arc<Publication>,
    /// How many calls there were: counted by who takes one to the handler. Relaxed: nothing is ordered by it.
    calls: AtomicU64,
}

impl Tap {
    /// The tap of a listener with these options; `None` where its messages are not to be seen.
    pub(crate) fn new(options: &Options) -> Option<Arc<Tap>> {
        let publishing = Options { retain: false, patience: Duration::ZERO, max_message: LARGEST, ..options.clone() };
        options
            .tap
            .then(|| Arc::new(Tap { publication: Arc::new(Publication::new(&publishing)), calls: AtomicU64::new(0) }))
    }

    pub(crate) fn publication(&self) -> &Arc<Publication> {
        &self.publication
    }

    /// Whether this peer may see what passes: the listener's own user and root, whoever else may post.
    pub(crate) fn may_be_seen_by(peer: &Peer) -> bool {
        peer.owner().is_some() && peer.allowed(&Peers::SameOwner, os::own_owner())
    }

    /// A call begins: it is told what it is, and what else passes of it.
    pub(crate) fn begin(self: &Arc<Tap>, what: &'static str, peer: Peer, message: MessageRef<'_>) -> TappedCall {
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let call = TappedCall { tap: Arc::clone(self), number, peer, began: Instant::now() };
        call.publish(what, None, message);
        call
    }
}

/// One call at a listener whose messages may be seen.
pub(crate) struct TappedCall {
    tap: Arc<Tap>,
    number: u64,
    peer: Peer,
    began: Instant,
}

impl TappedCall {
    /// Tells what passes of the call.
    pub(crate) fn tell(&self, what: &'static str, message: MessageRef<'_>) {
        self.publish(what, Some(self.began), message);
    }

    /// Tells the error that was sent.
    pub(crate) fn tell_error(&self, frame: ErrorFrame<'_>) {
        let body = Message::from_parts(MessageKind::Json, frame.body(usize::MAX));
        self.tell("error", (&body).into());
    }

    /// Tells that an answer could not be sent.
    pub(crate) fn tell_unanswered(&self, error: &Error) {
        let body = ErrorFrame::of_text(error.kind(), error.message()).body(usize::MAX);
        let body = Message::from_parts(MessageKind::Json, body);
        self.tell("unanswered", (&body).into());
    }

    fn publish(&self, what: &'static str, began: Option<Instant>, message: MessageRef<'_>) {
        let publication = &self.tap.publication;
        if publication.counted().subscribers == 0 {
            return;
        }
        let since_the_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let user = self.peer.owner().map(|owner| match (owner.uid(), owner.sid()) {
            (Some(uid), _) => uid.to_string(),
            (None, sid) => sid.unwrap_or_default().to_owned(),
        });
        let note = Note {
            what: what.into(),
            call: self.number,
            at_ms: since_the_epoch.as_millis() as u64,
            took_us: began.map(|began| began.elapsed().as_micros() as u64),
            pid: self.peer.pid(),
            user,
        };
        let topic = serde_json::to_string(&note).expect("texts and numbers always become JSON");
        // One that is too slow misses it, and hears that it did.
        let _nobody_is_waited_for = publication.try_publish(&topic, message);
    }
}

impl fmt::Debug for TappedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TappedCall").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::{Owner, Ownership};

    #[test]
    fn the_listeners_own_user_and_root_may_look_and_nobody_else_whoever_may_post() {
        let may = |owner| Tap::may_be_seen_by(&Peer::new(owner));
        assert!(may(Ownership::Known(os::own_owner())));
        assert!(may(Ownership::Known(Owner::from_uid(0))));
        assert!(!may(Ownership::Known(Owner::from_uid(4_000_000_000))));
        for unknown in [Ownership::Anybody, Ownership::Untold, Ownership::Missing] {
            assert!(!may(unknown), "{unknown:?}");
        }
    }
}
