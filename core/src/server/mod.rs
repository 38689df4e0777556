//! Listeners: who serves which connection, and where its handler runs.
//!
//! | module | holds |
//! |---|---|
//! | `listening` | one listener's shared state: its claim on the channel, limits, sessions, shutdown |
//! | `accept` | taking connections in, telling dialects apart |
//! | `native`, `cold`, `hot` | native sessions, driven by the runtime or by a thread |
//! | `exchange`, `deno`, `text` | the dialects without sessions |
//! | `handler`, `responder`, `workers` | calling the user's handler, its answer, the threads for it |

mod accept;
mod cold;
mod counters;
mod deno;
mod exchange;
pub(crate) mod handler;
mod hot;
pub(crate) mod listening;
mod native;
mod responder;
mod text;
mod workers;

use std::fmt;
use std::time::Duration;

pub use counters::Counters;
pub use responder::Responder;

use crate::error::ErrorKind;

/// How long a thread waits for a peer that is slow to take an answer before the runtime takes over.
const PATIENCE: Duration = Duration::from_millis(100);

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

/// The body of an error frame for a client that takes at most `max` bytes: a longer text is cut.
fn error_body(kind: ErrorKind, text: &str, max: usize) -> Vec<u8> {
    #[derive(serde::Serialize)]
    struct Body<'a> {
        code: &'a str,
        message: &'a str,
    }
    // A handler's text is for people, who read no more than this.
    let mut text = text.char_indices().nth(4096).map_or(text, |(end, _)| &text[..end]);
    loop {
        let body =
            serde_json::to_vec(&Body { code: kind.name(), message: text }).expect("two strings always become JSON");
        if body.len() <= max || text.is_empty() {
            return body;
        }
        // No character takes more than six bytes, so this many have to go at least.
        let too_many = (body.len() - max).div_ceil(6);
        text = text.char_indices().rev().nth(too_many - 1).map_or("", |(end, _)| &text[..end]);
    }
}
