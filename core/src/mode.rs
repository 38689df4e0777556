//! What a channel is for, and whether its messages are answered.

use std::fmt;

/// Whether a listener answers. Later versions may know more modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Mode {
    /// Every message gets an answer.
    Request,
    /// No message gets one.
    Broadcast,
    /// The listener takes no messages: it publishes to its subscribers.
    Publish,
}

impl Mode {
    /// `request`, `broadcast` or `publish`.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Request => "request",
            Mode::Broadcast => "broadcast",
            Mode::Publish => "publish",
        }
    }

    /// The mode with this name.
    pub(crate) fn from_name(name: &str) -> Option<Mode> {
        [Mode::Request, Mode::Broadcast, Mode::Publish].into_iter().find(|mode| mode.name() == name)
    }
}

/// What a listener serves, as its lock file says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Serves {
    pub(crate) mode: Mode,
    /// Whether it passes messages on to another machine's listener.
    pub(crate) bridge: bool,
    /// Whether it takes subscribers, and how many it has.
    pub(crate) subscribers: Option<u64>,
}

impl From<Mode> for Serves {
    fn from(mode: Mode) -> Serves {
        Serves { mode, bridge: false, subscribers: None }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
