//! Listeners: who serves which connection, and where its handler runs.
//!
//! | module | holds |
//! |---|---|
//! | `listening` | one listener's shared state: its claim on the channel, limits, sessions, shutdown |
//! | `accept` | taking connections in, telling dialects apart |
//! | `native`, `cold`, `hot`, `batches` | native sessions, driven by the runtime or by a thread |
//! | `room` | what a listener has in hand altogether, and who waits for room |
//! | `exchange`, `deno`, `text` | the dialects without sessions |
//! | `handler`, `responder`, `workers` | calling the user's handler, its answer, the threads for it |

mod accept;
mod batches;
mod cold;
mod counters;
mod deno;
mod exchange;
pub(crate) mod handler;
mod hot;
pub(crate) mod listening;
mod native;
mod one_shot;
mod responder;
mod room;
mod text;
mod turn;
mod workers;

use std::fmt;
use std::time::Duration;

pub use counters::Counters;
pub use responder::Responder;

use crate::error::ErrorKind;

/// How long a thread waits for a peer that is slow to take an answer before the runtime takes over.
const PATIENCE: Duration = Duration::from_millis(100);

/// The most bytes of text that an error frame carries.
const MOST_TEXT: usize = 4096;

/// Whether a listener answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Every message gets an answer.
    Request,
    /// No message gets one.
    Broadcast,
}

impl Mode {
    /// `request` or `broadcast`.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Request => "request",
            Mode::Broadcast => "broadcast",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The body of an error frame, for a client that takes bodies of at most `max` bytes.
fn error_body(kind: ErrorKind, text: &str, max: usize) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        code: &'a str,
        message: &'a str,
    }
    let encode = |message: &str| {
        serde_json::to_vec(&Body { code: kind.name(), message }).expect("two strings always become JSON")
    };
    // It is for people, who do not read more; and the client's limit must not stand in its way.
    let mut text = &text[..text.floor_char_boundary(MOST_TEXT)];
    loop {
        let body = encode(text);
        let excess = body.len().saturating_sub(max);
        if excess == 0 || text.is_empty() {
            return body;
        }
        // No byte takes more than six in JSON: no more than that is cut off too much.
        text = &text[..text.floor_char_boundary(text.len().saturating_sub(excess.div_ceil(6)))];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_error_is_cut_to_what_the_client_takes() {
        for text in ["no luck", &"\u{1}".repeat(9000), &"é\"😀".repeat(9000)] {
            for max in [40, 41, 42, 50, 99, 100, 1000, 5000, usize::MAX] {
                let body = error_body(ErrorKind::HandlerFailed, text, max);
                assert!(body.len() <= max);
                let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(body["code"], "handler_failed");
                assert!(text.starts_with(body["message"].as_str().unwrap()));
            }
        }
        assert_eq!(error_body(ErrorKind::Closing, "bye", 1), br#"{"code":"closing","message":""}"#);
    }
}
