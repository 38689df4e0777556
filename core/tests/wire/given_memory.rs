//! Our clients, given memory by a listener that writes into it what must not be there, or that gives something else.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use simple_ipc::event_loop::{Completion, Queue};
use simple_ipc::{Error, ErrorKind, Message, Options, blocking};

use crate::fake::Fake;
use crate::raw::{HANGS, REQUEST, REQUEST_LISTENER, RESPONSE, SHARE, frame};
use crate::scratch::{Scratch, build};

const CAPACITY: u64 = 64 << 10;
const FIRST_PAGE: u64 = 4096;
/// The words of the ring that the listener sends by, and of the one that it receives by.
const RINGS: [u64; 2] = [0, 768];
const WORDS: [u64; 6] = [0, 128, 256, 384, 512, 640];
/// More than a client sends before it asks for memory.
const BUSY: u32 = 40;

/// What a listener gives that is asked for memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    What,
    Nothing,
    Unsealed,
    Short,
    AnotherCapacity(u32),
}

/// What a listener does to the memory that it has given.
#[derive(Clone, Debug)]
enum Step {
    /// Writes a word of a ring, this one.
    Word(usize, usize, u64),
    /// Adds to a word of a ring.
    Add(usize, usize, u64),
    /// Writes bytes into the ring that it sends by, and says that they are there.
    Bytes(Vec<u8>),
    /// An answer to this id.
    Answer(u32),
    Bell,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let value = prop_oneof![
        any::<u64>(),
        Just(u64::MAX),
        Just(u64::MAX - 1),
        0..3_u64,
        Just(CAPACITY),
        Just(CAPACITY + 1),
        Just(1 << 63)
    ];
    let more = prop_oneof![1..40_u64, Just(CAPACITY), Just(u64::MAX), Just(CAPACITY + 1)];
    let step = prop_oneof![
        (0..2_usize, 0..6_usize, value).prop_map(|(ring, word, value)| Step::Word(ring, word, value)),
        (0..2_usize, 0..2_usize, more).prop_map(|(ring, word, more)| Step::Add(ring, word, more)),
        prop::collection::vec(any::<u8>(), 1..64).prop_map(Step::Bytes),
        (BUSY..BUSY + 10).prop_map(Step::Answer),
        Just(Step::Bell),
    ];
    prop::collection::vec(step, 1..12)
}

/// A listener's side of a session.
struct Side {
    socket: UnixStream,
    memory: std::fs::File,
}

impl Side {
    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn set(&self, at: u64, value: u64) {
        self.memory.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    fn send(&mut self, bytes: &[u8]) {
        let tail = self.word(0);
        for (nth, byte) in bytes.iter().enumerate() {
            let at = tail.wrapping_add(nth as u64) % CAPACITY;
            self.memory.write_all_at(&[*byte], FIRST_PAGE + at).unwrap();
        }
        self.set(0, tail.wrapping_add(bytes.len() as u64));
        self.bell();
    }

    fn bell(&mut self) {
        let _the_client_may_have_ended_it = self.socket.write_all(b"!");
    }

    fn act(&mut self, step: &Step) {
        match *step {
            Step::Word(ring, word, value) => self.set(RINGS[ring] + WORDS[word], value),
            Step::Add(ring, word, more) => {
                let at = RINGS[ring] + WORDS[word];
                self.set(at, self.word(at).wrapping_add(more));
            }
            Step::Bytes(ref bytes) => self.send(bytes),
            Step::Answer(id) => self.send(&frame(RESPONSE, 0, id, 0, b"1")),
            Step::Bell => self.bell(),
        }
    }
}

fn memory(gives: Gives) -> OwnedFd {
    let fd = rustix::fs::memfd_create("given", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let size = FIRST_PAGE + 2 * CAPACITY - u64::from(gives == Gives::Short);
    rustix::fs::ftruncate(&fd, size).unwrap();
    let file = std::fs::File::from(fd);
    for ring in RINGS {
        file.write_all_at(&1_u32.to_ne_bytes(), ring + 256).unwrap();
        file.write_all_at(&u64::MAX.to_ne_bytes(), ring + 384).unwrap();
    }
    if gives != Gives::Unsealed {
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    }
    file.into()
}

/// Answers requests until it is asked for memory, gives it, and does these steps.
fn serve(mut socket: UnixStream, gives: Gives, steps: &[Step]) {
    socket.set_read_timeout(Some(HANGS)).unwrap();
    socket.read_exact(&mut [0; 16]).unwrap();
    let hello = [b"\xf5SIP\x01", &[REQUEST_LISTENER][..], &[0; 2], &[16, 0, 0, 0], &[0, 0, 0, 4]].concat();
    socket.write_all(&hello).unwrap();
    loop {
        let mut head = [0; 16];
        socket.read_exact(&mut head).unwrap();
        let len = u32::from_le_bytes(head[..4].try_into().unwrap());
        socket.read_exact(&mut vec![0; len as usize]).unwrap();
        match head[4] {
            REQUEST => {
                let id = u32::from_le_bytes(head[8..12].try_into().unwrap());
                socket.write_all(&frame(RESPONSE, 0, id, 0, b"1")).unwrap();
            }
            SHARE => break,
            _ => {}
        }
    }
    let memory = memory(gives);
    let capacity = if let Gives::AnotherCapacity(other) = gives { other } else { CAPACITY as u32 };
    let offer = frame(SHARE, 0, 0, capacity, b"");
    if gives == Gives::Nothing {
        socket.write_all(&offer).unwrap();
    } else {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [memory.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&socket, &[IoSlice::new(&offer)], &mut control, SendFlags::empty()).unwrap();
    }
    let mut side = Side { socket, memory: memory.into() };
    for step in steps {
        side.act(step);
    }
    // It stays until the client has had enough: by its timeout, where nothing else ends it.
    let _what_the_client_still_says = side.socket.read_to_end(&mut Vec::new());
}

/// Requests of one client until one fails, in each way that there is to drive it: the error.
fn until_it_fails(way: &str, options: &Options) -> Error {
    let message = Message::bytes(vec![7; 100]);
    let timeout = Some(Duration::from_millis(50));
    match way {
        "blocking client" => {
            let client = blocking::Client::connect(&build(), options).unwrap();
            loop {
                if let Err(error) = client.request_message(&message, timeout) {
                    return error;
                }
            }
        }
        "event loop" => {
            let mut queue = Queue::new().unwrap();
            let client = queue.connect(&build(), options).unwrap().0;
            loop {
                queue.request(client, message.clone(), timeout).unwrap();
                let mut done = Vec::new();
                while done.is_empty() {
                    queue.wait(None).unwrap();
                    queue.process(&mut done).unwrap();
                }
                for Completion { result, .. } in done {
                    if let Err(error) = result {
                        return error;
                    }
                }
            }
        }
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let client = simple_ipc::Client::connect(&build(), options).await.unwrap();
            loop {
                if let Err(error) = client.request_message(&message, timeout).await {
                    return error;
                }
            }
        }),
    }
}

const WAYS: [&str; 3] = ["blocking client", "event loop", "asynchronous client"];

#[test]
fn what_is_no_memory_to_share_ends_the_session_and_says_so() {
    let unusable = [
        Gives::Nothing,
        Gives::Unsealed,
        Gives::Short,
        Gives::AnotherCapacity(2 * CAPACITY as u32),
        Gives::AnotherCapacity(3),
        Gives::AnotherCapacity(u32::MAX),
    ];
    for gives in unusable {
        for way in WAYS {
            let scratch = Scratch::new();
            let _fake = Fake::native_socket(&scratch, move |_, socket| serve(socket, gives, &[]));
            let error = until_it_fails(way, &scratch.options().shared_memory(1));
            assert_eq!(error.kind(), ErrorKind::Protocol, "{gives:?}, {way}: {error}");
        }
    }
}

/// Whatever a listener writes, a client gets an answer or an error, and touches nothing beyond the memory.
#[test]
fn whatever_a_listener_writes_into_memory_its_clients_get_an_error_or_an_answer() {
    let mut runner = TestRunner::new(ProptestConfig { cases: 48, ..ProptestConfig::default() });
    let outcome = runner.run(&(steps(), 0..WAYS.len()), |(steps, way)| {
        let scratch = Scratch::new();
        let _fake = Fake::native_socket(&scratch, move |_, socket| serve(socket, Gives::What, &steps));
        let error = until_it_fails(WAYS[way], &scratch.options().shared_memory(1));
        let kinds = [ErrorKind::Protocol, ErrorKind::ConnectionLost, ErrorKind::TimedOut];
        prop_assert!(kinds.contains(&error.kind()), "{error}");
        Ok(())
    });
    outcome.unwrap();
}
