//! Plain text: messages end at a newline, at the end of the stream, or when the sender is quiet.

use super::Violation;
use crate::message::{Message, MessageKind};

/// Splits a stream of text into messages. The driver says when the stream was quiet or has ended.
#[derive(Debug)]
pub(crate) struct TextReader {
    pending: Vec<u8>,
    /// How much of `pending` is known to hold no newline.
    searched: usize,
    /// How much of `pending` is known to be whole characters.
    valid: usize,
    max: usize,
}

/// One message, and whether a newline ended it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    pub(crate) newline: bool,
}

impl TextReader {
    /// A reader of messages of at most `max` bytes.
    pub(crate) fn new(max: usize) -> TextReader {
        TextReader { pending: Vec::new(), searched: 0, valid: 0, max }
    }

    /// Takes bytes in.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// The next message that a newline ended.
    pub(crate) fn next_line(&mut self) -> Result<Option<Line>, Violation> {
        match self.pending[self.searched..].iter().position(|&byte| byte == b'\n') {
            Some(at) => {
                let end = self.searched + at;
                (self.searched, self.valid) = (0, 0);
                let mut line: Vec<u8> = self.pending.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                self.message(line, true).map(Some)
            }
            None => {
                self.searched = self.pending.len();
                // A carriage return may still turn out to belong to the line's end.
                if self.pending.len() > self.max + 1 {
                    return Err(Violation::TooLarge { len: self.pending.len(), max: self.max });
                }
                Ok(None)
            }
        }
    }

    /// Whether a quiet while would end a message now: something is there, and it does not stop in
    /// the middle of a character.
    pub(crate) fn can_end(&mut self) -> bool {
        // It is asked after every receive: only what is new is looked at.
        match std::str::from_utf8(&self.pending[self.valid..]) {
            Ok(_) => {
                self.valid = self.pending.len();
                !self.pending.is_empty()
            }
            Err(error) => {
                self.valid += error.valid_up_to();
                error.error_len().is_some()
            }
        }
    }

    /// Whether nothing of a message is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether something is there that a quiet while does not end: it stops in the middle of a character.
    pub(crate) fn is_cut(&mut self) -> bool {
        !self.pending.is_empty() && !self.can_end()
    }

    /// What was left when the sender went quiet or ended the stream.
    pub(crate) fn take_rest(&mut self) -> Result<Option<Line>, Violation> {
        if self.pending.is_empty() {
            return Ok(None);
        }
        (self.searched, self.valid) = (0, 0);
        let rest = std::mem::take(&mut self.pending);
        self.message(rest, false).map(Some)
    }

    fn message(&self, bytes: Vec<u8>, newline: bool) -> Result<Line, Violation> {
        if bytes.len() > self.max {
            return Err(Violation::TooLarge { len: bytes.len(), max: self.max });
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Line { text, newline }),
            Err(_) => Err(Violation::Malformed("the text is not UTF-8")),
        }
    }
}

/// What goes back for a reply: a string's text, other JSON as it is, bytes as they are, and a
/// newline if the message ended with one.
pub(crate) fn encode_reply(reply: &Message, newline: bool) -> Vec<u8> {
    let mut bytes = match (reply.kind(), reply.as_text()) {
        (MessageKind::Json, Some(text)) => text.into_owned().into_bytes(),
        _ => reply.data().to_vec(),
    };
    if newline {
        bytes.push(b'\n');
    }
    bytes
}
