//! Who listens on an exported channel here, and that it is no bridge.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use simple_ipc::{Channel, Error, ErrorKind, Mode, Options, Result};

use crate::connection::lock;

/// An exported channel as its lock file describes it.
pub(crate) struct Local {
    channel: Channel,
    options: Options,
    lock_path: PathBuf,
    /// Which lock file was read last, and what it says of a bridge. A look at the file's place tells whether it is
    /// another one since, so that it is read once and not for each message.
    known: Mutex<Option<(Identity, Option<i32>)>>,
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
        let Ok(metadata) = std::fs::metadata(&self.lock_path) else { return Ok(()) };
        let identity = Identity::of(&metadata);
        let mut known = lock(&self.known);
        let bridge = match *known {
            Some((same, bridge)) if same == identity => bridge,
            _ => {
                let info = simple_ipc::channel_info(&self.channel, &self.options)?;
                let bridge = info.filter(|info| info.bridge).map(|info| info.pid.unwrap_or_default());
                *known = Some((identity, bridge));
                bridge
            }
        };
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
