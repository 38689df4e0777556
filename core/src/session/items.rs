//! The items of a stream that have come and that the user has not taken: they lie in as much memory as their frames.

use std::collections::VecDeque;

use crate::message::{Message, MessageKind};
use crate::protocol::frame::{Body, HEADER_LEN, Header, Kind};

/// Items up to this many bytes lie in memory with others; a larger one, which mostly has memory of its own, by itself.
const PACKED: usize = 4 << 10;
/// What stands before each item that lies with others: its kind and what it cost, and its length.
const BEFORE: usize = 5;
/// Memory in which at least so much has been taken is put in order.
const SLACK: usize = 64 << 10;

const IS_BYTES: u8 = 1;
const IS_FREE: u8 = 2;
const IS_ATTACHED: u8 = 4;

/// What has come and was not taken, in order.
#[derive(Debug, Default)]
pub(crate) struct Items {
    parts: VecDeque<Part>,
}

#[derive(Debug)]
enum Part {
    /// Small items one behind the other, of which those before `at` were taken.
    Packed { bytes: Vec<u8>, at: usize },
    /// An item, and what it cost.
    Single(Message, usize),
}

/// What the item of a frame costs of the credit that its receiver grants, in bytes. A response costs nothing.
pub(crate) fn cost(header: &Header) -> usize {
    if header.kind == Kind::Data { HEADER_LEN + header.len as usize } else { 0 }
}

impl Items {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Adds the item of a data frame or a response.
    pub(crate) fn push(&mut self, header: &Header, body: Body<'_>) {
        if header.len as usize > PACKED {
            let message = Message::from_parts(header.message_kind(), body.into_vec());
            self.parts.push_back(Part::Single(message, cost(header)));
            return;
        }
        if !matches!(self.parts.back(), Some(Part::Packed { .. })) {
            self.parts.push_back(Part::Packed { bytes: Vec::new(), at: 0 });
        }
        let Some(Part::Packed { bytes, .. }) = self.parts.back_mut() else { unreachable!("it was just put there") };
        let mut flags = match header.message_kind() {
            MessageKind::Json => 0,
            MessageKind::Bytes => IS_BYTES,
            MessageKind::Attached => IS_ATTACHED,
        };
        if cost(header) == 0 {
            flags |= IS_FREE;
        }
        bytes.push(flags);
        bytes.extend_from_slice(&header.len.to_le_bytes());
        bytes.extend_from_slice(body.as_slice());
    }

    /// Takes the first one out, and says what it cost.
    pub(crate) fn pop(&mut self) -> Option<(Message, usize)> {
        let Part::Packed { bytes, at } = self.parts.front_mut()? else {
            let Some(Part::Single(message, cost)) = self.parts.pop_front() else { unreachable!("it was just seen") };
            return Some((message, cost));
        };
        let (before, rest) = bytes[*at..].split_first_chunk::<BEFORE>().expect("an item is whole");
        let [flags, len @ ..] = *before;
        let len = u32::from_le_bytes(len) as usize;
        let kind = match flags & (IS_BYTES | IS_ATTACHED) {
            0 => MessageKind::Json,
            IS_BYTES => MessageKind::Bytes,
            _ => MessageKind::Attached,
        };
        let message = Message::from_parts(kind, rest[..len].to_vec());
        *at += BEFORE + len;
        if *at == bytes.len() {
            self.parts.pop_front();
        } else if *at >= SLACK {
            bytes.drain(..*at);
            *at = 0;
        }
        Some((message, if flags & IS_FREE != 0 { 0 } else { HEADER_LEN + len }))
    }

    /// Gives all of them up.
    pub(crate) fn clear(&mut self) {
        self.parts = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn item(len: usize, is_bytes: bool, is_response: bool) -> (Header, Message) {
        let kind = if is_bytes { MessageKind::Bytes } else { MessageKind::Json };
        let message = Message::from_parts(kind, vec![len as u8; len]);
        (Header::of(if is_response { Kind::Response } else { Kind::Data }, 1, &message), message)
    }

    proptest! {
        #[test]
        fn what_is_put_in_comes_out_in_order_and_costs_what_its_frame_did(
            steps in vec((prop_oneof![8 => 0usize..100, 1 => 4000usize..5000], any::<bool>(), any::<bool>(), 0usize..4), 0..300)
        ) {
            let mut items = Items::default();
            let mut model = VecDeque::new();
            for (len, is_bytes, is_response, taken) in steps {
                let (header, message) = item(len, is_bytes, is_response);
                items.push(&header, Body::Buffered(message.data()));
                model.push_back((message, cost(&header)));
                for _ in 0..taken {
                    prop_assert_eq!(items.pop(), model.pop_front());
                }
                prop_assert_eq!(items.is_empty(), model.is_empty());
            }
            while let Some(item) = model.pop_front() {
                prop_assert_eq!(items.pop(), Some(item));
            }
            prop_assert_eq!(items.pop(), None);
        }
    }

    #[test]
    fn a_window_of_empty_items_lies_in_less_memory_than_its_frames() {
        let mut items = Items::default();
        let (header, message) = item(0, true, false);
        let window = crate::session::credit::WINDOW as usize;
        for _ in 0..window / HEADER_LEN {
            items.push(&header, Body::Buffered(message.data()));
        }
        let [Part::Packed { bytes, .. }] = items.parts.make_contiguous() else { panic!("they lie apart") };
        assert!(bytes.capacity() <= window, "{}", bytes.capacity());
    }
}
