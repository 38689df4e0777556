//! Removing what dead listeners left: their lock files. Nothing else of them stays in the file system.
//!
//! A file is removed only on proof: it is a lock file of this user that reads like ours, and nobody holds it. While this is looked
//! into and done, the file is locked shared, as by a client that asks: a listener that starts meanwhile waits for it.

use std::io;
use std::path::{Path, PathBuf};

use super::file::{Place, is_missing};
use super::lock_file::{lock, open_to_clean, read_content};
use super::refusal::{Refusal, by};
use crate::channel::directory_or_default;
use crate::error::Result;
use crate::os::discover::{address_of, directory_failed};
pub use crate::os::removed::Removed;

/// Removes what dead listeners of this user left in `directory` (or `SIMPLE_IPC_DIR`, or the system's).
pub(crate) fn clean(directory: Option<&Path>) -> Result<Vec<Removed>> {
    let directory = directory_or_default(directory);
    let failed = |error| directory_failed("clean", &directory, error);
    let mut removed = Vec::new();
    let mut first_error = None;
    for entry in std::fs::read_dir(&directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if address_of(&directory, &entry.file_name()).is_none() {
            continue;
        }
        match clean_one(&entry.path()) {
            Ok(Some(done)) => removed.push(done),
            Ok(None) => {}
            Err((path, refusal)) => {
                let what =
                    format!("cannot clean {}: {} of {} failed", directory.display(), refusal.call, path.display());
                first_error.get_or_insert(refusal.into_error(what));
            }
        }
    }
    removed.sort_by(|a, b| (&a.channel, &a.paths).cmp(&(&b.channel, &b.paths)));
    first_error.map_or(Ok(removed), Err)
}

/// Removes the lock file at `path`, if it is a dead listener's.
fn clean_one(path: &Path) -> std::result::Result<Option<Removed>, (PathBuf, Refusal)> {
    let failed = |call| move |error: io::Error| (path.to_owned(), by(call)(error));
    // Looked at first, so that nothing but a file of ours is even opened.
    match Place::at(path) {
        Ok(Some(place)) if is_lock_file(&place) => {}
        _ => return Ok(None),
    }
    let file = match open_to_clean(path) {
        Ok(file) => file,
        Err(error) if is_missing(&error) || error.kind() == io::ErrorKind::PermissionDenied => return Ok(None),
        Err(error) => return Err(failed("CreateFile")(error)),
    };
    let place = Place::of(&file).map_err(failed("GetFileInformationByHandle"))?;
    let Some(info) = read_content(&file).filter(|_| is_lock_file(&place)) else { return Ok(None) };
    if !lock(&file, false).map_err(failed("LockFileEx"))? {
        return Ok(None);
    }
    // From here on no listener can have the lock.
    if !Place::at(path).is_ok_and(|now| now.is_some_and(|now| now.identity == place.identity)) {
        return Ok(None);
    }
    match std::fs::remove_file(path) {
        Ok(()) => Ok(Some(Removed { channel: info.channel, paths: vec![path.to_owned()] })),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(failed("DeleteFile")(error)),
    }
}

/// Whether it can be a lock file of this user's. A second hard link could make somebody else's of it.
fn is_lock_file(place: &Place) -> bool {
    place.is_file() && place.is_ours() && place.links == 1
}
