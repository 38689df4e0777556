//! Processes on one machine talk by naming a channel.

mod channel;
mod error;
mod message;
mod options;
#[cfg_attr(not(test), expect(dead_code, reason = "the sessions that use it come next"))]
mod transport;

pub use channel::{Channel, DIRECTORY_VARIABLE, MAX_NAME_LEN, MAX_PATH_LEN, PathStyle};
pub use error::{Error, ErrorKind, HandlerError, HandlerResult, Result};
pub use message::{Message, MessageKind};
pub use options::{
    DEFAULT_GRACE, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_MESSAGE, DEFAULT_THREADS, DEFAULT_TIMEOUT, Options, Peers, Wire,
};
pub use transport::{ChannelInfo, Peer};
