//! The items that have come from a caller and that the handler has not taken.
//!
//! They lie as close together as they came: a caller's window holds 16,384 empty items, and an allocation for each would take
//! more memory than what is counted for them.

use std::collections::VecDeque;

use crate::message::{Message, MessageKind};
use crate::protocol::frame::Body;

/// Items up to this many bytes lie beside each other; larger ones stay in the memory that they were received in.
const BESIDE: usize = 8 << 10;
/// Of an item's word: it is bytes, not JSON.
const IS_BYTES: u32 = 1 << 31;
/// Of an item's word: it is JSON with bytes.
const IS_ATTACHED: u32 = 1 << 29;
/// Of an item's word: it lies apart. The rest is its length where it does not.
const IS_APART: u32 = 1 << 30;

/// Items in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    /// One word for each item: its kind, and its length in bytes or that it lies apart.
    items: VecDeque<u32>,
    /// The items that do not lie apart, without anything between them.
    beside: VecDeque<u8>,
    apart: VecDeque<Vec<u8>>,
}

impl Inbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn push(&mut self, kind: MessageKind, body: Body<'_>) {
        let kind = match kind {
            MessageKind::Json => 0,
            MessageKind::Bytes => IS_BYTES,
            MessageKind::Attached => IS_ATTACHED,
        };
        let data = body.as_slice();
        if data.len() <= BESIDE {
            self.beside.extend(data);
            self.items.push_back(kind | data.len() as u32);
        } else {
            self.apart.push_back(body.into_vec());
            self.items.push_back(kind | IS_APART);
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let word = self.items.pop_front()?;
        let kind = match word & (IS_BYTES | IS_ATTACHED) {
            0 => MessageKind::Json,
            IS_BYTES => MessageKind::Bytes,
            _ => MessageKind::Attached,
        };
        if word & IS_APART != 0 {
            return self.apart.pop_front().map(|data| Message::from_parts(kind, data));
        }
        let len = word as usize & (IS_ATTACHED as usize - 1);
        let mut data = Vec::with_capacity(len);
        let (first, second) = self.beside.as_slices();
        let (first, second) = (&first[..len.min(first.len())], &second[..len.saturating_sub(first.len())]);
        data.extend_from_slice(first);
        data.extend_from_slice(second);
        self.beside.drain(..len);
        Some(Message::from_parts(kind, data))
    }

    /// Throws all items and their memory away.
    pub(crate) fn clear(&mut self) {
        *self = Inbox::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_out_as_they_went_in_wherever_they_lie() {
        let mut inbox = Inbox::default();
        let body = |nth: usize| vec![nth as u8; [0, 1, 5, 300, BESIDE, BESIDE + 1, 50_000][nth % 7]];
        let kind = |nth: usize| [MessageKind::Json, MessageKind::Bytes, MessageKind::Attached][nth % 3];
        let (mut pushed, mut popped) = (0, 0);
        for round in 0..40 {
            for _ in 0..round % 9 + 1 {
                let data = body(pushed);
                let there = if pushed % 2 == 0 { Body::Buffered(&data) } else { Body::Owned(data.clone()) };
                inbox.push(kind(pushed), there);
                pushed += 1;
            }
            for _ in 0..round % 7 + 1 {
                let Some(message) = inbox.pop() else { break };
                assert_eq!((message.kind(), message.data()), (kind(popped), &body(popped)[..]));
                popped += 1;
            }
        }
        while let Some(message) = inbox.pop() {
            assert_eq!((message.kind(), message.data()), (kind(popped), &body(popped)[..]));
            popped += 1;
        }
        assert!(inbox.is_empty() && popped == pushed && pushed > 100);
    }

    #[test]
    fn a_window_of_empty_items_takes_few_bytes_for_each() {
        let mut inbox = Inbox::default();
        for _ in 0..16_384 {
            inbox.push(MessageKind::Bytes, Body::Buffered(&[]));
        }
        assert!(inbox.items.capacity() * size_of::<u32>() <= 128 << 10 && inbox.beside.capacity() == 0);
    }
}
