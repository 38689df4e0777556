//! Processes, as far as `/proc` tells; where there is none, nothing is told.

use std::fs;
use std::path::Path;

/// What a process does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ProcessState {
    /// It runs, or waits; its name.
    Running(String),
    /// A signal, or a debugger, has stopped it; its name.
    Stopped(String),
    /// It is not there, or in a pid namespace that is not seen from here.
    Unseen,
    /// The system does not tell.
    Untold,
}

/// A small file of the system's, as text.
pub(crate) fn read_text(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// How many bytes standard input has, where it is a file.
pub(crate) fn size_of_stdin() -> Option<u64> {
    fs::metadata("/dev/stdin").ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len())
}

pub(crate) fn process_state(pid: i32) -> ProcessState {
    if !Path::new("/proc/self/stat").exists() {
        return ProcessState::Untold;
    }
    read_text(&format!("/proc/{pid}/stat")).and_then(|stat| state_in(&stat)).unwrap_or(ProcessState::Unseen)
}

/// What the line of `/proc/PID/stat` says: the number, the name in brackets, a letter. A name may have brackets and blanks.
fn state_in(stat: &str) -> Option<ProcessState> {
    let (before, after) = stat.rsplit_once(')')?;
    let name = before.split_once('(')?.1.to_owned();
    match after.trim_start().chars().next()? {
        'T' | 't' => Some(ProcessState::Stopped(name)),
        'Z' | 'X' => Some(ProcessState::Unseen),
        _ => Some(ProcessState::Running(name)),
    }
}

/// A process that has the listening socket at this path open, as far as this user may look.
pub(crate) fn holder_of_socket(path: &Path) -> Option<i32> {
    let sockets = read_text("/proc/net/unix")?;
    let inode = listening_inode(&sockets, path.to_str()?)?;
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.find(|pid| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
        let mut links =
            descriptors.into_iter().flatten().flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        links.any(|link| link.to_str() == Some(&wanted))
    })
}

/// The inode of the socket that listens at a path: its flags say so (`00010000`).
fn listening_inode<'a>(sockets: &'a str, path: &str) -> Option<&'a str> {
    sockets.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let at = *fields.get(7)?;
        (at == path && fields.get(3) == Some(&"00010000")).then(|| fields[6])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_from_its_line_whatever_its_name() {
        assert_eq!(state_in("12 (a) b (c) S 1 2"), Some(ProcessState::Running("a) b (c".to_owned())));
        assert_eq!(state_in("12 (sleep) T 1"), Some(ProcessState::Stopped("sleep".to_owned())));
        assert_eq!(state_in("12 (gone) Z 1"), Some(ProcessState::Unseen));
        assert_eq!(state_in("garbage"), None);
    }

    #[test]
    fn only_a_socket_that_listens_holds_a_path() {
        let sockets = "\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000003 00000000 00000000 0001 03 111 /tmp/x
0000000000000000: 00000002 00000000 00010000 0001 01 222 /tmp/x
0000000000000000: 00000002 00000000 00010000 0001 01 333\n";
        assert_eq!(listening_inode(sockets, "/tmp/x"), Some("222"));
        assert_eq!(listening_inode(sockets, "/tmp/y"), None);
    }
}
