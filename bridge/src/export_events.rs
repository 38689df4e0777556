//! Publishes on NATS what an exported channel publishes here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use simple_ipc::{Channel, Event, Overflow};

use crate::events::{self, EPOCH};
use crate::link::Link;
use crate::local::Local;
use crate::wire::{self, Subjects};

/// How often a channel that does not publish is looked at again.
const LOOK: Duration = Duration::from_millis(500);
/// The most bytes of events that wait at the publisher for this bridge; beyond them the oldest are missed, and counted.
const QUEUE: usize = 4 << 20;

/// One after another publisher of the channel, until the bridge ends.
pub(crate) async fn run(link: Arc<Link>, channel: Channel) {
    let local = Local::new(&channel, &link.settings.options, &link.settings.directory);
    let subject = Subjects::new(&link.settings.prefix, &channel).events;
    let all = async {
        let mut publishers = 0_u64;
        loop {
            if local.look().is_ok_and(|found| found.is_some_and(|found| found.publishes)) {
                pass_on(&link, &local, &channel, &subject, &mut publishers).await;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = link.closed() => {}
        () = all => {}
    }
}

/// Passes on what one publisher publishes, until it ends.
async fn pass_on(link: &Link, local: &Local, channel: &Channel, subject: &str, publishers: &mut u64) {
    // It ends with its publisher: the next one may be a bridge, whose events have come from elsewhere.
    let options = link.settings.options.clone().overflow(Overflow::DropOldest).queue(QUEUE).reconnect(Duration::ZERO);
    let Ok(mut subscription) = simple_ipc::subscribe(channel, &options).await else { return };
    if local.look().is_err() {
        return;
    }
    let mut sequence = 0_u64;
    *publishers += 1;
    while let Some(Ok(event)) = subscription.next().await {
        // The last events of topics from before this subscription: nobody was due to get them.
        if event.retained {
            continue;
        }
        match u64::try_from(event.missed) {
            Ok(missed) => sequence = sequence.saturating_add(missed),
            // An unknown number: it goes on as another publisher's events do.
            Err(_) => *publishers += 1,
        }
        sequence = sequence.saturating_add(1);
        send(link, subject, event, &format!("{}-{publishers}", link.id), sequence).await;
    }
}

/// Sends an event, if there is a connection and it fits: else its number is missing, by which it is noticed.
async fn send(link: &Link, subject: &str, event: Event, epoch: &str, sequence: u64) {
    let Some(connection) = link.connection() else { return };
    let subject = events::subject(subject, &event.topic);
    let mut headers = wire::headers_of(&event.data);
    headers.insert(wire::VIA, link.id.as_str());
    headers.insert(EPOCH, epoch);
    headers.insert(wire::SEQUENCE, sequence.to_string().as_str());
    let body = Bytes::from(event.data.into_data());
    if wire::size(&headers, &body) <= connection.max_payload() {
        let _not_sent_is_noticed_as_well = connection.publish(subject, headers, body).await;
    }
}
