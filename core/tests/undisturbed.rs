//! What one client or handler does, however badly, does not disturb the others.

#[path = "support/gate.rs"]
mod gate;
mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use gate::Gate;
use simple_ipc::{Channel, Message, Mode, Options, Wire, blocking};
use support::Scratch;

const EXCLUSIVE_HELLO: &[u8] = b"\xF5SIP\x01\x01\0\0\0\0\0\0\0\0\0\x04";
const MULTIPLEXED_HELLO: &[u8] = b"\xF5SIP\x01\x02\0\0\0\0\0\0\0\0\0\x04";

/// What good clients of every kind get beside all the rest.
fn good_clients_are_served(channel: &Channel, options: &Options, rounds: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = blocking::Client::connect(channel, options).unwrap();
    for number in 0..rounds {
        let message = Message::json(&number).unwrap();
        assert_eq!(client.request::<u64>(number).unwrap(), number);
        assert_eq!(blocking::post_request(channel, &message, options).unwrap(), message);
        assert_eq!(runtime.block_on(simple_ipc::post_request(channel, &message, options)).unwrap(), message);
        let deno = options.clone().wire(Wire::Deno);
        assert_eq!(blocking::post_request(channel, &message, &deno).unwrap(), message);
    }
    client.ping().unwrap();
}

/// Answers as it is asked, except: sleeps until the gate opens, panics, or answers a lot.
fn moody(gate: &Gate) -> impl Fn(&Message, simple_ipc::Responder) + Send + Sync + 'static {
    let gate = gate.clone();
    move |message, responder| match message.as_text().as_deref() {
        Some("wait") => {
            gate.wait();
            let _the_caller_may_be_gone = responder.respond(message);
        }
        Some("panic") => panic!("on purpose"),
        Some("large") => {
            let _the_caller_does_not_read = responder.respond(&Message::bytes(vec![0; 1 << 20]));
        }
        _ => {
            let _the_caller_may_be_gone = responder.respond(message);
        }
    }
}

fn raw(path: &Path, sent: &[&[u8]]) -> UnixStream {
    let mut stream = UnixStream::connect(path).unwrap();
    for part in sent {
        stream.write_all(part).unwrap();
    }
    stream
}

fn request_frame(id: u32, body: &str) -> Vec<u8> {
    let mut frame = (body.len() as u32).to_le_bytes().to_vec();
    frame.extend_from_slice(&[1, 0, 0, 0]);
    frame.extend_from_slice(&id.to_le_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(body.as_bytes());
    frame
}

#[test]
fn stuck_clients_of_every_dialect_do_not_disturb_the_others() {
    let scratch = Scratch::new();
    let name = Channel::uds("stuck").unwrap();
    for threads in [2, 256] {
        let options = scratch.options().threads(threads).grace(std::time::Duration::from_millis(100));
        let gate = Gate::default();
        gate.open();
        let listener = blocking::Listener::serve(&name, Mode::Request, &options, moody(&gate)).unwrap();
        let path = listener.path().unwrap();
        let large: Vec<u8> = (1..=40).flat_map(|id| request_frame(id, "\"large\"")).collect();
        let stuck = [
            raw(path, &[]),
            raw(path, &[&EXCLUSIVE_HELLO[..1]]),
            raw(path, &[&EXCLUSIVE_HELLO[..15]]),
            raw(path, &[EXCLUSIVE_HELLO]),
            raw(path, &[MULTIPLEXED_HELLO]),
            raw(path, &[EXCLUSIVE_HELLO, &request_frame(1, "\"half\"")[..7]]),
            raw(path, &[EXCLUSIVE_HELLO, &request_frame(1, "\"half\"")[..18]]),
            raw(path, &[MULTIPLEXED_HELLO, &request_frame(1, "\"half\"")[..18]]),
            raw(path, &[MULTIPLEXED_HELLO, b"\0\0\0\x04\x01\0\0\0\x01\0\0\0\0\0\0\0 a large body"]),
            // It never reads its answers.
            raw(path, &[MULTIPLEXED_HELLO, &large]),
            raw(path, &[EXCLUSIVE_HELLO, &request_frame(1, "\"large\"")]),
            raw(path, &[b"\x00\"no half-close\""]),
            raw(path, &[b"\x00"]),
            raw(path, &[b"no newline"]),
            raw(path, &[b"half a character \xE2\x82"]),
        ];
        good_clients_are_served(&name, &options, 50);
        drop(stuck);
        good_clients_are_served(&name, &options, 5);
        listener.close().unwrap();
    }
}

#[test]
fn handlers_that_block_or_panic_do_not_disturb_the_others() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("moody").unwrap();
    let gate = Gate::default();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, moody(&gate)).unwrap();
    let path = listener.path().unwrap();
    let waits: Vec<u8> = (1..=20).flat_map(|id| request_frame(id, "\"wait\"")).collect();
    let panics: Vec<u8> = (1..=20).flat_map(|id| request_frame(id, "\"panic\"")).collect();
    let mut rude: Vec<UnixStream> =
        (0..20).map(|_| raw(path, &[EXCLUSIVE_HELLO, &request_frame(1, "\"wait\"")])).collect();
    rude.push(raw(path, &[MULTIPLEXED_HELLO, &waits]));
    rude.push(raw(path, &[MULTIPLEXED_HELLO, &panics]));
    rude.push(raw(path, &[b"\x00\"wait\""]));
    rude.push(raw(path, &[b"\"wait\"\n"]));
    good_clients_are_served(&name, &options, 50);
    gate.open();
    good_clients_are_served(&name, &options, 5);
    // A panic takes its time where it prints a backtrace.
    while listener.counters().failed < 20 {
        std::thread::yield_now();
    }
    drop(rude);
    listener.close().unwrap();
    assert_eq!(listener.counters().failed, 20);
}

#[test]
fn clients_killed_in_the_middle_of_a_message_do_not_disturb_the_others() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("killed").unwrap();
    let gate = Gate::default();
    gate.open();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, moody(&gate)).unwrap();
    let path = listener.path().unwrap().to_str().unwrap();
    let victims: Vec<_> = ["\\xF5SIP\\x01\\x01", "\\xF5SIP\\x01\\x02\\0\\0\\0\\0\\0\\0\\0\\0\\0\\x04\\0\\0\\0\\x01\\x01", "\\x00\\x22half", "text"]
        .iter()
        .map(|sent| {
            let script = format!(
                "import socket,sys,time\ns=socket.socket(socket.AF_UNIX)\ns.connect({path:?})\ns.sendall(b'{sent}')\nprint('sent',flush=True)\ntime.sleep(600)"
            );
            let mut child =
                Command::new("python3").args(["-c", &script]).stdout(Stdio::piped()).spawn().unwrap();
            let mut said = [0; 4];
            child.stdout.take().unwrap().read_exact(&mut said).unwrap();
            child
        })
        .collect();
    good_clients_are_served(&name, &options, 5);
    for mut victim in victims {
        victim.kill().unwrap();
        victim.wait().unwrap();
    }
    good_clients_are_served(&name, &options, 5);
    listener.close().unwrap();
}

#[test]
fn two_hundred_connections_at_once_are_all_answered() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("crowd").unwrap();
    let gate = Gate::default();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, moody(&gate)).unwrap();
    let path = listener.path().unwrap();
    let mut crowd: Vec<UnixStream> =
        (0..200).map(|number| raw(path, &[EXCLUSIVE_HELLO, &request_frame(1, &number.to_string())])).collect();
    for (number, stream) in crowd.iter_mut().enumerate() {
        let expected = number.to_string();
        let mut answer = vec![0; 16 + 16 + expected.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer[32..], expected.as_bytes());
    }
    assert_eq!(listener.counters().connections, 200);
    assert_eq!(listener.counters().messages, 200);
}

#[test]
fn a_thousand_idle_sessions_cost_little_and_leave_nothing_behind() {
    let scratch = Scratch::new();
    let options = scratch.options().max_connections(1100);
    let name = Channel::uds("idle").unwrap();
    let gate = Gate::default();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, moody(&gate)).unwrap();
    let path = listener.path().unwrap();
    good_clients_are_served(&name, &options, 5);
    let idle = listener.counters().open;
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = descriptors();
    let mut resident = Vec::new();
    for _ in 0..3 {
        let mut sessions: Vec<UnixStream> = (0..1000).map(|_| raw(path, &[MULTIPLEXED_HELLO])).collect();
        for session in &mut sessions {
            session.read_exact(&mut [0; 16]).unwrap();
        }
        good_clients_are_served(&name, &options, 5);
        assert!(listener.counters().open >= 1000);
        drop(sessions);
        while listener.counters().open > idle + 1 {
            std::thread::yield_now();
        }
        resident.push(resident_kib());
    }
    while descriptors() > before + 4 {
        std::thread::yield_now();
    }
    // What the first thousand took serves the next ones.
    assert!(resident[2] < resident[0] + 2048, "resident memory grows: {resident:?} KiB");
    assert_eq!(listener.counters().malformed, 0);
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn counters_count_what_they_say() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("counted").unwrap();
    let gate = Gate::default();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, moody(&gate)).unwrap();
    let path = listener.path().unwrap();
    for malformed in [&b"\xFF"[..], b"\x80", b"\x00", b"\x00{", b"\xF5nope and so on....", b"text \xFF\n"] {
        let mut stream = raw(path, &[malformed]);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ends_in_any_way = stream.read_to_end(&mut Vec::new());
    }
    for incomplete in [&b""[..], &EXCLUSIVE_HELLO[..5]] {
        let mut stream = raw(path, &[incomplete]);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let _ends_in_any_way = stream.read_to_end(&mut Vec::new());
    }
    blocking::post_request(&name, &Message::null(), &options).unwrap();
    blocking::post_request(&name, &Message::text("panic"), &options).unwrap_err();
    // The last of the above may still be on its way out.
    while listener.counters().open > 1 {
        std::thread::yield_now();
    }
    let counters = listener.counters();
    assert_eq!((counters.connections, counters.malformed, counters.incomplete), (9, 6, 2), "{counters:?}");
    assert_eq!((counters.messages, counters.failed, counters.refused), (2, 1, 0), "{counters:?}");
}
