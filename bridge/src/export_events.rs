//! Publishes on NATS what an exported channel publishes here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use simple_ipc::{Channel, Event, Options, Overflow};

use crate::events::{self, EPOCH};
use crate::link::Link;
use crate::local::Local;
use crate::retained::{Kept, RETAINED, Value};
use crate::wire::{self, Subjects};

/// How often a channel that does not publish is looked at again.
const LOOK: Duration = Duration::from_millis(500);
/// The most bytes of events that wait at the publisher for this bridge; beyond them the oldest are missed, and counted.
const QUEUE: usize = 4 << 20;

/// One after another publisher of the channel, until the bridge ends.
pub(crate) async fn run(link: Arc<Link>, channel: Channel, kept: Arc<Kept>) {
    let local = Local::new(&channel, &link.settings.options, &link.settings.directory);
    let subject = Subjects::new(&link.settings.prefix, &channel).events;
    let all = async {
        let mut passing = Passing { link: &link, channel: &channel, subject, kept: &kept, publishers: 0, sequence: 0 };
        loop {
            if local.look().is_ok_and(|found| found.is_some_and(|found| found.publishes))
                && passing.pass_on(&local).await
            {
                // The next one may be there already.
                kept.look_again();
            } else {
                kept.begin_without();
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = link.closed() => {}
        () = all => {}
    }
}

/// How far it is with what the channel publishes.
struct Passing<'a> {
    link: &'a Link,
    channel: &'a Channel,
    subject: String,
    kept: &'a Kept,
    /// Which publisher it is, counted from 1.
    publishers: u64,
    /// The number of its last event.
    sequence: u64,
}

impl Passing<'_> {
    /// Passes on what one publisher publishes, until it ends; `false` where that could not begin.
    async fn pass_on(&mut self, local: &Local) -> bool {
        // It ends with its publisher: the next one may be a bridge, whose events have come from elsewhere.
        let options = self.link.settings.options.clone();
        let options = options.overflow(Overflow::DropOldest).queue(QUEUE).reconnect(Duration::ZERO);
        let Ok(mut subscription) = simple_ipc::subscribe(self.channel, &options).await else { return false };
        if local.look().is_err() {
            return false;
        }
        self.sequence = 0;
        self.publishers += 1;
        self.kept.begin(&self.epoch(), self.retains(&options).await);
        while let Some(Ok(event)) = subscription.next().await {
            // The last events of topics from before this subscription: nobody was due to get them, and they have no number.
            if event.retained {
                self.send(event, 0).await;
                continue;
            }
            match u64::try_from(event.missed) {
                Ok(missed) => self.sequence = self.sequence.saturating_add(missed),
                // An unknown number: it goes on as another publisher's events do.
                Err(_) => {
                    self.publishers += 1;
                    self.kept.rename(&self.epoch());
                }
            }
            self.sequence = self.sequence.saturating_add(1);
            self.send(event, self.sequence).await;
        }
        true
    }

    fn epoch(&self) -> String {
        format!("{}-{}", self.link.id, self.publishers)
    }

    /// Whether the publisher keeps the last event of each topic. One of an earlier version does not tell, and counts as one
    /// that does not.
    async fn retains(&self, options: &Options) -> bool {
        let (channel, options) = (self.channel.clone(), options.clone());
        let asked = tokio::task::spawn_blocking(move || simple_ipc::blocking::inspect(&channel, &options)).await;
        asked.is_ok_and(|state| state.is_ok_and(|state| state.retains))
    }

    /// Sends an event, if there is a connection and it fits: else its number is missing, by which it is noticed.
    async fn send(&self, event: Event, sequence: u64) {
        let (kind, body) = (event.data.kind(), Bytes::from(event.data.into_data()));
        self.kept.keep(&event.topic, Value { kind, body: body.clone(), sequence });
        let Some(connection) = self.link.connection() else { return };
        let subject = events::subject(&self.subject, &event.topic);
        let mut headers = wire::headers_of_kind(kind);
        headers.insert(wire::VIA, self.link.id.as_str());
        headers.insert(EPOCH, self.epoch().as_str());
        headers.insert(wire::SEQUENCE, sequence.to_string().as_str());
        if event.retained {
            headers.insert(RETAINED, "1");
        }
        if wire::size(&headers, &body) <= connection.max_payload() {
            let _not_sent_is_noticed_as_well = connection.publish(subject, headers, body).await;
        }
    }
}
