//! The check that a binding sets for signals ends blocking calls. One test: the check is the process's.

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use simple_ipc::{Channel, ErrorKind, Message, Mode, Result, Wire, blocking};
use support::Scratch;

static GIVE_UP: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicU32 = AtomicU32::new(0);

fn check() -> bool {
    ASKED.fetch_add(1, Ordering::SeqCst);
    GIVE_UP.load(Ordering::SeqCst)
}

/// Runs a call that would wait for ever, has the check say yes once the call has asked, and expects
/// it to end.
fn ends<T: Send>(what: &str, call: impl FnOnce() -> Result<T> + Send) {
    GIVE_UP.store(false, Ordering::SeqCst);
    std::thread::scope(|scope| {
        let before = ASKED.load(Ordering::SeqCst);
        let caller = scope.spawn(call);
        while ASKED.load(Ordering::SeqCst) < before + 2 {
            assert!(!caller.is_finished(), "{what}: it did not wait");
            std::thread::sleep(Duration::from_millis(1));
        }
        GIVE_UP.store(true, Ordering::SeqCst);
        let error = caller.join().unwrap().err().expect(what);
        assert_eq!(error.kind(), ErrorKind::Cancelled, "{what}: {error}");
        GIVE_UP.store(false, Ordering::SeqCst);
    });
}

#[test]
fn blocking_calls_end_when_the_check_says_so() {
    assert!(blocking::on_interrupt(check));
    assert!(!blocking::on_interrupt(check), "the check is set once");
    let scratch = Scratch::new();
    let options = scratch.options().no_timeout();
    let name = Channel::uds("stuck").unwrap();
    let (hand, responders) = channel();
    let keep = move |_: &Message, responder| hand.send(responder).unwrap();
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, keep).unwrap();
    for wire in [Wire::Native, Wire::Deno] {
        let options = options.clone().wire(wire);
        ends("post", || blocking::post_request(&name, &Message::null(), &options));
        drop(responders.recv().unwrap());
    }
    let client = blocking::Client::connect(&name, &options).unwrap();
    ends("client", || client.request_message(&Message::null(), None));
    drop(responders.recv().unwrap());
    // Its answer is what the listener waits for; tasks are not asked.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (asker, asked) = (name.clone(), options.clone());
    let pending = runtime.spawn(async move { simple_ipc::post_request(&asker, &Message::null(), &asked).await });
    let responder = responders.recv().unwrap();
    ends("close", || listener.close());
    responder.respond(&Message::text("in the end")).unwrap();
    assert_eq!(runtime.block_on(pending).unwrap().unwrap(), Message::text("in the end"));
    drop(responders);
    drop(listener);

    let nobody = Channel::uds("nobody").unwrap();
    let patient = options.clone().wait(Duration::from_secs(3600));
    ends("waiting for a listener", || blocking::post_request(&nobody, &Message::null(), &patient));
    ends("connecting", || blocking::Client::connect(&nobody, &patient));

    ends("subscribing", || blocking::subscribe(&nobody, &patient));
    let clock = Channel::uds("clock").unwrap();
    let publisher = blocking::Listener::serve_publish(&clock, &options).unwrap();
    let mut numbers = blocking::subscribe_uds_with::<u8>("clock", &options).unwrap();
    ends("waiting for an event", || numbers.next().unwrap());
    publisher.publish(7).unwrap();
    assert_eq!(numbers.next().unwrap().unwrap().data, 7, "it goes on");

    // A listener that takes nothing: its socket fills up.
    let full = Channel::uds("full").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(".deno.full.socket");
    let options = options.directory(directory.path());
    let lock = std::fs::File::create(directory.path().join(".deno.full.socket.lock")).unwrap();
    lock.lock().unwrap();
    let _deaf = std::os::unix::net::UnixListener::bind(path).unwrap();
    let large = Message::bytes(vec![0; 32 << 20]);
    for wire in [Wire::Native, Wire::Deno] {
        let options = options.clone().wire(wire);
        ends("sending", || blocking::post_broadcast(&full, &large, &options));
    }
}
