//! Processes on one machine talk by naming a channel.

mod asynchronous;
pub mod background;
pub mod blocking;
mod channel;
mod client;
mod error;
mod lock;
mod message;
mod options;
mod outbox;
mod protocol;
mod server;
mod transport;

pub use asynchronous::{
    Client, Listener, listen_ip_broadcast, listen_ip_broadcast_with, listen_ip_request, listen_ip_request_with,
    listen_uds_broadcast, listen_uds_broadcast_with, listen_uds_request, listen_uds_request_with, post_broadcast,
    post_ip_broadcast, post_ip_broadcast_with, post_ip_request, post_ip_request_with, post_request, post_uds_broadcast,
    post_uds_broadcast_with, post_uds_request, post_uds_request_with,
};
pub use channel::{Channel, DIRECTORY_VARIABLE, MAX_NAME_LEN, MAX_PATH_LEN, PathStyle};
pub use error::{Error, ErrorKind, HandlerError, HandlerResult, Result};
pub use message::{Message, MessageKind};
pub use options::{
    DEFAULT_GRACE, DEFAULT_MAX_CONNECTIONS, DEFAULT_MAX_MESSAGE, DEFAULT_THREADS, DEFAULT_TIMEOUT, Options, Peers, Wire,
};
pub use server::{Counters, Mode, Responder};
pub use transport::discover::ChannelInfo;
pub use transport::peer::Peer;

/// The live channels whose lock files are in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`), by name.
pub fn channels(directory: Option<&std::path::Path>) -> Result<Vec<ChannelInfo>> {
    transport::discover::discover(directory)
}
