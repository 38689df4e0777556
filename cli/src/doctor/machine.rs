//! Limits, containers and namespaces.

use super::{Finding, UsedDirectory};
use crate::os;

/// A listener has up to 1024 connections, and the process wants some descriptors besides.
const ENOUGH_DESCRIPTORS: u64 = 1200;

pub(super) fn look(directory: &UsedDirectory) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("version", format!("this is simple-ipc {}", env!("CARGO_PKG_VERSION")))];
    findings.extend(descriptors(os::max_descriptors()));
    findings.extend(user_namespace(os::read_text("/proc/self/uid_map").as_deref()));
    findings.extend(pid_namespace(os::read_text("/proc/self/status").as_deref()));
    let markers = ["/.dockerenv", "/run/.containerenv"];
    findings
        .extend(markers.iter().find(|marker| std::path::Path::new(marker).exists()).map(|marker| container(marker)));
    let mounts = os::read_text("/proc/self/mountinfo");
    if let (Some(mounts), Ok(path)) = (mounts, directory.path.canonicalize()) {
        findings.extend(mount(&mounts, &path.to_string_lossy()));
    }
    findings
}

fn descriptors(limit: Option<u64>) -> Option<Finding> {
    let limit = limit?;
    if limit >= ENOUGH_DESCRIPTORS {
        return Some(Finding::ok("limits", format!("a process may have {limit} descriptors")));
    }
    let connections = limit - limit / 8;
    let text = format!(
        "a process may have {limit} descriptors: a listener that is started from here takes at most {connections} connections at once, not 1024"
    );
    Some(Finding::note(
        "limits",
        text,
        "raise it where more are wanted: ulimit -n 4096, or LimitNOFILE= of the systemd unit",
    ))
}

/// Users that the namespace does not map are all the same one, who may be anybody.
fn user_namespace(map: Option<&str>) -> Option<Finding> {
    let mapped: Vec<u64> = map?.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse().ok()).collect();
    let all: u64 = mapped.iter().sum();
    if all >= u64::from(u32::MAX) {
        return None;
    }
    let text = format!(
        "this process is in a user namespace that maps {all} of the machine's users: it cannot tell the others apart"
    );
    let remedy = "run both sides of a channel in one user namespace, as users that it maps; or have the listener allow anyone (--allow-anyone), in a directory that keeps strangers out";
    Some(Finding::note("user namespace", text, remedy))
}

/// A process id of one namespace is another one's in the next.
fn pid_namespace(status: Option<&str>) -> Option<Finding> {
    let ids = status?.lines().find_map(|line| line.strip_prefix("NSpid:"))?.split_whitespace().count();
    if ids < 2 {
        return None;
    }
    let text = "this process is in a pid namespace of its own: process ids of listeners outside of it are not those that are seen here";
    Some(Finding::note("pid namespace", text, "look from where the listener runs, or go by the channel's name"))
}

fn container(marker: &str) -> Finding {
    let text =
        format!("this is a container ({marker} is there): it shares a channel only with those who share its directory");
    let remedy = "give both containers one volume for the sockets, and name it with SIMPLE_IPC_DIR; channels on ports need one network namespace, too";
    Finding::note("container", text, remedy)
}

/// What the directory is mounted from: a private one, or a file system without sockets or locks.
fn mount(mounts: &str, path: &str) -> Option<Finding> {
    let mount = of_path(mounts, path)?;
    let fields: Vec<&str> = mount.split(' ').collect();
    let (root, kind) =
        (fields.get(3)?, fields.iter().position(|field| *field == "-").and_then(|at| fields.get(at + 1))?);
    if root.contains("systemd-private-") {
        let text = format!(
            "{path} is this service's own (systemd's PrivateTmp): nobody outside of the service finds its channels"
        );
        let remedy = "name another directory with SIMPLE_IPC_DIR, such as one that RuntimeDirectory= makes; or set PrivateTmp=no";
        return Some(Finding::note("directory", text, remedy));
    }
    if ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"].contains(kind) {
        let text = format!(
            "{path} is on a file system of type {kind}: channels are of one machine, and locks there may not hold between processes"
        );
        return Some(Finding::note("directory", text, "use a directory on a local file system, such as /tmp or /run"));
    }
    None
}

/// The line of the mount that a path is on: the longest mount point that the path begins with, and of those the last.
fn of_path<'a>(mounts: &'a str, path: &str) -> Option<&'a str> {
    let is_on = |point: &str| {
        point == "/" || path == point || path.strip_prefix(point).is_some_and(|rest| rest.starts_with('/'))
    };
    let point = |line: &'a str| line.split(' ').nth(4).filter(|point| is_on(point));
    mounts.lines().filter_map(|line| Some((point(line)?.len(), line))).max_by_key(|(len, _)| *len).map(|(_, line)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_map_and_one_namespace_are_nothing_to_tell() {
        assert_eq!(user_namespace(Some("         0          0 4294967295\n")), None);
        assert_eq!(user_namespace(None), None);
        assert_eq!(pid_namespace(Some("Name:\tx\nNSpid:\t5\n")), None);
        let part = user_namespace(Some("0 1000 1\n1 100000 65535\n")).unwrap();
        assert!(part.finding.contains("maps 65536 of"), "{part:?}");
        assert!(pid_namespace(Some("NSpid:\t77\t5\n")).is_some());
    }

    #[test]
    fn few_descriptors_are_told_with_how_many_connections_they_are_good_for() {
        assert_eq!(descriptors(None), None);
        assert_eq!(descriptors(Some(4096)).unwrap().level, super::super::Level::Ok);
        assert!(descriptors(Some(256)).unwrap().finding.contains("at most 224 connections"));
    }

    #[test]
    fn a_directory_is_judged_by_the_mount_that_it_is_on() {
        let mounts = "\
22 1 8:1 / / rw - ext4 /dev/sda1 rw
30 22 0:5 / /tmpfs rw - nfs server:/x rw
40 22 8:1 /tmp/systemd-private-abc-x.service/tmp /tmp rw shared:1 - ext4 /dev/sda1 rw
50 22 0:9 / /net rw - nfs4 server:/x rw\n";
        assert!(mount(mounts, "/tmp").unwrap().finding.contains("PrivateTmp"));
        assert!(mount(mounts, "/tmp/a/b").unwrap().finding.contains("PrivateTmp"));
        assert!(mount(mounts, "/net/a").unwrap().finding.contains("type nfs4"));
        assert_eq!(mount(mounts, "/home"), None);
        assert_eq!(mount("garbage\n\n", "/home"), None);
    }
}
