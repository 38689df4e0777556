//! Who listens on an exported channel here, and that it is no bridge.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use simple_ipc::{Channel, Error, ErrorKind, Mode, Options, Result};

use crate::connection::lock;

/// How old a look at the lock file may be. A message that slips through is known by the bridges that it has passed.
const AGE: Duration = Duration::from_millis(1);

/// An exported channel as its lock file describes it.
pub(crate) struct Local {
    channel: Channel,
    options: Options,
    lock_path: PathBuf,
    /// Which lock file was read last, and what it says of a bridge. A look at the file's place tells whether it is
    /// another one since, so that it is read once and not for each message.
    known: Mutex<Option<Known>>,
}

/// What was read last.
#[derive(Clone, Copy)]
struct Known {
    identity: Identity,
    /// The bridge that listens, if one does.
    bridge: Option<i32>,
    /// When the file was looked at last.
    at: Instant,
}

/// How somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) mode: Mode,
    pub(crate) publishes: bool,
}

/// Tells one state of a lock file from any other. Its length is among it, since it is empty until its content is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Local {
    pub(crate) fn new(channel: &Channel, options: &Options, directory: &Path) -> Local {
        let file = match (channel.name(), channel.port()) {
            (Some(name), _) => format!(".deno.{name}.socket.lock"),
            (None, port) => format!(".deno.tcp-{}.lock", port.unwrap_or_default()),
        };
        let lock_path = directory.join(file);
        Local { channel: channel.clone(), options: options.clone(), lock_path, known: Mutex::default() }
    }

    /// How somebody listens; `None` where nobody does, or where that is not known. An error where it is a bridge.
    pub(crate) fn look(&self) -> Result<Option<Found>> {
        match simple_ipc::channel_info(&self.channel, &self.options)? {
            Some(info) if info.bridge => Err(self.is_imported(info.pid)),
            Some(info) => Ok(info.mode.map(|mode| Found { mode, publishes: info.publishes })),
            None => Ok(None),
        }
    }

    /// Refuses where the listener is a bridge: what has come from another machine would go out again.
    pub(crate) fn check(&self) -> Result<()> {
        let mut known = lock(&self.known);
        if known.is_some_and(|known| known.bridge.is_none() && known.at.elapsed() < AGE) {
            return Ok(());
        }
        let Ok(metadata) = std::fs::metadata(&self.lock_path) else { return Ok(()) };
        let identity = Identity::of(&metadata);
        let bridge = match *known {
            Some(same) if same.identity == identity => same.bridge,
            _ => {
                let info = simple_ipc::channel_info(&self.channel, &self.options)?;
                info.filter(|info| info.bridge).map(|info| info.pid.unwrap_or_default())
            }
        };
        *known = Some(Known { identity, bridge, at: Instant::now() });
        drop(known);
        bridge.map_or(Ok(()), |pid| Err(self.is_imported(Some(pid))))
    }

    fn is_imported(&self, pid: Option<i32>) -> Error {
        let by = pid.map_or_else(String::new, |pid| format!(" by process {pid}"));
        let text = format!(
            "channel \"{}\" is imported from another machine{by}, and exported it would go round in a loop; export it where it lives",
            self.channel
        );
        Error::new(ErrorKind::WrongMode, text)
    }
}
