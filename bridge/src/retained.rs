//! The last event of each topic, between machines: what an exporter keeps for importers that come later, and what these ask
//! for before they listen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use async_nats::{HeaderMap, Message as NatsMessage, StatusCode};
use bytes::Bytes;
use futures_util::StreamExt;
use simple_ipc::{Error, ErrorKind, Message, MessageKind, Result};

use crate::connection::{Connection, lock};
use crate::events::{self, EPOCH};
use crate::wire;

/// Of an event: it is the last of its topic, from before the exporter came. Of the message behind the values that were asked
/// for: how many those were.
pub(crate) const RETAINED: &str = "Sipc-Retained";
/// The topic of a value, as in the subject of an event.
const TOPIC: &str = "Sipc-Topic";

/// The most bytes of topics and values that an exporter keeps of a channel.
const MOST_BYTES: usize = 16 << 20;
/// How long an exporter may take to its next value.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an exporter keeps of a channel whose publisher keeps values.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Values>);

#[derive(Default)]
struct Values {
    /// Whether it is known what the channel's publisher keeps, or that there is none.
    is_known: bool,
    /// The publisher, if it is known to keep values.
    epoch: Option<String>,
    bytes: usize,
    values: BTreeMap<String, Value>,
}

/// The last event of a topic.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) kind: MessageKind,
    pub(crate) body: Bytes,
    /// Its number; 0 where it is from before the exporter came.
    pub(crate) sequence: u64,
}

impl Kept {
    /// Another publisher: of the one before nothing is kept.
    pub(crate) fn begin(&self, epoch: &str, retains: bool) {
        let epoch = retains.then(|| epoch.to_owned());
        *lock(&self.0) = Values { is_known: true, epoch, ..Values::default() };
    }

    /// There is no publisher to be had.
    pub(crate) fn begin_without(&self) {
        self.begin("", false);
    }

    /// A publisher may have come of which nothing is known yet: importers are to wait, or they would begin twice.
    pub(crate) fn look_again(&self) {
        *lock(&self.0) = Values::default();
    }

    /// Whether importers can be told what the publisher keeps.
    pub(crate) fn is_known(&self) -> bool {
        lock(&self.0).is_known
    }

    /// Goes on with the same values under another name of the publisher.
    pub(crate) fn rename(&self, epoch: &str) {
        let mut kept = lock(&self.0);
        kept.epoch = kept.epoch.take().map(|_| epoch.to_owned());
    }

    /// The name of the publisher that keeps values.
    pub(crate) fn epoch(&self) -> Option<String> {
        lock(&self.0).epoch.clone()
    }

    /// Keeps a value, in place of the topic's last. No bytes forget that; what is too much is not kept.
    pub(crate) fn keep(&self, topic: &str, value: Value) {
        let mut kept = lock(&self.0);
        if kept.epoch.is_none() {
            return;
        }
        if let Some(last) = kept.values.remove(topic) {
            kept.bytes -= topic.len() + last.body.len();
        }
        let bytes = topic.len() + value.body.len();
        if !forgets(value.kind, &value.body) && kept.bytes + bytes <= MOST_BYTES {
            kept.bytes += bytes;
            kept.values.insert(topic.to_owned(), value);
        }
    }

    /// Sends all values to one who has asked, and then how many they were.
    pub(crate) async fn answer(&self, connection: &Connection, asked: &NatsMessage) {
        let Some(reply) = &asked.reply else { return };
        let (epoch, values) = {
            let kept = lock(&self.0);
            (kept.epoch.clone().unwrap_or_default(), kept.values.clone())
        };
        let mut count = 0;
        for (topic, value) in values {
            let mut headers = wire::headers_of_kind(value.kind);
            headers.insert(EPOCH, epoch.as_str());
            headers.insert(wire::SEQUENCE, value.sequence.to_string().as_str());
            headers.insert(TOPIC, events::subject("", &topic).as_str());
            if wire::size(&headers, &value.body) <= connection.max_payload() {
                count += 1;
                let _not_sent_is_missed = connection.publish(reply.to_string(), headers, value.body).await;
            }
        }
        let mut headers = HeaderMap::new();
        headers.insert(RETAINED, count.to_string().as_str());
        let _not_sent_is_missed = connection.publish(reply.to_string(), headers, Bytes::new()).await;
    }
}

/// What an importer was given of the channel's values.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) values: Vec<(String, Message)>,
    /// The publisher's name and the number of each topic's value.
    pub(crate) numbers: HashMap<String, (String, u64)>,
}

impl Given {
    /// Whether an event of this publisher is no newer than what was given.
    pub(crate) fn has(&self, topic: &str, epoch: &str, sequence: u64) -> bool {
        self.numbers.get(topic).is_some_and(|(of, number)| of == epoch && sequence <= *number)
    }

    /// Asks an exporter for the values of a channel.
    pub(crate) async fn ask(connection: &Connection, subject: &str) -> Result<Given> {
        let inbox = format!("{}.values", connection.reply_subject(connection.next_number()));
        let mut answers = connection.subscribe(&inbox, None).await?;
        connection.publish_with_reply(subject.to_owned(), inbox, HeaderMap::new(), Bytes::new()).await?;
        let mut given = Given::default();
        loop {
            let answer = tokio::time::timeout(PATIENCE, answers.next()).await;
            let Ok(Some(answer)) = answer else { return Err(not_given(subject, "does not answer in time")) };
            if answer.status == Some(StatusCode::NO_RESPONDERS) {
                return Err(not_given(subject, "has gone"));
            }
            if let Some(count) = wire::header(&answer, RETAINED) {
                let is_all = count.parse() == Ok(given.values.len());
                return if is_all { Ok(given) } else { Err(not_given(subject, "gave other values than it said")) };
            }
            let topic = wire::header(&answer, TOPIC).and_then(events::topic);
            let (Some(topic), Ok(body)) = (topic, wire::body(&answer)) else {
                return Err(not_given(subject, "gave what is no value"));
            };
            let epoch = wire::header(&answer, EPOCH).unwrap_or_default().to_owned();
            let number = wire::sequence(&answer);
            given.numbers.insert(topic.clone(), (epoch, number));
            given.values.push((topic, body));
        }
    }
}

/// Whether an event has its topic's last one be forgotten.
pub(crate) fn forgets(kind: MessageKind, body: &[u8]) -> bool {
    kind == MessageKind::Bytes && body.is_empty()
}

fn not_given(subject: &str, why: &str) -> Error {
    Error::new(ErrorKind::ConnectionLost, format!("cannot get the last events by {subject}: its exporter {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &'static str, sequence: u64) -> Value {
        Value { kind: MessageKind::Bytes, body: Bytes::from_static(body.as_bytes()), sequence }
    }

    #[test]
    fn the_last_of_each_topic_is_kept_no_bytes_forget_it_and_another_publisher_begins_anew() {
        let kept = Kept::default();
        kept.keep("a", value("x", 1));
        assert!(lock(&kept.0).values.is_empty(), "of a publisher that keeps nothing");
        kept.begin("1", true);
        for (topic, body, sequence) in [("a", "one", 1), ("b", "two", 2), ("a", "three", 3), ("b", "", 4)] {
            kept.keep(topic, value(body, sequence));
        }
        let large = Value { kind: MessageKind::Bytes, body: vec![1; MOST_BYTES].into(), sequence: 5 };
        kept.keep("c", large.clone());
        {
            let kept = lock(&kept.0);
            let all: Vec<_> = kept.values.iter().map(|(topic, value)| (topic.as_str(), value.sequence)).collect();
            assert_eq!((all, kept.bytes), (vec![("a", 3)], 6));
        }
        kept.keep("a", large);
        assert!(lock(&kept.0).values.is_empty(), "an older one in its place would be wrong");
        kept.begin("2", false);
        assert_eq!(kept.epoch(), None);
    }

    #[test]
    fn what_was_given_is_known_by_its_publisher_and_number() {
        let mut given = Given::default();
        given.numbers.insert("a".to_owned(), ("1".to_owned(), 7));
        assert!(given.has("a", "1", 7) && given.has("a", "1", 3));
        assert!(!given.has("a", "1", 8) && !given.has("a", "2", 3) && !given.has("b", "1", 3));
    }
}
