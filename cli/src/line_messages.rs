//! What is made of lines of input that are messages.

use simple_ipc::{Message, Result};

use crate::json;
use crate::post::{self, TakenAs};
use crate::report::Reporter;

/// Makes messages of lines, and says once that one is not JSON and goes as a string.
pub(crate) struct LineMessages {
    taken: TakenAs,
    reporter: Reporter,
    /// That has been said.
    noted: bool,
}

impl LineMessages {
    pub(crate) fn new(taken: TakenAs, reporter: Reporter) -> LineMessages {
        LineMessages { taken, reporter, noted: false }
    }

    /// Whether a line is none, having nothing but white space in it.
    pub(crate) fn passes_over(&self, line: &[u8]) -> bool {
        line.iter().all(u8::is_ascii_whitespace) && !self.taken.text
    }

    /// The message of the line with this number, which an error calls `what`.
    pub(crate) fn message(&mut self, text: &str, number: u64, what: &str) -> Result<Message> {
        let (message, is_json) = post::message_of(text, what, self.taken.text, self.taken.strict)?;
        if !is_json && !self.taken.text && !self.noted {
            self.noted = true;
            let note = json::string_note(&format!("line {number}"), text);
            self.reporter.note(&format!("{note}; so is every other such line"));
        }
        Ok(message)
    }
}
