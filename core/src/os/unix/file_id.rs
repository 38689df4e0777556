//! What stands at a path: looked at without following a link, opening it or changing it.

use std::fmt;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::number::number;
use super::refusal::{Refusal, by};
use super::system::users;

/// Which file it is, whatever it is called. As long as a descriptor of it (or a socket bound to it)
/// is open, no other file gets the same identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What stands at a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) identity: Identity,
    pub(crate) kind: FileType,
    pub(crate) owner: u32,
    ours: bool,
    pub(crate) links: u64,
    /// The length in bytes.
    pub(crate) len: u64,
    /// The permission bits.
    pub(crate) mode: u32,
}

impl Place {
    /// What stands at `path`; `None` where nothing does.
    pub(crate) fn at(path: &Path) -> Result<Option<Place>, Errno> {
        let look = || match rustix::fs::lstat(path) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        };
        let Some(stat) = look()? else { return Ok(None) };
        let mut place = Place::from_stat(&stat, |stat| users::owns(path, stat));
        if place.ours && users::is_anybody(place.owner) {
            // What was shown to be ours is what was looked at.
            place.ours = look()?.is_some_and(|now| Place::from_stat(&now, |_| true).identity == place.identity);
        }
        Ok(Some(place))
    }

    /// The file behind a descriptor.
    pub(crate) fn of(fd: impl AsFd) -> Result<Place, Errno> {
        let stat = rustix::fs::fstat(&fd)?;
        Ok(Place::from_stat(&stat, |stat| users::owns_open(&fd, stat)))
    }

    /// `owns` tells whether the file is ours where its owner's id may be anybody's.
    fn from_stat(stat: &Stat, owns: impl FnOnce(&Stat) -> bool) -> Place {
        let owner = stat.st_uid;
        Place {
            identity: Identity { device: number(stat.st_dev), inode: number(stat.st_ino) },
            kind: FileType::from_raw_mode(stat.st_mode),
            owner,
            ours: owner == rustix::process::geteuid().as_raw() && (!users::is_anybody(owner) || owns(stat)),
            links: number(stat.st_nlink),
            len: stat.st_size.cast_unsigned(),
            mode: number::<_, u32>(stat.st_mode) & 0o7777,
        }
    }

    /// Whether it belongs to the user that this process acts as.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours
    }
}

/// Removes what stands at the path, if it is this file.
pub(super) fn remove_if_it_is(path: &Path, identity: Identity) -> Result<(), Refusal> {
    match Place::at(path).map_err(by("lstat"))? {
        Some(place) if place.identity == identity => match rustix::fs::unlink(path) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(by("unlink")(errno)),
        },
        _ => Ok(()),
    }
}

/// Names it as an error does: `a directory`, `a socket of user 1000`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            FileType::RegularFile => "a file",
            FileType::Directory => "a directory",
            FileType::Symlink => "a symbolic link",
            FileType::Fifo => "a FIFO",
            FileType::Socket => "a socket",
            FileType::CharacterDevice | FileType::BlockDevice => "a device",
            FileType::Unknown => "something unknown",
        })?;
        if self.kind == FileType::RegularFile && self.links > 1 {
            f.write_str(" with several hard links")?;
        }
        if !self.is_ours() {
            if users::is_anybody(self.owner) {
                write!(f, " of {}", users::anybody())?;
            } else {
                write!(f, " of user {}", self.owner)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_for_what_it_is_and_a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let link = directory.path().join("link");
        assert!(Place::at(&file).unwrap().is_none());
        std::fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let at = |path| Place::at(path).unwrap().unwrap();
        assert_eq!(at(directory.path()).to_string(), "a directory");
        assert_eq!(at(&link).to_string(), "a symbolic link");
        assert_eq!(at(&file).to_string(), "a file");
        assert_eq!(at(&file).identity, Place::of(std::fs::File::open(&link).unwrap()).unwrap().identity);
        std::fs::hard_link(&file, directory.path().join("second")).unwrap();
        assert_eq!(at(&file).to_string(), "a file with several hard links");
    }
}
