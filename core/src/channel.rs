//! What a channel is, and the address that it stands for.

use std::ffi::OsString;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::error::{Error, ErrorKind, Result};

/// The longest channel name, in characters. The whole path then fits `sun_path` on every Unix.
pub const MAX_NAME_LEN: usize = 85;

/// The longest path of a Unix socket, in bytes: `sun_path` less its terminating zero. 107 on Linux, 103 on macOS; 240 on Windows, where
/// the path of the lock file beside it is what has to fit.
pub const MAX_PATH_LEN: usize = if cfg!(windows) {
    240
} else if cfg!(target_vendor = "apple") {
    103
} else {
    107
};

/// The environment variable that replaces `/tmp` as the directory of the sockets.
pub const DIRECTORY_VARIABLE: &str = "SIMPLE_IPC_DIR";

pub(crate) const DEFAULT_DIRECTORY: &str = if cfg!(windows) { "C:/Windows/Temp" } else { "/tmp" };

/// What two processes meet at: a name, a port, or the full path of a socket.
///
/// A channel is checked when it is made; everything that takes one can rely on it.
///
/// ```
/// use simple_ipc::Channel;
///
/// assert_eq!(Channel::uds("build")?, "build".parse()?);
/// assert_eq!(Channel::ip(49152)?, ":49152".parse()?);
/// assert_eq!(Channel::path("./x.sock")?, "./x.sock".parse()?);
/// assert!(Channel::uds("not/a/name").is_err());
/// # Ok::<(), simple_ipc::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Channel(Place);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Place {
    Name(String),
    Port(u16),
    Path(PathBuf),
}

impl Channel {
    /// The Unix-socket channel of this name: `^[A-Za-z0-9_]{1,85}$`.
    pub fn uds(name: &str) -> Result<Channel> {
        check_name(name)?;
        Ok(Channel(Place::Name(name.to_owned())))
    }

    /// The TCP channel of this port on 127.0.0.1. Port 0 is good for listening only: the system
    /// picks a free one and the listener tells which.
    pub fn ip(port: u16) -> Result<Channel> {
        Ok(Channel(Place::Port(port)))
    }

    /// The Unix socket at this path, for peers with a convention of their own.
    pub fn path(path: impl Into<PathBuf>) -> Result<Channel> {
        let path = path.into();
        check_path(&path)?;
        Ok(Channel(Place::Path(path)))
    }

    /// The name, if the channel has one.
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Place::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The port, if it is a TCP channel.
    pub fn port(&self) -> Option<u16> {
        match self.0 {
            Place::Port(port) => Some(port),
            _ => None,
        }
    }

    /// The address that the channel stands for, in `directory` (or `SIMPLE_IPC_DIR`, or `/tmp`).
    pub(crate) fn address(&self, directory: Option<&Path>, style: PathStyle) -> Result<Address> {
        match &self.0 {
            Place::Name(name) => {
                let (before, after) = style.around_name();
                let mut path = directory_or_default(directory);
                path.reserve(1 + before.len() + name.len() + after.len());
                path.push(before);
                path.as_mut_os_string().push(name);
                path.as_mut_os_string().push(after);
                check_path(&path)?;
                Ok(Address::Unix(path))
            }
            Place::Path(path) => Ok(Address::Unix(path.clone())),
            Place::Port(port) => Ok(Address::Tcp { port: *port, directory: directory_or_default(directory) }),
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Name(name) => write!(f, "{name}"),
            Place::Port(port) => write!(f, ":{port}"),
            Place::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads a channel as the command line writes it: a name, `:port`, or a path that has a slash.
impl FromStr for Channel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Channel> {
        if let Some(port) = text.strip_prefix(':') {
            let parsed = port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse::<u16>().ok()).flatten();
            return parsed.map(|port| Channel(Place::Port(port))).ok_or_else(|| {
                Error::new(ErrorKind::InvalidPort, format!("port \"{port}\" is not a number from 1 to 65535"))
            });
        }
        if text.contains('/') { Channel::path(text) } else { Channel::uds(text) }
    }
}

impl TryFrom<&str> for Channel {
    type Error = Error;
    fn try_from(name: &str) -> Result<Channel> {
        Channel::uds(name)
    }
}

impl TryFrom<u16> for Channel {
    type Error = Error;
    fn try_from(port: u16) -> Result<Channel> {
        Channel::ip(port)
    }
}

/// How the file of a named channel is called: as this library and v0.0.1 of the Deno original do,
/// or as a later version of the original did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathStyle {
    /// `.deno.{name}.socket`: this library; the original's v0.0.1 and v0.0.2.
    #[default]
    V0_0_1,
    /// `.{name}.socket`: the original's v0.0.3 and v0.0.4.
    V0_0_3,
    /// `.{name}.sock`: the original's v0.0.5 to v0.0.13.
    V0_0_5,
    /// `{name}.sock`: the original's v0.0.14.
    V0_0_14,
}

impl PathStyle {
    /// What is before the name, and what after it.
    fn around_name(self) -> (&'static str, &'static str) {
        match self {
            PathStyle::V0_0_1 => (".deno.", ".socket"),
            PathStyle::V0_0_3 => (".", ".socket"),
            PathStyle::V0_0_5 => (".", ".sock"),
            PathStyle::V0_0_14 => ("", ".sock"),
        }
    }
}

/// Where a channel's socket is, and where its lock file is. Compared by the bytes of its path: every post
/// looks for a session by it, and a `Path` is compared by its components, which takes longer than the rest.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Unix(PathBuf),
    /// A port of 127.0.0.1; the directory holds its lock file.
    Tcp {
        port: u16,
        directory: PathBuf,
    },
}

impl Address {
    fn bytes(&self) -> (u32, &[u8]) {
        match self {
            Address::Unix(path) => (u32::MAX, path.as_os_str().as_encoded_bytes()),
            Address::Tcp { port, directory } => (u32::from(*port), directory.as_os_str().as_encoded_bytes()),
        }
    }

    /// The lock file beside the socket.
    pub(crate) fn lock_path(&self) -> PathBuf {
        match self {
            Address::Unix(path) => {
                let mut name: OsString = path.clone().into_os_string();
                name.push(".lock");
                name.into()
            }
            Address::Tcp { port, directory } => directory.join(format!(".deno.tcp-{port}.lock")),
        }
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Address) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Address {}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Unix(path) => write!(f, "{}", path.display()),
            Address::Tcp { port, .. } => write!(f, "127.0.0.1:{port}"),
        }
    }
}

/// The directory of sockets and lock files: the one given, `SIMPLE_IPC_DIR`, or `/tmp`.
pub(crate) fn directory_or_default(directory: Option<&Path>) -> PathBuf {
    match directory {
        Some(directory) => directory.to_owned(),
        None => match std::env::var_os(DIRECTORY_VARIABLE) {
            Some(value) if !value.is_empty() => PathBuf::from(value),
            _ => PathBuf::from(DEFAULT_DIRECTORY),
        },
    }
}

fn check_name(name: &str) -> Result<()> {
    let complaint = if name.is_empty() {
        "a channel name is empty".to_owned()
    } else if name.len() > MAX_NAME_LEN {
        format!(
            "channel name \"{}…\" is too long: {} characters of at most {MAX_NAME_LEN}",
            prefix(name),
            name.chars().count()
        )
    } else if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        format!("channel name {:?} has a character other than A-Z, a-z, 0-9 and _", prefix(name))
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidName, complaint))
}

fn check_path(path: &Path) -> Result<()> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() || bytes.contains(&0) {
        return Err(Error::new(ErrorKind::InvalidArgument, "a socket path is empty or has a zero byte"));
    }
    if bytes.len() > MAX_PATH_LEN {
        return Err(Error::new(
            ErrorKind::PathTooLong,
            format!(
                "socket path {} is {} bytes, at most {MAX_PATH_LEN} fit; use a shorter directory or name",
                path.display(),
                bytes.len()
            ),
        ));
    }
    Ok(())
}

/// Enough of a text to recognise it in an error.
fn prefix(text: &str) -> &str {
    match text.char_indices().nth(40) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_word_characters_up_to_85() {
        for good in ["a", "_", "0", "Example_channel_9", &"x".repeat(85)] {
            assert!(Channel::uds(good).is_ok(), "{good}");
        }
        for bad in ["", "a-b", "a.b", "a/b", "é", "a b", "a\n", "a\0", &"x".repeat(86)] {
            assert_eq!(Channel::uds(bad).unwrap_err().kind(), ErrorKind::InvalidName, "{bad:?}");
        }
    }

    #[test]
    fn the_command_line_form_tells_names_ports_and_paths_apart() {
        assert_eq!("build".parse::<Channel>().unwrap().name(), Some("build"));
        assert_eq!(":49152".parse::<Channel>().unwrap().port(), Some(49152));
        assert!(matches!("./x.sock".parse::<Channel>().unwrap().0, Place::Path(_)));
        for bad in [":", ":x", ":65536", ":-1", ":+5"] {
            assert_eq!(bad.parse::<Channel>().unwrap_err().kind(), ErrorKind::InvalidPort, "{bad}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_address_is_the_originals_and_the_lock_stands_beside_it() {
        let directory = Path::new("/run/x");
        let address = Channel::uds("build").unwrap().address(Some(directory), PathStyle::default()).unwrap();
        assert_eq!(address, Address::Unix("/run/x/.deno.build.socket".into()));
        assert_eq!(address.lock_path(), Path::new("/run/x/.deno.build.socket.lock"));
        let address = Channel::ip(7).unwrap().address(Some(directory), PathStyle::default()).unwrap();
        assert_eq!(address.lock_path(), Path::new("/run/x/.deno.tcp-7.lock"));
        let style = |style| Channel::uds("b").unwrap().address(Some(directory), style).unwrap().to_string();
        assert_eq!(style(PathStyle::V0_0_3), "/run/x/.b.socket");
        assert_eq!(style(PathStyle::V0_0_5), "/run/x/.b.sock");
        assert_eq!(style(PathStyle::V0_0_14), "/run/x/b.sock");
    }

    #[test]
    fn a_path_that_does_not_fit_is_refused_before_any_system_call() {
        let directory = PathBuf::from(format!("/{}", "d".repeat(MAX_PATH_LEN - 7)));
        let error = Channel::uds("build").unwrap().address(Some(&directory), PathStyle::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PathTooLong);
        assert_eq!(Channel::path("x".repeat(MAX_PATH_LEN + 1)).unwrap_err().kind(), ErrorKind::PathTooLong);
    }
}
