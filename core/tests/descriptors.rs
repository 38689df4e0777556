//! A client that is out of descriptors speaks on no wire that it has not been told of, and leaves no connection
//! without a byte, which would end the process of a Deno original. One test: the limit is the process's.

mod support;

use std::fs::File;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use simple_ipc::{Channel, ErrorKind, Message, Mode, blocking};
use support::Scratch;

/// Opens files until no more can be opened.
fn take_all() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

#[test]
fn a_client_that_is_out_of_descriptors_connects_to_nobody_or_speaks_to_him_as_it_should() {
    let scratch = Scratch::new();
    let options = scratch.options().timeout(Duration::from_millis(50));
    let name = Channel::uds("probe").unwrap();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, |_, _| ()).unwrap();
    let path = listener.path().unwrap().to_owned();
    listener.close().unwrap();
    drop(listener);
    setrlimit(Resource::Nofile, Rlimit { current: Some(200), maximum: Some(200) }).unwrap();
    for (native, first_byte) in [(false, 0x00), (true, 0xf5)] {
        let lock = File::create(path.with_file_name(".deno.probe.socket.lock")).unwrap();
        if native {
            lock.lock().unwrap();
        }
        let socket = UnixListener::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let (mut refused, mut connected) = (0, 0);
        for free in 0..8 {
            let mut held = take_all();
            held.truncate(held.len() - free);
            let error = blocking::post_request(&name, &Message::null(), &options).unwrap_err();
            drop(held);
            match socket.accept() {
                Ok((mut stream, _)) => {
                    let mut byte = [0];
                    stream.set_nonblocking(false).unwrap();
                    stream.read_exact(&mut byte).expect("a connection was left without a byte");
                    assert_eq!(byte, [first_byte], "native: {native}, {free} descriptors");
                    connected += 1;
                }
                Err(_) => {
                    assert_eq!(error.kind(), ErrorKind::OutOfResources, "{error}");
                    assert!(error.message().contains(": the system refused "), "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 0 && connected > 0, "{refused} refused, {connected} connected");
        std::fs::remove_file(&path).unwrap();
    }
}
