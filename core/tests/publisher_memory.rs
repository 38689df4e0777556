//! A publisher's memory while subscribers do not read. One test: what it looks at is the process's.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use simple_ipc::blocking::Listener;
use simple_ipc::{Channel, Message};
use support::Scratch;

/// How many bytes of memory the process has.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// A subscriber that reads its answer and nothing more.
fn stopped(listener: &Listener, body: &str) -> UnixStream {
    let mut stream = UnixStream::connect(listener.path().unwrap()).unwrap();
    let hello = [b"\xf5SIP\x01\x02\0\0\x01\0\0\0", &(64_u32 << 20).to_le_bytes()[..]].concat();
    let len = u32::try_from(body.len()).unwrap().to_le_bytes();
    stream.write_all(&[&hello, &len[..], &[16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], body.as_bytes()].concat()).unwrap();
    let mut begun = [0; 32];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(begun[20], 2, "not a response");
    stream
}

#[test]
fn the_memory_for_subscribers_who_do_not_read_is_that_of_the_longest_queue_however_many_they_are() {
    let scratch = Scratch::new();
    let listener = Listener::serve_publish(&Channel::uds("clock").unwrap(), &scratch.options()).unwrap();
    let _stopped: Vec<UnixStream> = (0..20)
        .map(|nth| {
            let overflow = ["drop_oldest", "fail"][nth % 2];
            stopped(&listener, &format!(r#"{{"overflow":"{overflow}","queue":{}}}"#, 4 << 20))
        })
        .collect();
    let flood = |bytes: usize, each: usize| {
        let message = Message::bytes(vec![7; each]);
        for _ in 0..bytes / each {
            listener.publish_message("", &message).unwrap();
        }
    };
    flood(16 << 20, 1000);
    let before = resident();
    flood(256 << 20, 50_000);
    flood(64 << 20, 1000);
    let after = resident();
    // One queue of 4 MiB, and what the allocator keeps.
    assert!(after < before + (16 << 20), "{before} bytes before, {after} after");
    let counters = listener.counters();
    assert_eq!((counters.subscribers, counters.too_slow), (10, 10));
}
