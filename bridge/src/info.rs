//! What an exporter tells of its channel to those who would import it.

use std::time::Duration;

use async_nats::HeaderMap;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use simple_ipc::Mode;

use crate::connection::{Connection, Outcome};
use crate::link::Link;
use crate::wire::{self, Subjects};

/// How long an exporter may take to tell.
const PATIENCE: Duration = Duration::from_secs(2);

/// The body of an answer to `info`: JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Info {
    /// The exporter's machine, for people.
    pub(crate) host: String,
    /// The exporter's id.
    pub(crate) bridge: String,
    /// The mode of the listener; absent where nobody listens.
    pub(crate) mode: Option<String>,
    /// Whether it takes subscribers.
    #[serde(default)]
    pub(crate) publishes: bool,
    /// The publisher that keeps the last event of each topic for later subscribers, by a name that no other has; absent where
    /// it keeps none.
    #[serde(default)]
    pub(crate) retained: Option<String>,
    /// Why the channel cannot be imported just now, in words.
    #[serde(default)]
    pub(crate) why: Option<String>,
}

impl Info {
    /// The mode in which to listen; `None` where nobody listens, or in a way that this version does not carry.
    pub(crate) fn mode(&self) -> Option<Mode> {
        [Mode::Request, Mode::Broadcast, Mode::Publish]
            .into_iter()
            .find(|mode| self.mode.as_deref() == Some(mode.name()))
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoInfo {
    /// Nobody exports the channel.
    Nobody,
    /// It cannot be known now: the reason, in words.
    Unknown(String),
}

/// Asks who exports a channel; the first who answers tells.
pub(crate) async fn ask(link: &Link, connection: &Connection, subjects: &Subjects) -> Result<Info, NoInfo> {
    let mut headers = HeaderMap::new();
    headers.insert(wire::SENT, connection.sent().as_str());
    headers.insert(wire::VIA, link.id.as_str());
    let request = connection.request(&subjects.info, headers, Bytes::new(), |_| ());
    match tokio::time::timeout(PATIENCE, request).await {
        Err(_) => Err(NoInfo::Unknown(format!("whoever exports it does not answer through {}", connection.server()))),
        Ok(Outcome::NobodyThere) => Err(NoInfo::Nobody),
        Ok(Outcome::Denied) => Err(NoInfo::Unknown(format!(
            "{} does not let this user publish on {}; permit that",
            connection.server(),
            subjects.info
        ))),
        Ok(Outcome::Lost | Outcome::NotSent) => Err(NoInfo::Unknown(connection.not_connected().to_string())),
        Ok(Outcome::Answer(answer)) => serde_json::from_slice(&answer.payload)
            .map_err(|error| NoInfo::Unknown(format!("what its exporter tells of it cannot be read: {error}"))),
    }
}
