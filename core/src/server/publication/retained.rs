//! What is kept for subscribers who come later: the last event of each topic.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

/// The last event of each topic.
#[derive(Debug)]
pub(crate) struct Retained {
    events: HashMap<Box<str>, Kept>,
    /// How many bytes the frames have together, and the most that they may have.
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
struct Kept {
    sequence: u64,
    frame: Bytes,
}

impl Retained {
    /// Keeps at most so many bytes.
    pub(crate) fn new(most: usize) -> Retained {
        Retained { events: HashMap::new(), bytes: 0, most }
    }

    /// Whether there is room for a frame of so many bytes as the last one of its topic.
    pub(crate) fn has_room(&self, topic: &str, len: usize) -> bool {
        let replaced = self.events.get(topic).map_or(0, |kept| kept.frame.len());
        self.bytes - replaced + len <= self.most
    }

    /// Keeps a frame as the last one of its topic.
    pub(crate) fn keep(&mut self, topic: &str, sequence: u64, frame: Bytes) {
        self.bytes += frame.len();
        if let Some(kept) = self.events.get_mut(topic) {
            self.bytes -= kept.frame.len();
            *kept = Kept { sequence, frame };
        } else {
            self.events.insert(topic.into(), Kept { sequence, frame });
        }
    }

    /// Keeps nothing for a topic any more.
    pub(crate) fn forget(&mut self, topic: &str) {
        if let Some(kept) = self.events.remove(topic) {
            self.bytes -= kept.frame.len();
        }
    }

    /// The frames of the topics that are let through, published after this sequence number, in the order of publishing.
    pub(crate) fn after(&self, sequence: u64, lets_through: impl Fn(&str) -> bool) -> VecDeque<Bytes> {
        let mut kept: Vec<&Kept> = self
            .events
            .iter()
            .filter(|(topic, kept)| kept.sequence > sequence && lets_through(topic))
            .map(|(_, kept)| kept)
            .collect();
        kept.sort_unstable_by_key(|kept| kept.sequence);
        kept.into_iter().map(|kept| kept.frame.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_event_of_each_topic_is_kept_within_the_limit_and_given_in_order() {
        let frame = |byte: u8| Bytes::from(vec![byte; 10]);
        let mut retained = Retained::new(30);
        for (topic, sequence) in [("a", 1), ("b", 2), ("a", 3), ("", 4)] {
            assert!(retained.has_room(topic, 10));
            retained.keep(topic, sequence, frame(sequence as u8));
        }
        assert!(!retained.has_room("c", 10) && retained.has_room("b", 10) && !retained.has_room("b", 11));
        assert_eq!(retained.after(0, |_| true), [frame(2), frame(3), frame(4)]);
        assert_eq!(retained.after(3, |_| true), [frame(4)]);
        assert_eq!(retained.after(0, |topic| topic == "a"), [frame(3)]);
        retained.forget("a");
        retained.forget("x");
        assert!(retained.has_room("c", 10));
        assert_eq!(retained.after(0, |_| true), [frame(2), frame(4)]);
    }
}
