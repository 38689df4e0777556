//! A stream of a local caller whose handler is on another machine.

use bytes::Bytes;
use simple_ipc::{Error, ErrorKind, Items, Message, ReplyStream, Responder};

use crate::connection::Outcome;
use crate::far::{FarStream, Next, Over};
use crate::import::{Cancel, Import, failure, refuse, too_large};
use crate::wire::{self, Answered};

/// How what the handler sends has come to its end here.
enum Ended {
    /// No more items come.
    InOrder,
    /// The stream has failed.
    Over(Over),
    /// The local caller has left, or was told of an item that is larger than it takes.
    Left,
}

impl Import {
    /// Has a stream handled by whoever exports the channel.
    pub(crate) async fn pass_on_stream(&self, opening: Message, responder: Responder) {
        let Some(connection) = self.link.connection() else {
            return refuse(responder, Answered::Error(self.link.not_connected()));
        };
        let headers = self.headers(&connection, &opening, &responder, responder.time_left());
        let body = Bytes::from(opening.into_data());
        let size = wire::size(&headers, &body);
        if size > connection.max_payload() {
            return refuse(responder, Answered::Error(too_large("opening", size, &connection)));
        }
        let subject = &self.subjects.streams;
        let far = FarStream::of_caller(&connection, subject);
        let cancel = Cancel { import: self, connection: &connection, reply: far.inbox().to_owned() };
        let mut gone = self.gone.subscribe();
        let sent = connection.publish_with_reply(subject.clone(), far.inbox().to_owned(), headers, body).await;
        if sent.is_err() {
            return refuse(responder, Answered::Error(self.link.not_connected()));
        }
        let accepted = tokio::select! {
            biased;
            accepted = far.accepted() => accepted,
            () = responder.cancelled() => return cancel.send().await,
            _ = gone.changed() => Err(Over::Gone("whoever exported the channel has gone")),
            () = far.stay() => return,
        };
        if let Err(over) = accepted {
            // Where the exporter has it all the same, it is to let go of it.
            cancel.send().await;
            return refuse(responder, self.told(over, &far));
        }
        let Ok(reply) = responder.stream() else { return cancel.send().await };
        let items = reply.items();
        let ended = tokio::select! {
            biased;
            ended = bring(&far, &reply) => ended,
            failed = take(&far, &items) => failed,
            () = reply.cancelled() => Ended::Left,
            () = far.stay() => return,
        };
        match ended {
            Ended::InOrder => drop(reply.end()),
            Ended::Left => cancel.send().await,
            Ended::Over(over) => {
                cancel.send().await;
                let _gave_up = match self.told(over, &far) {
                    Answered::Error(error) => reply.refuse(&error),
                    Answered::Failed { text, code, data } => reply.fail_with(failure(text, code, data)),
                };
            }
        }
    }

    /// What the local caller is told of a stream that is over.
    fn told(&self, over: Over, far: &FarStream) -> Answered {
        let connection = far.connection();
        let error = match over {
            Over::Failed(answered) => return answered,
            Over::NobodyThere => self.no_answer(Outcome::NobodyThere, &self.subjects.streams, connection),
            Over::Denied => self.no_answer(Outcome::Denied, &self.subjects.streams, connection),
            Over::Lost => {
                let text = format!("the connection to {} was lost before the stream ended", connection.server());
                Error::new(ErrorKind::ConnectionLost, text).after_sending()
            }
            Over::Gone(why) => Error::new(ErrorKind::ConnectionLost, why).after_sending(),
        };
        Answered::Error(error)
    }
}

/// Brings the handler's items to the caller, as it takes them.
async fn bring(far: &FarStream, reply: &ReplyStream) -> Ended {
    loop {
        match far.next().await {
            Next::Item(item) => {
                if reply.send_async(&item).await.is_err() {
                    return Ended::Left;
                }
                far.taken(item.len()).await;
            }
            Next::End => return Ended::InOrder,
            Next::Over(over) => return Ended::Over(over),
        }
    }
}

/// Takes the caller's items to the handler, as that has room for them. Completes only where that cannot go on.
async fn take(far: &FarStream, items: &Items) -> Ended {
    loop {
        far.room().await;
        match items.next().await {
            Some(Ok(item)) => {
                if let Err(error) = far.item(item).await {
                    return Ended::Over(Over::Failed(Answered::Error(error)));
                }
            }
            Some(Err(_)) => return Ended::Left,
            None => {
                far.end().await;
                return std::future::pending().await;
            }
        }
    }
}
