//! The live channels of a directory: the lock files that somebody holds.

use std::ffi::OsStr;
use std::path::Path;

use serde::Serialize;

use super::lock_file;
use super::lock_info::{LockInfo, Named};
use crate::channel::{Address, Channel, directory_or_default};
use crate::error::{Error, ErrorKind, Result};
use crate::mode::Mode;

/// A channel that somebody listens on, as its listener describes itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChannelInfo {
    /// The name, `:port`, or the full path.
    pub channel: String,
    /// The path of the socket, or `127.0.0.1:port`.
    pub address: String,
    /// Whether it answers; `None` where its lock file does not say, or names a mode that this version does
    /// not know.
    pub mode: Option<Mode>,
    /// The process that listens; `None` where its lock file does not say, as with the rest.
    pub pid: Option<i32>,
    /// When it began to, in milliseconds since the Unix epoch.
    pub started_ms: Option<u64>,
    /// The version of the listener's library.
    pub version: Option<String>,
    /// Whether its listener passes messages on to another machine's ([`Options::bridge`](crate::Options::bridge)).
    pub bridge: bool,
    /// Whether its listener takes subscribers.
    pub publishes: bool,
    /// How many subscribers it has, as of a tenth of a second ago; `None` where it takes none.
    pub subscribers: Option<u64>,
}

/// The live channels in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`), sorted by name. A held lock file with a
/// channel's name is listed whatever its content, any other only if it reads like one of this library.
pub(crate) fn discover(directory: Option<&Path>) -> Result<Vec<ChannelInfo>> {
    let directory = directory_or_default(directory);
    let failed = |error| directory_failed("list channels", &directory, error);
    let mut channels = Vec::new();
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(address) = address_of(&directory, &name) else { continue };
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let (named, channel) = channel_of(&name);
        let Some(info) = lock_file::read_live(&entry.path(), named) else { continue };
        channels.push(described(info, channel, address.to_string()));
    }
    channels.sort_by(|a, b| (&a.channel, &a.address).cmp(&(&b.channel, &b.address)));
    Ok(channels)
}

/// The live listener at an address, as its lock file describes it; `None` where nobody holds the lock file. A lock file that
/// cannot be read says only that somebody listens.
pub(crate) fn look_at(channel: &Channel, address: &Address) -> Option<ChannelInfo> {
    let info = lock_file::read_live(&address.lock_path(), Named::AsOne)?;
    Some(described(info, channel.to_string(), address.to_string()))
}

/// What a lock file says; `channel` is its name where it does not.
fn described(info: Option<LockInfo>, channel: String, address: String) -> ChannelInfo {
    match info {
        Some(info) => ChannelInfo {
            channel: info.channel,
            address,
            mode: Mode::from_name(&info.mode),
            pid: Some(info.pid),
            started_ms: Some(info.started),
            version: Some(info.version),
            bridge: info.bridge,
            publishes: info.publishes,
            subscribers: info.subscribers,
        },
        None => ChannelInfo {
            channel,
            address,
            mode: None,
            pid: None,
            started_ms: None,
            version: None,
            bridge: false,
            publishes: false,
            subscribers: None,
        },
    }
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
    if Path::new(lock_name).extension() != Some(OsStr::new("lock")) {
        return None;
    }
    let name = Path::new(lock_name).file_stem()?;
    let port = name.to_str().and_then(|name| name.strip_prefix(".deno.tcp-"));
    if let Some(port) = port.and_then(|port| port.parse().ok()) {
        return Some(Address::Tcp { port, directory: directory.to_owned() });
    }
    Some(Address::Unix(directory.join(name)))
}

/// The channel whose lock file has this name, and how sure that is. The name is the channel's for each style
/// in which the original has called its sockets.
fn channel_of(lock_name: &OsStr) -> (Named, String) {
    let none = || (Named::Otherwise, String::new());
    let Some(name) = lock_name.to_str().and_then(|name| name.strip_suffix(".lock")) else { return none() };
    if let Some(port) = name.strip_prefix(".deno.tcp-") {
        let port = port.parse::<u16>().ok().filter(|number| *number > 0 && number.to_string() == port);
        return port.map_or_else(none, |port| (Named::AsOne, format!(":{port}")));
    }
    for (before, after, named) in [
        (".deno.", ".socket", Named::AsOne),
        (".", ".socket", Named::LikeOne),
        (".", ".sock", Named::LikeOne),
        ("", ".sock", Named::LikeOne),
    ] {
        let channel = name.strip_prefix(before).and_then(|name| name.strip_suffix(after));
        if let Some(channel) = channel
            && Channel::uds(channel).is_ok()
        {
            return (named, channel.to_owned());
        }
    }
    none()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::os::channel_lock::ChannelLock;

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
        let unix = ChannelLock::acquire(&live, "build", 0o600, Mode::Request.into()).unwrap();
        std::os::unix::fs::symlink(live.lock_path(), path("link.lock")).unwrap();
        let tcp = Address::Tcp { port: 0, directory: directory.path().to_owned() };
        let tcp = ChannelLock::acquire(&tcp, ":0", 0o600, Mode::Broadcast.into()).unwrap();

        let found = discover(Some(directory.path())).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        let Address::Tcp { port, .. } = tcp.address() else { panic!("{:?}", tcp.address()) };
        assert_eq!(found[0].channel, format!(":{port}"));
        assert_eq!(found[0].address, format!("127.0.0.1:{port}"));
        assert_eq!(found[0].mode, Some(Mode::Broadcast));
        assert_eq!(found[1].channel, "build");
        assert_eq!(found[1].address, live.to_string());
        assert_eq!(found[1].mode, Some(Mode::Request));
        assert_eq!(found[1].pid, Some(std::process::id().cast_signed()));
        assert_eq!(found[1].version.as_deref(), Some(env!("CARGO_PKG_VERSION")));
        assert!(found[1].started_ms > Some(1_700_000_000_000));

        drop(unix);
        drop(tcp);
        assert_eq!(discover(Some(directory.path())).unwrap(), []);
    }

    #[test]
    fn a_held_lock_with_a_channels_name_is_listed_whatever_its_content() {
        let contents: [&[u8]; 5] = [
            b"",
            b"garbage",
            &[b' '; 5000],
            br#"{"pid":77.0,"version":"9","channel":"x","mode":"request","started":1}"#,
            br#"{"pid":7,"version":"9","channel":"x","mode":"later","started":1}"#,
        ];
        let names = [".deno.x.socket.lock", ".x.socket.lock", ".x.sock.lock", "x.sock.lock", ".deno.tcp-7.lock"];
        for name in names {
            for content in contents {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join(name);
                std::fs::write(&path, content).unwrap();
                assert_eq!(discover(Some(directory.path())).unwrap(), [], "{name}: not held");
                let file = std::fs::File::open(&path).unwrap();
                file.lock().unwrap();
                // The kernel's table of locks can miss a line while other tests lock and let go.
                let found = loop {
                    let found = discover(Some(directory.path())).unwrap();
                    if !found.is_empty() {
                        break found;
                    }
                };
                let known = content.starts_with(b"{\"pid\":7,");
                let channel = if known || !name.contains("tcp") { "x" } else { ":7" };
                assert_eq!((found[0].channel.as_str(), found[0].mode), (channel, None), "{name}");
                let rest = (found[0].pid, found[0].started_ms, found[0].version.as_deref());
                assert_eq!(rest, if known { (Some(7), Some(1), Some("9")) } else { (None, None, None) });
            }
        }
    }

    #[test]
    fn a_lock_with_another_name_is_listed_only_if_it_reads_like_one() {
        for name in [".deno.a-b.socket.lock", ".deno.tcp-0.lock", ".deno.tcp-07.lock", "backup.lock", "x.socket.lock"] {
            assert_eq!(channel_of(OsStr::new(name)).0, Named::Otherwise, "{name}");
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join(name);
            std::fs::write(&path, "").unwrap();
            let file = std::fs::File::open(&path).unwrap();
            file.lock().unwrap();
            assert_eq!(discover(Some(directory.path())).unwrap(), [], "{name}");
            std::fs::write(&path, r#"{"pid":7,"version":"9","channel":"x","mode":"request","started":1}"#).unwrap();
            assert_eq!(discover(Some(directory.path())).unwrap().len(), 1, "{name}");
        }
    }

    #[test]
    fn another_programs_lock_is_never_locked_by_looking() {
        for name in ["backup.lock", "database.sock.lock"] {
            never_locked(name);
        }
    }

    fn never_locked(name: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, "").unwrap();
        std::thread::scope(|scope| {
            let looking = scope.spawn(|| (0..300).all(|_| discover(Some(directory.path())).is_ok()));
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
