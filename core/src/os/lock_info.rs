//! What a lock file says: one line of JSON.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::channel::Address;
use crate::mode::Serves;

/// More than any lock file of ours has; what is beyond is not read.
pub(crate) const MAX_CONTENT: usize = 4096;

/// The content of a lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LockInfo {
    pub(crate) pid: i32,
    pub(crate) version: String,
    /// The name, `:port`, or the full path.
    pub(crate) channel: String,
    /// `request` or `broadcast`; what a later version writes besides.
    pub(crate) mode: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) started: u64,
    /// Whether the listener passes messages on to another machine's. Left out where it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) bridge: bool,
    /// Whether the listener takes subscribers. Left out where it does not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) publishes: bool,
    /// How many it has. Written by itself, always as many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) subscribers: Option<u64>,
}

/// The line of a listener that starts in this process, and where in it the number of subscribers stands, where it does.
pub(super) fn line(
    address: &Address,
    label: &str,
    serves: Serves,
    pid: i32,
) -> Result<(Vec<u8>, Option<u64>), serde_json::Error> {
    let info = LockInfo {
        pid,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        channel: match address {
            Address::Tcp { port, .. } => format!(":{port}"),
            Address::Unix(path) if label.contains('/') => path.display().to_string(),
            Address::Unix(_) => label.to_owned(),
        },
        mode: serves.mode.name().to_owned(),
        started: milliseconds_since_epoch(),
        bridge: serves.bridge,
        publishes: serves.subscribers.is_some(),
        subscribers: None,
    };
    let mut line = serde_json::to_vec(&info)?;
    let mut subscribers_at = None;
    if let Some(subscribers) = serves.subscribers {
        line.pop();
        line.extend_from_slice(b",\"subscribers\":");
        subscribers_at = Some(line.len() as u64);
        line.extend_from_slice(&in_width(subscribers));
        line.push(b'}');
    }
    line.push(b'\n');
    Ok((line, subscribers_at))
}

/// How many bytes a number of subscribers takes.
pub(super) const WIDTH: usize = 10;

/// A number of subscribers in so many bytes that it can be written over another one: whoever reads meanwhile still reads JSON.
pub(super) fn in_width(subscribers: u64) -> [u8; WIDTH] {
    let mut bytes = [b' '; WIDTH];
    let digits = subscribers.min(9_999_999_999).to_string();
    bytes[WIDTH - digits.len()..].copy_from_slice(digits.as_bytes());
    bytes
}

/// What a lock file says, if it is one of ours.
pub(crate) fn parse_content(content: &[u8]) -> Option<LockInfo> {
    // One object and nothing after it. (serde takes an array for a struct, too.)
    let content = content.trim_ascii_start();
    let info: LockInfo = content.starts_with(b"{").then(|| serde_json::from_slice(content).ok()).flatten()?;
    // A process id below 1 means something else to the calls that take one.
    (info.pid > 0).then_some(info)
}

/// Whose lock file a file is by its name, where its content does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// No lock file's.
    Otherwise,
    /// A lock file's, or one of another program's that has the same habits.
    LikeOne,
    /// A lock file's.
    AsOne,
}

fn milliseconds_since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
