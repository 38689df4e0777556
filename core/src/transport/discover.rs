//! The live channels of a directory: the lock files that somebody holds.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::lock;
use crate::channel::{Address, directory_or_default};
use crate::error::{Error, ErrorKind, Result};

/// A channel that somebody listens on, as its listener describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// The name, `:port`, or the full path.
    pub channel: String,
    /// The path of the socket, or `127.0.0.1:port`.
    pub address: String,
    /// `request` or `broadcast`.
    pub mode: String,
    /// The process that listens.
    pub pid: i32,
    /// When it began to, in milliseconds since the Unix epoch.
    pub started_ms: u64,
    /// The version of the listener's library.
    pub version: String,
}

/// The live channels in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`), sorted by name. What does not
/// look like a lock file of this library is passed over.
pub(crate) fn discover(directory: Option<&Path>) -> Result<Vec<ChannelInfo>> {
    let directory = directory_or_default(directory);
    let failed = |error| directory_failed("list channels", &directory, error);
    let mut channels = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Some(address) = address_of(&directory, &entry.file_name()) else { continue };
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if let Some(info) = lock::read_live(&entry.path()) {
            channels.push(ChannelInfo {
                channel: info.channel,
                address: address.to_string(),
                mode: info.mode,
                pid: info.pid,
                started_ms: info.started,
                version: info.version,
            });
        }
    }
    channels.sort_by(|a, b| (&a.channel, &a.address).cmp(&(&b.channel, &b.address)));
    Ok(channels)
}

/// The error for a directory whose entries cannot be read; `doing` is what they were needed for.
pub(super) fn directory_failed(doing: &str, directory: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            let why = format!("cannot {doing}: directory {} does not exist", directory.display());
            Error::new(ErrorKind::NoDirectory, why).with_source(error)
        }
        _ => Error::from_os(format!("cannot {doing}: the entries of {} cannot be read", directory.display()), error),
    }
}

/// The address whose lock file has this name, if it is a lock file's name.
pub(super) fn address_of(directory: &Path, lock_name: &OsStr) -> Option<Address> {
    let name = lock_name.as_bytes().strip_suffix(b".lock").filter(|name| !name.is_empty())?;
    let port = name.strip_prefix(b".deno.tcp-").and_then(|port| std::str::from_utf8(port).ok());
    if let Some(port) = port.and_then(|port| port.parse().ok()) {
        return Some(Address::Tcp { port, directory: directory.to_owned() });
    }
    let socket: PathBuf = directory.join(OsStr::from_bytes(name));
    Some(Address::Unix(socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::claim::Claim;

    #[test]
    fn the_live_channels_are_listed_and_whatever_is_odd_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let line = r#"{"pid":1,"version":"0","channel":"x","mode":"request","started":1}"#;
        std::fs::write(path("dead.socket.lock"), line).unwrap();
        std::fs::write(path("huge.lock"), vec![b' '; 1 << 20]).unwrap();
        std::fs::write(path(".lock"), line).unwrap();
        std::fs::create_dir(path("directory.lock")).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo.lock"), rustix::fs::Mode::RWXU).unwrap();
        let live = Address::Unix(path(".deno.build.socket"));
        let unix = Claim::take(&live, "build", 0o600, true).unwrap();
        std::os::unix::fs::symlink(live.lock_path(), path("link.lock")).unwrap();
        let tcp = Address::Tcp { port: 0, directory: directory.path().to_owned() };
        let tcp = Claim::take(&tcp, ":0", 0o600, false).unwrap();

        let found = discover(Some(directory.path())).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        let Address::Tcp { port, .. } = tcp.address() else { panic!("{:?}", tcp.address()) };
        assert_eq!(found[0].channel, format!(":{port}"));
        assert_eq!(found[0].address, format!("127.0.0.1:{port}"));
        assert_eq!(found[0].mode, "broadcast");
        assert_eq!(found[1].channel, "build");
        assert_eq!(found[1].address, live.to_string());
        assert_eq!(found[1].mode, "request");
        assert_eq!(found[1].pid, std::process::id().cast_signed());
        assert_eq!(found[1].version, env!("CARGO_PKG_VERSION"));
        assert!(found[1].started_ms > 1_700_000_000_000);

        drop(unix);
        drop(tcp);
        assert_eq!(discover(Some(directory.path())).unwrap(), []);
    }

    #[test]
    fn another_programs_lock_is_never_locked_by_looking() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup.lock");
        std::fs::write(&path, "").unwrap();
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| (0..300).all(|_| discover(Some(directory.path())).unwrap().is_empty()));
            let file = std::fs::File::open(&path).unwrap();
            while !looking.is_finished() {
                rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
                rustix::fs::flock(&file, rustix::fs::FlockOperation::Unlock).unwrap();
            }
            assert!(looking.join().unwrap());
        });
    }

    #[test]
    fn a_directory_that_is_missing_is_an_error_that_says_so() {
        let error = discover(Some(Path::new("/nonexistent/x"))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoDirectory);
    }
}
