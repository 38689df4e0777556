//! A client that has asked for memory has kept a place for its descriptor, whatever else of its process opens files meanwhile. One
//! test: the limit is the process's.
#![cfg(target_os = "linux")]

mod support;

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::{Resource, Rlimit, setrlimit};
use simple_ipc::{Channel, Message, blocking};
use support::Scratch;

const REQUEST: u8 = 1;
const RESPONSE: u8 = 2;
const SHARE: u8 = 22;
const CAPACITY: u32 = 64 << 10;

/// Opens files until no more can be opened.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn memory() -> File {
    let fd = rustix::fs::memfd_create("given", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    let file = File::from(fd);
    file.set_len(4096 + 2 * u64::from(CAPACITY)).unwrap();
    for ring in [0, 768] {
        file.write_all_at(&1_u32.to_ne_bytes(), ring + 256).unwrap();
        file.write_all_at(&u64::MAX.to_ne_bytes(), ring + 384).unwrap();
    }
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).unwrap();
    file
}

/// Answers requests, and gives memory to one who asks when no descriptor is left in the process; the capacity that it then hears.
fn serve(listener: &UnixListener, held: &File) -> u32 {
    let (mut socket, _) = listener.accept().unwrap();
    socket.read_exact(&mut [0; 16]).unwrap();
    socket.write_all(b"\xf5SIP\x01\x11\0\0\x10\0\0\0\0\0\0\x04").unwrap();
    let memory = memory();
    let mut everything = Vec::new();
    loop {
        let mut head = [0; 16];
        socket.read_exact(&mut head).unwrap();
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        socket.read_exact(&mut vec![0; word(0) as usize]).unwrap();
        let answer = [&1_u32.to_le_bytes()[..], &[RESPONSE, 0, 0, 0], &head[8..12], &[0; 4], b"1"].concat();
        match (head[4], word(12)) {
            (REQUEST, _) if everything.is_empty() => socket.write_all(&answer).unwrap(),
            (REQUEST, _) => {
                // The listener's ring has nothing in it before.
                let mut tail = [0; 8];
                memory.read_exact_at(&mut tail, 0).unwrap();
                let tail = u64::from_ne_bytes(tail);
                memory.write_all_at(&answer, 4096 + tail).unwrap();
                memory.write_all_at(&(tail + answer.len() as u64).to_ne_bytes(), 0).unwrap();
                socket.write_all(b"!").unwrap();
            }
            (SHARE, 0) => {
                let offer = [&[0; 4][..], &[SHARE, 0, 0, 0], &[0; 4], &CAPACITY.to_le_bytes()].concat();
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                let fds = [memory.as_fd()];
                assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
                everything = take_all();
                assert!(File::open("/dev/null").is_err() && held.metadata().is_ok());
                sendmsg(&socket, &[IoSlice::new(&offer)], &mut control, SendFlags::empty()).unwrap();
            }
            (SHARE, capacity) => return capacity,
            _ => {}
        }
    }
}

#[test]
fn a_client_gets_its_memory_though_no_descriptor_is_left_when_it_comes() {
    let scratch = Scratch::new();
    let directory = tempfile::tempdir().unwrap();
    let options = scratch.options().directory(directory.path()).shared_memory(1);
    let path = directory.path().join(".deno.given.socket");
    let lock = File::create(path.with_file_name(".deno.given.socket.lock")).unwrap();
    lock.lock().unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: Some(200) }).unwrap();
    let serving = std::thread::spawn(move || serve(&listener, &lock));
    let client = blocking::Client::connect(&Channel::uds("given").unwrap(), &options).unwrap();
    // The last one is not answered: the listener has heard enough.
    let error = loop {
        match client.request_message(&Message::text("1"), None) {
            Ok(answer) => assert_eq!(answer.data(), b"1"),
            Err(error) => break error,
        }
    };
    assert_eq!(serving.join().ok(), Some(CAPACITY), "{error}");
}
