//! The kernel's table of Unix sockets: whether somebody listens at a path, without connecting.
//!
//! A connection that comes and leaves without a byte ends the process of a Deno original.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::table;

/// `__SO_ACCEPTCON` of linux/net.h: the socket listens.
const LISTENS: u32 = 0x10000;
/// `SOCK_STREAM` and `SS_UNCONNECTED`, as the columns `Type` and `St` have them.
const STREAM: u32 = 1;
const UNCONNECTED: u32 = 1;

/// Whether a living socket holds the path: one that listens, or is bound and may be about to, or
/// that takes datagrams. `Some(false)`: only connections of a listener that has gone are left of
/// it. `None`: the table cannot be read, or does not know the path (another network namespace).
///
/// Only `Some(true)` is certain: the kernel gives the table out a page at a time, and a line can be
/// missed where sockets come and go meanwhile. Hence two readings.
pub(crate) fn is_taken(path: &Path) -> Option<bool> {
    match read(path) {
        Some(true) => Some(true),
        first => read(path).or(first),
    }
}

fn read(path: &Path) -> Option<bool> {
    find(&table::read_table("/proc/net/unix").ok()?, path)
}

fn find(table: &[u8], path: &Path) -> Option<bool> {
    let wanted = Spellings::of(path);
    let mut known = None;
    for line in table.split(|&byte| byte == b'\n').skip(1) {
        let Some(row) = Row::parse(line) else { continue };
        if row.path.file_name() == path.file_name() && wanted.include(row.path) {
            let taken = row.flags & LISTENS != 0 || row.kind != STREAM || row.state == UNCONNECTED;
            known = Some(known == Some(true) || taken);
        }
    }
    known
}

/// The ways in which a socket at a path can have been bound.
struct Spellings {
    given: PathBuf,
    absolute: Option<PathBuf>,
    /// The directory with its links resolved. The last part is never resolved: it is no link.
    directory: Option<PathBuf>,
}

impl Spellings {
    fn of(path: &Path) -> Spellings {
        let absolute = std::path::absolute(path).ok();
        let directory = absolute.as_deref().and_then(Path::parent).and_then(|parent| parent.canonicalize().ok());
        Spellings { given: path.to_owned(), absolute, directory }
    }

    /// Whether `bound`, whose file name is the same, is the path. A relative one other than the path
    /// as given is not: it was bound in a directory that is not known here.
    fn include(&self, bound: &Path) -> bool {
        bound == self.given
            || self.absolute.as_deref() == Some(bound)
            || (bound.is_absolute()
                && self.directory.is_some()
                && bound.parent().and_then(|parent| parent.canonicalize().ok()) == self.directory)
    }
}

struct Row<'a> {
    flags: u32,
    kind: u32,
    state: u32,
    path: &'a Path,
}

impl Row<'_> {
    /// `Num: RefCount Protocol Flags Type St Inode Path`, separated by spaces; all but the inode are
    /// hexadecimal, and the path is all that follows.
    fn parse(line: &[u8]) -> Option<Row<'_>> {
        let mut rest = line;
        let mut field = || {
            let start = rest.iter().position(|&byte| byte != b' ')?;
            let len = rest[start..].iter().position(|&byte| byte == b' ')?;
            let (field, after) = rest[start..].split_at(len);
            rest = after;
            std::str::from_utf8(field).ok()
        };
        let (_address, _references, _protocol) = (field()?, field()?, field()?);
        let mut number = || u32::from_str_radix(field()?, 16).ok();
        let (flags, kind, state) = (number()?, number()?, number()?);
        let _inode = field()?;
        let path = Path::new(OsStr::from_bytes(rest.strip_prefix(b" ")?));
        (!path.as_os_str().is_empty()).then_some(Row { flags, kind, state, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

    const SAMPLE: &[u8] = b"\
Num       RefCount Protocol Flags    Type St Inode Path
00000000e7f4f5e7: 00000003 00000000 00000000 0001 03  1072
000000009012a02e: 00000002 00000000 00010000 0001 01 1234567 /run/nowhere/live.sock
000000009012a02f: 00000003 00000000 00000000 0001 03  1074 /run/nowhere/live.sock
000000009012a030: 00000003 00000000 00000000 0001 03  1075 /run/nowhere/left.sock
000000009012a031: 00000002 00000000 00000000 0002 01  1076 /run/nowhere/log
000000009012a032: 00000002 00000000 00000000 0001 01  1077 /run/nowhere/about to \xff.sock
000000009012a033: 00000002 00000000 00010000 0001 01  1078 @abstract
000000009012a034: 00000002 00000000 00010000 0001 01  1079 relative.sock
nonsense
";

    #[test]
    fn the_table_tells_who_holds_a_path() {
        let taken = |path: &[u8]| find(SAMPLE, Path::new(OsStr::from_bytes(path)));
        assert_eq!(taken(b"/run/nowhere/live.sock"), Some(true));
        assert_eq!(taken(b"/run/nowhere/left.sock"), Some(false));
        assert_eq!(taken(b"/run/nowhere/log"), Some(true), "a datagram socket never listens, and lives");
        assert_eq!(taken(b"/run/nowhere/about to \xff.sock"), Some(true));
        assert_eq!(taken(b"relative.sock"), Some(true));
        assert_eq!(taken(b"/run/nowhere/relative.sock"), None, "bound in a directory that is not known");
        assert_eq!(taken(b"/run/nowhere/none.sock"), None);
        assert_eq!(find(b"", Path::new("/x")), None);
    }

    #[test]
    fn a_listener_is_seen_by_each_path_that_leads_to_it_until_it_goes() {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().join("real");
        let link = directory.path().join("link");
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let path = real.join("a.sock");
        let listener = UnixListener::bind(&path).unwrap();
        assert_eq!(is_taken(&path), Some(true));
        assert_eq!(is_taken(&link.join("a.sock")), Some(true));
        assert_eq!(is_taken(&real.join("../link/./a.sock")), Some(true));

        let _client = UnixStream::connect(&path).unwrap();
        let connection = listener.accept().unwrap();
        drop(listener);
        assert_eq!(is_taken(&path), Some(false), "only a connection is left");
        drop(connection);
        assert_eq!(is_taken(&path), None);

        let _datagrams = UnixDatagram::bind(real.join("log")).unwrap();
        assert_eq!(is_taken(&real.join("log")), Some(true));
    }
}
