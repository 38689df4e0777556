//! What waits at the inbox of a connection: requests for their one answer, and streams for all that comes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_nats::{Message, StatusCode};
use tokio::sync::oneshot;

use crate::connection::{Outcome, lock};
use crate::far::{FarStream, Over};

/// All that waits, by the number at the inbox.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<u64, Waits>>);

enum Waits {
    Request { subject: String, answer: oneshot::Sender<Outcome> },
    Stream(Arc<FarStream>),
}

impl Waiting {
    /// A request to this subject waits. Forgotten, it is lost.
    pub(crate) fn request(&self, number: u64, subject: &str) -> oneshot::Receiver<Outcome> {
        let (answer, answered) = oneshot::channel();
        lock(&self.0).insert(number, Waits::Request { subject: subject.to_owned(), answer });
        answered
    }

    pub(crate) fn stream(&self, number: u64, stream: &Arc<FarStream>) {
        lock(&self.0).insert(number, Waits::Stream(Arc::clone(stream)));
    }

    pub(crate) fn forget(&self, number: u64) {
        let forgotten = lock(&self.0).remove(&number);
        drop(forgotten);
    }

    /// Brings what has come to whoever waits for it: `false` where nobody does.
    pub(crate) fn hear(&self, number: u64, message: Message) -> bool {
        let mut waiting = lock(&self.0);
        if let Some(Waits::Stream(stream)) = waiting.get(&number) {
            let stream = Arc::clone(stream);
            drop(waiting);
            stream.hear(message);
            return true;
        }
        let Some(Waits::Request { answer, .. }) = waiting.remove(&number) else { return false };
        drop(waiting);
        let nobody = message.status == Some(StatusCode::NO_RESPONDERS);
        let _gave_up = answer.send(if nobody { Outcome::NobodyThere } else { Outcome::Answer(message) });
        true
    }

    /// The server refuses what was sent to this subject.
    pub(crate) fn deny(&self, refused: &str) {
        let mut denied = Vec::new();
        lock(&self.0).retain(|_, waits| match waits {
            Waits::Request { subject, answer } if subject == refused => {
                // A closed one takes its place for the moment until it is dropped.
                denied.push(std::mem::replace(answer, oneshot::channel().0));
                false
            }
            Waits::Stream(stream) => {
                if stream.subject.as_deref() == Some(refused) {
                    stream.finish(Over::Denied);
                }
                true
            }
            Waits::Request { .. } => true,
        });
        for answer in denied {
            let _gave_up = answer.send(Outcome::Denied);
        }
    }

    /// The connection is lost, and with it all that waits.
    pub(crate) fn lose(&self) {
        let all = std::mem::take(&mut *lock(&self.0));
        for waits in all.into_values() {
            if let Waits::Stream(stream) = waits {
                stream.finish(Over::Lost);
            }
        }
    }
}
