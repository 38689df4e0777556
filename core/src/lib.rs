//! Processes on one machine talk by naming a channel.

mod channel;
mod error;
mod lock;
mod message;
mod options;
mod outbox;
mod protocol;
mod server;
mod transport;

pub use channel::{Channel, DIRECTORY_VARIABLE, MAX_NAME_LEN, MAX_PATH_LEN, PathStyle};
pub use error::{Error, ErrorKind, HandlerError, HandlerResult, Result};
pub use message::{Message, MessageKind};
pub use options::{
    DEFAULT_GRACE, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_MESSAGE, DEFAULT_THREADS, DEFAULT_TIMEOUT, Options, Peers, Wire,
};
pub use server::{Counters, Mode, Responder};
pub use transport::discover::ChannelInfo;
pub use transport::peer::Peer;
