//! Who holds one channel.

use std::time::Duration;

use simple_ipc::{Channel, ErrorKind, blocking};

use super::{Finding, listeners};
use crate::arguments::Place;
use crate::os;

pub(super) fn look(place: &Place, channel: &Channel, timeout: Duration) -> Vec<Finding> {
    let options = place.options();
    match simple_ipc::channel_info(channel, &options) {
        Ok(Some(info)) => listeners::one(place, &info, timeout),
        Ok(None) => vec![nobody(place, channel, timeout)],
        Err(error) => {
            let text = format!("it cannot be asked who listens: {}", error.message());
            vec![Finding::problem(&channel.to_string(), text, "see the error in docs/troubleshooting.md")]
        }
    }
}

/// What stands where no listener of this library holds the lock file.
fn nobody(place: &Place, channel: &Channel, timeout: Duration) -> Finding {
    let about = channel.to_string();
    let socket = simple_ipc::socket_path(channel, &place.options()).ok().flatten();
    let holder = socket.as_deref().and_then(os::holder_of_socket);
    let asked = blocking::inspect(channel, &place.options().timeout(timeout));
    match (asked.map_err(|error| (error.kind(), error.message().to_owned())), holder) {
        (Err((ErrorKind::UnsupportedVersion, _)), holder) => {
            let who =
                holder.map_or_else(|| "a process that cannot be seen from here".to_owned(), |pid| format!("pid {pid}"));
            let text = format!(
                "{who} listens there without a lock file: it is the Deno original, or no listener of this library"
            );
            Finding::note(&about, text, "posts to it go over the Deno wire; to listen there yourself, end it first")
        }
        (Err((ErrorKind::NotListening, _)), _) => {
            let left = socket.filter(|socket| socket.symlink_metadata().is_ok());
            let text = match left {
                Some(socket) => format!("nobody listens; {} was left by a dead listener", socket.display()),
                None => "nobody listens".to_owned(),
            };
            Finding::note(
                &about,
                text,
                "start its listener, in the same directory and as the same user; or have callers wait for it (--wait)",
            )
        }
        (Err((_, text)), _) => Finding::problem(&about, text, "see the error in docs/troubleshooting.md"),
        (Ok(_), _) => Finding::ok(&about, "its listener has just come"),
    }
}
