//! A process that listens as root and then gives its privileges up.
//!
//! The test starts this binary again as a process of its own, whose user changes.

mod support;

use std::process::Command;

use simple_ipc::{Channel, ErrorKind, Message, Mode, Options, Responder, blocking};
use support::Scratch;

/// Names the directory of the channels, for the process that changes its user.
const DIRECTORY: &str = "SIMPLE_IPC_PRIVILEGES_TEST";
const USER: libc::uid_t = 64801;

fn echo(message: &Message, responder: Responder) {
    responder.respond(message).unwrap();
}

fn listen(channel: &Channel, options: &Options) -> blocking::Listener {
    blocking::Listener::serve(channel, Mode::Request, options, echo).unwrap()
}

fn drop_privileges() {
    // SAFETY: each takes numbers, and changes the user and groups of the whole process.
    let done = unsafe { libc::setgroups(0, std::ptr::null()) | libc::setgid(USER) | libc::setuid(USER) };
    assert_eq!(done, 0);
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out says so")]
fn a_listener_that_may_not_remove_its_files_any_more_says_so_when_it_closes() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let options = Options::new().directory(directory);
        let named = listen(&Channel::uds("a").unwrap(), &options);
        let port = listen(&Channel::ip(0).unwrap(), &options);
        drop_privileges();
        let error = named.close().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let socket = named.path().unwrap().display();
        let says =
            format!("what stood for it stays: unlink of {socket} and {socket}.lock failed; remove it as the user");
        assert!(error.message().contains(&says), "{error}");
        // It is closed all the same, and said once.
        named.close().unwrap();
        let error = port.close().unwrap_err();
        assert!(error.message().contains(".lock failed; remove it as the user who listened"), "{error}");
        return;
    }
    // SAFETY: it reads a number.
    if unsafe { libc::geteuid() } != 0 {
        return eprintln!("skipped: only root can give its privileges up");
    }
    let scratch = Scratch::new();
    let options = scratch.options();
    let probe = listen(&Channel::uds("a").unwrap(), &options);
    let directory = probe.path().unwrap().parent().unwrap().to_owned();
    probe.close().unwrap();
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_listener_that_may_not_remove_its_files_any_more_says_so_when_it_closes", "--nocapture"])
        .env(DIRECTORY, &directory)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 3, "two lock files and a socket");
    // As after a crash: the next listener with the rights takes over, and what is left can be cleaned up.
    listen(&Channel::uds("a").unwrap(), &options).close().unwrap();
    assert_eq!(simple_ipc::clean(Some(&directory)).unwrap().len(), 1);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
}
