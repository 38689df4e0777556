//! Publishes here what an imported channel publishes on another machine.

use std::time::{Duration, Instant};

use async_nats::{Message as NatsMessage, Subscriber};
use futures_util::StreamExt;
use simple_ipc::{Listener, Message, Result};

use crate::connection::{Connection, lock};
use crate::events::{self, Follows};
use crate::import::Import;
use crate::retained::{self, Given, RETAINED};
use crate::wire;

/// How long subscribers may take to come back to a listener that takes another's place.
const RETURN: Duration = Duration::from_secs(1);
/// How often it is looked whether they have.
const LOOK: Duration = Duration::from_millis(10);

/// An event that has come, for the next listener: the one before it cannot tell that an unknown number is missing.
#[derive(Debug)]
pub(crate) struct Held {
    topic: String,
    message: Message,
    /// How many subscribers there were.
    subscribers: u64,
}

impl Import {
    /// What comes of the channel's events over a connection, from now on.
    pub(crate) async fn events_over(&self, connection: &Connection) -> Result<Subscriber> {
        let all = events::all(&self.subjects.events);
        let incoming = connection.subscribe(&all, None).await?;
        connection.settle().await?;
        if connection.is_refused(&all) {
            let text = format!("{} does not let this user subscribe to {all}; permit that", connection.server());
            return Err(simple_ipc::Error::new(simple_ipc::ErrorKind::PermissionDenied, text));
        }
        Ok(incoming)
    }

    /// Publishes events until an unknown number was missed. Local subscribers are told exactly that by a listener that takes this
    /// one's place. So it is, too, where the last events of topics that were `given` for later subscribers may be others by now.
    pub(crate) async fn publish_all(&self, listener: &Listener, incoming: Subscriber, mut given: Option<Given>) {
        let held = lock(&self.held).take();
        if let Some(given) = &mut given {
            let of_the_held = held.as_ref().map(|held| held.topic.as_str());
            for (topic, message) in std::mem::take(&mut given.values) {
                if Some(topic.as_str()) != of_the_held {
                    publish(listener, &topic, &message).await;
                }
            }
        }
        if let Some(Held { topic, message, subscribers }) = held {
            let until = Instant::now() + RETURN;
            while listener.counters().subscribers < subscribers && Instant::now() < until {
                tokio::time::sleep(LOOK).await;
            }
            publish(listener, &topic, &message).await;
        }
        let mut incoming = Some(incoming);
        loop {
            let Some(events) = &mut incoming else {
                let Some(connection) = self.link.connected().await else { return };
                incoming = self.events_over(&connection).await.ok();
                if incoming.is_none() {
                    connection.lost().await;
                } else if let Some(given) = &given
                    && !self.has_all_values(&connection, given).await
                {
                    return;
                }
                continue;
            };
            // It ends with its connection; what is missing is seen by the numbers on the next.
            let Some(event) = events.next().await else {
                incoming = None;
                continue;
            };
            let Some((topic, message)) = read(&event) else { continue };
            if wire::header(&event, RETAINED).is_some() {
                // It came to the exporter after this one had asked it.
                if let Some(given) = &mut given
                    && !given.numbers.contains_key(&topic)
                {
                    given.numbers.insert(topic.clone(), (String::new(), 0));
                    publish(listener, &topic, &message).await;
                }
                continue;
            }
            let follows = lock(&self.positions).note(&event);
            if let Some(given) = &mut given {
                let (epoch, number) = number_of(&event);
                if given.has(&topic, epoch, number) {
                    continue;
                }
                if retained::forgets(message.kind(), message.data()) {
                    given.numbers.remove(&topic);
                } else {
                    given.numbers.insert(topic.clone(), (epoch.to_owned(), number));
                }
            }
            let subscribers = listener.counters().subscribers;
            match follows {
                Follows::AfterAnUnknownNumber if subscribers > 0 || given.is_some() => {
                    *lock(&self.held) = Some(Held { topic, message, subscribers });
                    return;
                }
                Follows::After(_) if given.is_some() => {
                    *lock(&self.held) = Some(Held { topic, message, subscribers });
                    return;
                }
                Follows::After(missed) => {
                    let _it_is_closing = listener.publish_missed(missed);
                }
                Follows::Next | Follows::AfterAnUnknownNumber => {}
            }
            publish(listener, &topic, &message).await;
        }
    }

    /// Whether the values at the exporter are those that have come over an earlier connection.
    async fn has_all_values(&self, connection: &Connection, given: &Given) -> bool {
        let Ok(now) = Given::ask(connection, &self.subjects.values).await else { return false };
        let is_forgotten = given.numbers.keys().any(|topic| !now.numbers.contains_key(topic));
        !is_forgotten && now.numbers.iter().all(|(topic, value)| given.numbers.get(topic) == Some(value))
    }
}

/// The publisher and the number of an event.
fn number_of(event: &NatsMessage) -> (&str, u64) {
    let number = wire::sequence(event);
    (wire::header(event, events::EPOCH).unwrap_or_default(), number)
}

fn read(event: &NatsMessage) -> Option<(String, Message)> {
    Some((events::topic(&event.subject)?, wire::body(event).ok()?))
}

async fn publish(listener: &Listener, topic: &str, message: &Message) {
    // Larger than the local limit, which is 64 times what a server takes by default, or the listener is closing.
    let _nobody_is_left_to_tell = listener.publish_message(topic, message).await;
}
