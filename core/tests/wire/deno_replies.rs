//! The golden vectors of the Deno wire's replies, played to real callers.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use simple_ipc::blocking::post_request;
use simple_ipc::{Message, MessageKind, Wire};

use crate::golden::{bytes, cases, number, text};
use crate::scratch::{Scratch, build};

#[test]
fn every_deno_reply_is_taken_as_its_vector_says() {
    let scratch = Scratch::new();
    let listener = UnixListener::bind(scratch.socket()).unwrap();
    let replies = Arc::new(Mutex::new(Vec::new()));
    let answering = Arc::clone(&replies);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            connection.read_to_end(&mut Vec::new()).unwrap();
            let (first, second): (Vec<u8>, Vec<u8>) = answering.lock().unwrap().pop().unwrap();
            connection.write_all(&first).unwrap();
            connection.write_all(&second).unwrap();
        }
    });
    for case in cases("deno", &["valid", "malformed"]) {
        if case["direction"] == "request" {
            continue;
        }
        let stream = bytes(&case["hex"]);
        let options = scratch.options().wire(Wire::Deno).max_message(number(&case["max_message"]) as usize);
        for cut in 0..=stream.len() {
            replies.lock().unwrap().push((stream[..cut].to_vec(), stream[cut..].to_vec()));
            match (post_request(&build(), &Message::null(), &options), case.get("error")) {
                (Ok(reply), None) => {
                    let kind = if reply.kind() == MessageKind::Bytes { "bytes" } else { "json" };
                    assert_eq!((kind, reply.data()), (text(&case["kind"]), &bytes(&case["body_hex"])[..]), "{case}");
                }
                (Err(error), Some(expected)) => {
                    assert_eq!(error.kind().name(), text(expected), "{case}");
                    assert!(error.may_have_been_handled(), "{case}");
                }
                (reply, _) => panic!("{reply:?}: {case}"),
            }
        }
    }
}
