//! What is published, between machines: how an event looks on NATS, and what a receiver knows of those that it did not get.

use std::collections::HashMap;

use async_nats::Message as NatsMessage;

use crate::wire;

/// The exporter's id and which publisher it has subscribed to, counted from 1.
pub(crate) const EPOCH: &str = "Sipc-Epoch";

/// The subject of all events of a channel: the last token is the topic.
pub(crate) fn all(subject: &str) -> String {
    format!("{subject}.*")
}

/// The subject of an event. A topic is a token in which `%` and two hexadecimal digits stand for every byte but
/// `A-Z a-z 0-9 _ -`; a lone `%` is an event without a topic.
pub(crate) fn subject(subject: &str, topic: &str) -> String {
    let mut text = format!("{subject}.");
    if topic.is_empty() {
        text.push('%');
    }
    for byte in topic.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => text.push(char::from(byte)),
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

/// The topic of an event by the last token of its subject; `None` where it is none.
pub(crate) fn topic(subject: &str) -> Option<String> {
    let token = subject.rsplit('.').next()?;
    if token == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::new();
    let mut rest = token.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Where a receiver is in what each exporter sends.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    /// The epoch and the number of the last event, by the exporter's id.
    last: HashMap<String, (String, u64)>,
}

/// Whether an event follows the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follows {
    /// Nothing was missed.
    Next,
    /// So many events before it were not got.
    After(u64),
    /// It is another publisher's, or of another bridge: how many were not got is not known.
    AfterAnUnknownNumber,
}

/// More exporters of one channel than anybody has: beyond them all are forgotten.
const MOST_EXPORTERS: usize = 64;

impl Positions {
    /// Notes an event that has come.
    pub(crate) fn note(&mut self, message: &NatsMessage) -> Follows {
        let exporter = wire::header(message, wire::VIA).unwrap_or_default();
        let epoch = wire::header(message, EPOCH).unwrap_or_default();
        let sequence = wire::sequence(message);
        self.follows(exporter, epoch, sequence)
    }

    fn follows(&mut self, exporter: &str, epoch: &str, sequence: u64) -> Follows {
        let is_first_of_all = self.last.is_empty();
        if self.last.len() >= MOST_EXPORTERS {
            self.last.clear();
        }
        let before = self.last.insert(exporter.to_owned(), (epoch.to_owned(), sequence));
        match before {
            Some((same, last)) if same == epoch && sequence > last => match sequence - last - 1 {
                0 => Follows::Next,
                missed => Follows::After(missed),
            },
            // What was published before the first was not due to anybody here.
            None if is_first_of_all => Follows::Next,
            _ => Follows::AfterAnUnknownNumber,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_goes_into_one_token_and_comes_back() {
        for text in ["", "a", "A-z_09", "a.b", "*", ">", "%", "é €", "a/b c", "%41"] {
            let subject = subject("sipc.evt.clock", text);
            let token = subject.strip_prefix("sipc.evt.clock.").unwrap();
            assert!(
                !token.is_empty()
                    && token.bytes().all(|byte| byte.is_ascii_graphic())
                    && !token.contains(['.', '*', '>'])
            );
            assert_eq!(topic(&subject).as_deref(), Some(text), "{subject}");
        }
        for bad in ["x.%4", "x.%zz", "x.%FF", "x.%C3"] {
            assert_eq!(topic(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_hole_and_another_publisher_are_noticed_and_a_first_event_is_none() {
        let mut positions = Positions::default();
        assert_eq!(positions.follows("a", "1", 7), Follows::Next);
        assert_eq!(positions.follows("a", "1", 8), Follows::Next);
        assert_eq!(positions.follows("a", "1", 10), Follows::After(1));
        assert_eq!(positions.follows("a", "1", 11), Follows::Next);
        assert_eq!(positions.follows("a", "2", 12), Follows::AfterAnUnknownNumber);
        assert_eq!(positions.follows("b", "1", 1), Follows::AfterAnUnknownNumber);
        assert_eq!(positions.follows("a", "2", 13), Follows::Next);
        assert_eq!(positions.follows("b", "1", 2), Follows::Next);
        // Numbers only grow.
        assert_eq!(positions.follows("b", "1", 2), Follows::AfterAnUnknownNumber);
    }
}
