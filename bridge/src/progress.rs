//! What a bridge tells while it works: lines for people, objects for programs.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Something that has happened. `Display` is one line of plain words; `serde` makes it an object whose member `event` says which
/// it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// There is a connection to a server.
    Connected {
        /// Its URL, without secrets.
        server: String,
    },
    /// The connection is lost. Local callers are told at once, until the next one.
    Lost {
        /// Its URL, without secrets.
        server: String,
    },
    /// There is no connection yet, and another attempt is made after a pause.
    Retrying {
        /// What stood in the way.
        why: String,
        /// The pause.
        #[serde(rename = "pause_ms", serialize_with = "milliseconds")]
        pause: Duration,
    },
    /// A channel is exported: other machines reach it.
    Exporting {
        /// The channel.
        channel: String,
    },
    /// A channel cannot be exported for now.
    NotExporting {
        /// The channel.
        channel: String,
        /// What stands in the way.
        why: String,
    },
    /// A channel is imported: its local name works.
    Importing {
        /// The channel.
        channel: String,
        /// Whether it answers, `request` or `broadcast`.
        mode: String,
        /// The machine that exports it.
        from: String,
    },
    /// A channel cannot be imported for now; that it can is waited for.
    NotImporting {
        /// The channel.
        channel: String,
        /// What stands in the way.
        why: String,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Progress::Connected { server } => write!(f, "connected to {server}"),
            Progress::Lost { server } => {
                write!(f, "the connection to {server} is lost; local callers are told at once until there is another")
            }
            Progress::Retrying { why, pause } => write!(f, "{why}; trying again in {} ms", pause.as_millis()),
            Progress::Exporting { channel } => write!(f, "exporting channel \"{channel}\""),
            Progress::NotExporting { channel, why } => write!(f, "channel \"{channel}\" is not exported: {why}"),
            Progress::Importing { channel, mode, from } => {
                write!(f, "importing channel \"{channel}\" ({mode}) from {from}")
            }
            Progress::NotImporting { channel, why } => write!(f, "channel \"{channel}\" is not imported yet: {why}"),
        }
    }
}

fn milliseconds<S: serde::Serializer>(pause: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX))
}

/// Who is told.
pub(crate) type Tell = dyn Fn(&Progress) + Send + Sync;
