//! Memory that a listener shares, spoken by hand: refused, taken, and filled with anything.

use std::io::{ErrorKind, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use simple_ipc::blocking::Listener;
use simple_ipc::{Message, Options};

use crate::raw::{EXCLUSIVE, HANGS, MULTIPLEXED, PING, PONG, REQUEST, RESPONSE, Raw, SHARE, bare, frame, request};
use crate::scratch::Scratch;

/// The bit of those who know memory, in a hello of this role.
fn hello(role: u8) -> Vec<u8> {
    [b"\xf5SIP\x01", &[role][..], &[0; 2], &[16, 0, 0, 0], &[0, 0, 0, 4]].concat()
}

const FIRST_PAGE: u64 = 4096;
/// Where the words of a ring are that the client sends by, and the one that it receives by.
const SENT: u64 = 768;
const RECEIVED: u64 = 0;
const HEAD: u64 = 128;
const RECEIVER: u64 = 256;
const LAST: u64 = 384;
const WANTED: u64 = 512;

/// A session whose memory the test has as a file.
struct Shared {
    socket: UnixStream,
    memory: std::fs::File,
    capacity: u64,
}

impl Shared {
    fn with(listener: &Listener, role: u8) -> Shared {
        let mut socket = UnixStream::connect(listener.path().unwrap()).unwrap();
        socket.set_read_timeout(Some(HANGS)).unwrap();
        socket.write_all(&hello(role)).unwrap();
        let mut theirs = [0; 16];
        socket.read_exact(&mut theirs).unwrap();
        assert_eq!(theirs[8] & 16, 16, "it knows memory");
        socket.write_all(&bare(SHARE, 0)).unwrap();
        let (answer, fd) = receive_with_descriptor(&socket);
        assert_eq!((answer[4], &answer[..4]), (SHARE, &[0; 4][..]));
        let capacity = u32::from_le_bytes(answer[12..].try_into().unwrap()).into();
        Shared { socket, memory: fd.expect("memory comes with the answer").into(), capacity }
    }

    /// Says that the next bytes go by memory.
    fn go_over(&mut self) {
        self.socket.write_all(&frame(SHARE, 0, 0, self.capacity as u32, b"")).unwrap();
    }

    fn bell(&mut self) {
        let _the_listener_may_have_ended_it = self.socket.write_all(b"!");
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn set(&self, at: u64, value: u64) {
        self.memory.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    /// Sends bytes by memory, of which there is room for all.
    fn send(&mut self, bytes: &[u8]) {
        let tail = self.word(SENT);
        let at = tail % self.capacity;
        let (first, rest) = bytes.split_at(bytes.len().min((self.capacity - at) as usize));
        self.memory.write_all_at(first, FIRST_PAGE + self.capacity + at).unwrap();
        self.memory.write_all_at(rest, FIRST_PAGE + self.capacity).unwrap();
        self.set(SENT, tail.wrapping_add(bytes.len() as u64));
        self.bell();
    }

    /// The next bytes that come by memory, once so many have.
    fn receive(&mut self, count: u64) -> Vec<u8> {
        let head = self.word(RECEIVED + HEAD);
        while self.word(RECEIVED) < head + count {
            // Each look follows a bell, as one who sleeps has it.
            self.memory.write_all_at(&1u32.to_ne_bytes(), RECEIVED + RECEIVER).unwrap();
            if self.word(RECEIVED) < head + count {
                self.socket.read_exact(&mut [0]).unwrap();
            }
        }
        let mut bytes = vec![0; count as usize];
        self.memory.read_exact_at(&mut bytes, FIRST_PAGE + head % self.capacity).unwrap();
        self.set(RECEIVED + HEAD, head + count);
        bytes
    }
}

/// One frame without a body, and the descriptor that comes with it.
fn receive_with_descriptor(socket: &UnixStream) -> ([u8; 16], Option<OwnedFd>) {
    let mut bytes = [0; 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    assert_eq!(received.bytes, 16);
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    (bytes, fd)
}

fn echo(scratch: &Scratch, options: &Options) -> Listener {
    scratch.listen(simple_ipc::Mode::Request, options, |message: &Message, responder| {
        let _the_caller_may_have_gone = responder.respond(message);
    })
}

fn sharing(scratch: &Scratch) -> Options {
    scratch.options().shared_memory(64 << 20)
}

#[test]
fn who_asks_a_listener_that_shares_nothing_is_refused_and_goes_on_by_the_socket() {
    let scratch = Scratch::new();
    let listener = echo(&scratch, &scratch.options().shared_memory(0));
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut raw = Raw::to(&listener);
        raw.send(&[hello(role), bare(SHARE, 0), request(1, "1"), bare(SHARE, 0)].concat());
        raw.receive(16);
        let mut came: Vec<_> =
            (0..3).map(|_| raw.frame()).map(|frame| (frame.kind, frame.id, frame.argument)).collect();
        came.sort_unstable();
        assert_eq!(came, [(RESPONSE, 1, 0), (SHARE, 0, 0), (SHARE, 0, 0)]);
    }
}

#[test]
fn only_a_client_that_knows_memory_and_was_given_some_speaks_of_it() {
    let scratch = Scratch::new();
    let listener = echo(&scratch, &sharing(&scratch));
    let knows_nothing = [b"\xf5SIP\x01\x01\0\0\0\0\0\0\0\0\0\x04".to_vec(), bare(SHARE, 0)].concat();
    let has_none = [hello(MULTIPLEXED), frame(SHARE, 0, 0, 1 << 18, b"")].concat();
    for stream in [knows_nothing, has_none] {
        let mut raw = Raw::to(&listener);
        raw.send(&stream);
        raw.receive(16);
        assert_eq!(raw.frame().code(), "protocol");
        raw.receive_to_end();
    }
    // Of another size than it was given, and a second time.
    for wrong in [frame(SHARE, 0, 0, 1 << 17, b""), bare(SHARE, 0)] {
        let mut shared = Shared::with(&listener, MULTIPLEXED);
        shared.socket.write_all(&wrong).unwrap();
        let header = shared.receive(16);
        assert_eq!(header[4], crate::raw::ERROR);
    }
}

#[test]
fn a_session_can_be_spoken_by_hand_through_memory() {
    let scratch = Scratch::new();
    let listener = echo(&scratch, &sharing(&scratch));
    for role in [EXCLUSIVE, MULTIPLEXED] {
        let mut shared = Shared::with(&listener, role);
        assert!(shared.memory.set_len(0).is_err(), "it can be cut short");
        assert!(shared.memory.set_len(1 << 30).is_err(), "it can be made longer");
        // The listener's bytes come by memory from now on, the client's do not yet.
        shared.socket.write_all(&bare(PING, 7)).unwrap();
        assert_eq!(shared.receive(16), bare(PONG, 7));
        shared.socket.write_all(&request(1, "1")).unwrap();
        assert_eq!(shared.receive(17), frame(RESPONSE, 0, 1, 0, b"1"));
        shared.go_over();
        // What comes on the socket behind that only rings.
        shared.socket.write_all(b"\xff\xff\xff").unwrap();
        for id in 2..200 {
            let body = format!("\"{id}\"");
            shared.send(&frame(REQUEST, 0, id, 0, body.as_bytes()));
            let answer = frame(RESPONSE, 0, id, 0, body.as_bytes());
            assert_eq!(shared.receive(answer.len() as u64), answer);
        }
    }
    assert_eq!(listener.counters().malformed, 0);
}

/// Whoever has the memory may write anything into it at any time. That ends his session, or does nothing.
#[test]
fn whatever_a_client_writes_into_memory_the_listener_serves_the_others() {
    let scratch = Scratch::new();
    let listener = echo(&scratch, &sharing(&scratch));
    let wild = [u64::MAX, u64::MAX - 1, 1 << 63, 1 << 40, (1 << 18) + 1, 1 << 18, 3, 0];
    for word in [
        SENT,
        SENT + HEAD,
        SENT + RECEIVER,
        SENT + LAST,
        SENT + WANTED,
        RECEIVED,
        RECEIVED + HEAD,
        RECEIVED + RECEIVER,
        RECEIVED + LAST,
        RECEIVED + WANTED,
    ] {
        for (nth, value) in wild.into_iter().enumerate() {
            let mut shared = Shared::with(&listener, if nth % 2 == 0 { EXCLUSIVE } else { MULTIPLEXED });
            shared.go_over();
            shared.send(&request(1, "1"));
            shared.set(word, value);
            shared.bell();
            shared.send(&request(2, "2"));
        }
    }
    let mut shared = Shared::with(&listener, MULTIPLEXED);
    shared.go_over();
    shared.send(&request(1, "1"));
    assert_eq!(shared.receive(17), frame(RESPONSE, 0, 1, 0, b"1"));
}

#[test]
fn a_position_that_cannot_be_ends_the_session() {
    let scratch = Scratch::new();
    let listener = echo(&scratch, &sharing(&scratch));
    for tail in [u64::MAX, (1 << 18) + 1] {
        let mut shared = Shared::with(&listener, MULTIPLEXED);
        shared.go_over();
        shared.set(SENT, tail);
        shared.bell();
        let mut rest = Vec::new();
        match shared.socket.read_to_end(&mut rest) {
            Ok(_) => {}
            // The listener saw it before it had taken the bell, which it leaves unread.
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert!(rest.len() <= 1, "nothing but a bell");
    }
}

/// What a client does to the memory that it was given.
#[derive(Clone, Debug)]
enum Step {
    /// Writes a word, or adds to it.
    Word(u64, u64),
    Add(u64, u64),
    /// Puts bytes in, and says that they are there.
    Bytes(Vec<u8>),
    Request(u32, usize),
    Bell,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let word = (0..2_u64, 0..6_u64).prop_map(|(ring, word)| 768 * ring + 128 * word);
    let value =
        prop_oneof![any::<u64>(), Just(u64::MAX), Just(u64::MAX - 1), 0..3_u64, Just(1 << 18), Just((1 << 18) + 1)];
    let more = prop_oneof![1..40_u64, Just(1 << 18), Just((1 << 18) + 1), Just(u64::MAX)];
    let step = prop_oneof![
        (word.clone(), value).prop_map(|(word, value)| Step::Word(word, value)),
        (word, more).prop_map(|(word, more)| Step::Add(word, more)),
        prop::collection::vec(any::<u8>(), 1..64).prop_map(Step::Bytes),
        (1..9_u32, prop_oneof![0..200_usize, 60_000..100_000_usize]).prop_map(|(id, len)| Step::Request(id, len)),
        Just(Step::Bell),
    ];
    prop::collection::vec(step, 1..16)
}

/// Sessions from their going over to their end, driven by a client that keeps to nothing.
#[test]
fn whatever_a_client_does_in_memory_its_listener_serves_the_next_one() {
    let scratch = Scratch::new();
    let listener = echo(&scratch, &sharing(&scratch));
    let mut runner = TestRunner::new(ProptestConfig { cases: 200, ..ProptestConfig::default() });
    let outcome = runner.run(&(steps(), any::<bool>()), |(steps, is_exclusive)| {
        let role = if is_exclusive { EXCLUSIVE } else { MULTIPLEXED };
        let mut shared = Shared::with(&listener, role);
        shared.go_over();
        for step in &steps {
            match *step {
                Step::Word(word, value) => shared.set(word, value),
                Step::Add(word, more) => shared.set(word, shared.word(word).wrapping_add(more)),
                Step::Bytes(ref bytes) => shared.send(bytes),
                Step::Request(id, len) => shared.send(&frame(REQUEST, 1, id, 0, &vec![1; len])),
                Step::Bell => shared.bell(),
            }
        }
        drop(shared);
        let mut next = Shared::with(&listener, MULTIPLEXED);
        next.go_over();
        next.send(&request(1, "1"));
        prop_assert_eq!(next.receive(17), frame(RESPONSE, 0, 1, 0, b"1"));
        Ok(())
    });
    outcome.unwrap();
}
