//! What is removed of listeners that were killed.
//!
//! The test starts this binary again as a process of its own, which listens and is killed.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use simple_ipc::{Channel, Message, Mode, Options, PathStyle, Responder, blocking, clean};
use support::Scratch;

/// Names the directory of the channels, for the process that is killed.
const DIRECTORY: &str = "SIMPLE_IPC_CLEAN_TEST";
const STYLES: [PathStyle; 4] = [PathStyle::V0_0_1, PathStyle::V0_0_3, PathStyle::V0_0_5, PathStyle::V0_0_14];

fn echo(message: &Message, responder: Responder) {
    responder.respond(message).unwrap();
}

fn listen(channel: &Channel, options: &Options) -> blocking::Listener {
    blocking::Listener::serve(channel, Mode::Request, options, echo).unwrap()
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A listener on a name in each path style, on a path and on a port; then it waits to be killed.
fn be_killed(directory: &Path) -> ! {
    let options = Options::new().directory(directory);
    let dead = Channel::uds("dead").unwrap();
    let mut listeners: Vec<_> = STYLES.iter().map(|&style| listen(&dead, &options.clone().path_style(style))).collect();
    listeners.push(listen(&Channel::path(directory.join("full.path")).unwrap(), &options));
    listeners.push(listen(&Channel::ip(0).unwrap(), &options));
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nport {}", listeners.last().unwrap().channel()).unwrap();
    out.flush().unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn what_killed_listeners_left_is_removed_and_named_and_live_ones_stay() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        be_killed(directory.as_ref());
    }
    let scratch = Scratch::new();
    let options = scratch.options();
    let live = listen(&Channel::uds("live").unwrap(), &options);
    let directory = live.path().unwrap().parent().unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "what_killed_listeners_left_is_removed_and_named_and_live_ones_stay", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let port = said.find_map(|line| line.strip_prefix("port ").map(str::to_owned)).unwrap();
    assert_eq!(clean(Some(directory)).unwrap(), [], "all of them are alive");
    process.kill().unwrap();
    process.wait().unwrap();
    let left = names(directory);
    assert_eq!(left.len(), 2 + 2 * STYLES.len() + 2 + 1, "{left:?}");

    let removed = clean(Some(directory)).unwrap();
    let full = directory.join("full.path").display().to_string();
    let channels: Vec<&str> = removed.iter().map(|removed| &*removed.channel).collect();
    let mut expected = vec![&*full, &*port, "dead", "dead", "dead", "dead"];
    expected.sort();
    assert_eq!(channels, expected);
    let mut paths: Vec<_> = removed.iter().flat_map(|removed| &removed.paths).collect();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 2 * STYLES.len() + 2 + 1, "{paths:?}");
    assert!(paths.iter().all(|path| path.parent() == Some(directory)), "{paths:?}");
    assert_eq!(names(directory), [".deno.live.socket", ".deno.live.socket.lock"]);
    assert_eq!(clean(Some(directory)).unwrap(), []);
    let reply: u8 = blocking::post_uds_request_with("live", 1, &options).unwrap();
    assert_eq!(reply, 1);
    live.close().unwrap();
    assert_eq!(names(directory), [""; 0]);
}
