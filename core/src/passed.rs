//! What passes at a listener that lets its messages be seen.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::message::Message;

/// Something that has passed at a listener: see [`blocking::tap`](crate::blocking::tap()).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passed {
    /// What it is, by name:
    ///
    /// | name | |
    /// |---|---|
    /// | `request`, `broadcast` | a message that goes to the handler now |
    /// | `stream` | the message that opens a stream |
    /// | `response` | the answer that was sent |
    /// | `error` | the error that was sent instead of an answer, or behind the items of a stream: an object with `code` and `message` |
    /// | `unanswered` | an answer or an error that could not be sent, and why: an object with `code` and `message` |
    /// | `caller_item` | an item of the caller that the handler has taken |
    /// | `item` | an item that the handler has sent |
    /// | `end` | the end of a stream, without a message |
    ///
    /// Later versions may name more.
    pub what: String,
    /// Which call it belongs to: calls of a listener are counted from 1.
    pub call: u64,
    /// When, in milliseconds since the Unix epoch, by the listener's clock.
    pub at_ms: u64,
    /// For how long the handler has had the call, in microseconds; `None` of what begins one.
    pub took_us: Option<u64>,
    /// The caller's process, where the system tells.
    pub pid: Option<i32>,
    /// The caller's user: its number, or its security identifier; `None` where the system does not tell.
    pub user: Option<String>,
    /// The message as it was; `null` where there is none.
    pub message: Message,
    /// How many others have passed right before it, and were left out since this side was too slow. -1: an unknown number,
    /// because the listener was replaced by another one.
    pub missed: i64,
}

/// All but the message, as it stands in the topic of an event.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Note<'a> {
    pub(crate) what: Cow<'a, str>,
    pub(crate) call: u64,
    pub(crate) at_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) took_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<String>,
}

impl Passed {
    /// What an event tells, whose topic is a note; `None` where it is none.
    pub(crate) fn of(topic: &str, message: Message, missed: i64) -> Option<Passed> {
        // serde takes an array for a struct, too.
        if !topic.starts_with('{') {
            return None;
        }
        let Note { what, call, at_ms, took_us, pid, user } = serde_json::from_str(topic).ok()?;
        Some(Passed { what: what.into_owned(), call, at_ms, took_us, pid, user, message, missed })
    }
}
