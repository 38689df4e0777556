//! The directory of the sockets: whether one can listen there, and what dead listeners left in it.

use std::fs;
use std::path::Path;

use simple_ipc::blocking::{Listener, inspect};
use simple_ipc::{Channel, ErrorKind, Mode};

use super::{Finding, UsedDirectory};
use crate::arguments::Place;
use crate::os;

const ABOUT: &str = "directory";

/// How long the name may be of a channel that everybody can be expected to use.
const USUAL_NAME: usize = 40;

pub(super) fn look(place: &Place, directory: &UsedDirectory) -> Vec<Finding> {
    let (path, chosen_by) = (&directory.path, directory.chosen_by);
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        let text = format!("{shown} ({chosen_by}) does not exist, or cannot be looked at");
        return vec![Finding::problem(
            ABOUT,
            text,
            "make it, with mode 0700 where one user has all of its channels; or name another with --dir or SIMPLE_IPC_DIR",
        )];
    };
    if !metadata.is_dir() {
        let text = format!("{shown} ({chosen_by}) is no directory");
        return vec![Finding::problem(ABOUT, text, "name a directory with --dir or SIMPLE_IPC_DIR")];
    }
    let mut findings = Vec::new();
    findings.extend(rights(path, &metadata));
    findings.extend(room_for_names(path));
    findings.push(try_it(place, directory));
    findings.extend(left_behind(place, path));
    findings
}

/// Whether others may put their own in the place of a channel's files.
fn rights(path: &Path, metadata: &fs::Metadata) -> Option<Finding> {
    let (owner, mode) = (os::owner_of(metadata)?, os::mode_of(metadata)?);
    let shown = path.display();
    let (others_write, sticky) = (mode & 0o022 != 0, mode & 0o1000 != 0);
    if others_write && !sticky {
        let text = format!(
            "{shown} has mode {:04o}: others may remove a channel's files there, and listen in its place",
            mode & 0o7777
        );
        return Some(Finding::problem(
            ABOUT,
            text,
            format!("chmod +t {shown} (as /tmp), or chmod go-w {shown} where one user has all of its channels"),
        ));
    }
    let is_ours = os::user_id().is_none_or(|own| own == owner || own == 0);
    if !is_ours && owner != 0 && !sticky {
        let text = format!("{shown} belongs to user {owner}, who may remove a channel's files there");
        return Some(Finding::note(ABOUT, text, "use a directory of your own, or of root's with the sticky bit"));
    }
    None
}

/// How long a channel's name may be there: a socket's path has few bytes.
fn room_for_names(path: &Path) -> Option<Finding> {
    let around = path.as_os_str().len() + "/.deno..socket".len();
    let left = simple_ipc::MAX_PATH_LEN.saturating_sub(around);
    if left >= USUAL_NAME {
        return None;
    }
    let text = format!("{}: its path leaves {left} bytes for the name of a channel", path.display());
    let remedy = "use a directory with a shorter path, such as one under /run/user or /tmp";
    Some(if left == 0 { Finding::problem(ABOUT, text, remedy) } else { Finding::note(ABOUT, text, remedy) })
}

/// Listens there for a moment, and asks the listener: what no look at rights can show.
fn try_it(place: &Place, directory: &UsedDirectory) -> Finding {
    let shown = directory.path.display();
    let name = format!("doctor_{}", std::process::id());
    let options = place.options();
    let tried = Channel::uds(&name).and_then(|channel| {
        let listener = Listener::serve(&channel, Mode::Request, &options, |_, responder| drop(responder))?;
        inspect(&channel, &options)?;
        listener.close()
    });
    match tried {
        Ok(()) => {
            let chosen = directory.chosen_by;
            Finding::ok(ABOUT, format!("{shown} ({chosen}): a channel can be listened on and reached there"))
        }
        Err(error) => {
            let remedy = match error.kind() {
                ErrorKind::PermissionDenied => {
                    "have the directory's owner let you write to it, or name another with --dir or SIMPLE_IPC_DIR"
                }
                ErrorKind::PathTooLong => "use a directory with a shorter path",
                ErrorKind::OutOfResources => "make room, or raise the limit that the text names",
                _ => "use a directory on a local file system that has sockets and locks, such as /tmp or /run",
            };
            Finding::problem(ABOUT, format!("{shown}: nobody can listen there: {}", error.message()), remedy)
        }
    }
}

/// Lock files that nobody holds.
fn left_behind(place: &Place, path: &Path) -> Vec<Finding> {
    let live = simple_ipc::channels(place.dir.as_deref()).unwrap_or_default();
    let Ok(entries) = fs::read_dir(path) else {
        return vec![Finding::problem(
            ABOUT,
            format!("the entries of {} cannot be read", path.display()),
            "have its owner let you read it",
        )];
    };
    let is_live = |lock: &Path| {
        live.iter().any(|info| {
            let of_port =
                info.address.strip_prefix("127.0.0.1:").map(|port| path.join(format!(".deno.tcp-{port}.lock")));
            of_port.unwrap_or_else(|| format!("{}.lock", info.address).into()) == lock
        })
    };
    let (mut own, mut of_others) = (0, 0);
    for entry in entries.flatten() {
        let file = entry.path();
        let name = entry.file_name();
        let is_lock = name.to_str().is_some_and(|name| name.starts_with(".deno.") && name.ends_with(".lock"));
        if !is_lock || is_live(&file) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let owner = entry.metadata().ok().and_then(|metadata| os::owner_of(&metadata));
        match (owner, os::user_id()) {
            (Some(owner), Some(own)) if owner != own => of_others += 1,
            _ => own += 1,
        }
    }
    let mut findings = Vec::new();
    let left = |count: usize, whose: &str| {
        let (files, have) = if count == 1 { ("lock file", "is") } else { ("lock files", "are") };
        format!("{count} {files} of dead listeners{whose} {have} left in {}", path.display())
    };
    if own > 0 {
        findings.push(Finding::note(
            ABOUT,
            left(own, ""),
            "nothing needs to be done: the next listener takes over; simple-ipc clean removes them",
        ));
    }
    if of_others > 0 {
        let remedy = "on those channels nobody but these users can listen: have them run simple-ipc clean, or remove the files as root";
        findings.push(Finding::note(ABOUT, left(of_others, " of other users"), remedy));
    }
    findings
}
