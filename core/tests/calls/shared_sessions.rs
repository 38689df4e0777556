//! Many calls on one session, where a thread of the listener receives, handles and answers in batches:
//! handlers that block, answer early, answer late, or not at all.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use simple_ipc::{Channel, ErrorKind, Message, Mode, Responder, blocking};

use crate::support::Scratch;

/// A gate that handlers wait at: each token lets one pass.
fn gate() -> (Sender<()>, Arc<Mutex<Receiver<()>>>) {
    let (open, gate) = channel();
    (open, Arc::new(Mutex::new(gate)))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

#[test]
fn a_handler_that_blocks_holds_up_nothing_else_on_its_session() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("blocking").unwrap();
    let (open, gate) = gate();
    let handler = move |message: &Message, responder: Responder| {
        if message.as_text().as_deref() == Some("wait") {
            gate.lock().unwrap().recv().unwrap();
        }
        responder.respond(message).unwrap();
    };
    let _listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    runtime().block_on(async {
        let client = Arc::new(simple_ipc::Client::connect(&name, &options).await.unwrap());
        for round in 0..3 {
            // Long enough for the session to have a thread again.
            if round == 2 {
                tokio::time::sleep(Duration::from_millis(1100)).await;
            }
            assert_eq!(client.request::<u32>(1).await.unwrap(), 1);
            let stuck = tokio::spawn({
                let client = Arc::clone(&client);
                async move { client.request::<String>("wait").await }
            });
            let others: Vec<_> = (0..500_u32)
                .map(|n| {
                    let client = Arc::clone(&client);
                    tokio::spawn(async move { client.request::<u32>(n).await })
                })
                .collect();
            for (n, other) in others.into_iter().enumerate() {
                assert_eq!(other.await.unwrap().unwrap(), n as u32);
            }
            client.ping().await.unwrap();
            assert!(!stuck.is_finished());
            open.send(()).unwrap();
            assert_eq!(stuck.await.unwrap().unwrap(), "wait");
        }
    });
}

#[test]
fn a_handler_may_go_on_after_its_answer_and_its_session_too() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("lingering").unwrap();
    let (open, gate) = gate();
    let handler = move |message: &Message, responder: Responder| {
        responder.respond(message).unwrap();
        if message.as_text().as_deref() == Some("linger") {
            gate.lock().unwrap().recv().unwrap();
        }
    };
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    runtime().block_on(async {
        let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
        for _ in 0..2 {
            assert_eq!(client.request::<String>("linger").await.unwrap(), "linger");
            for n in 0..100 {
                assert_eq!(client.request::<u32>(n).await.unwrap(), n);
            }
            // Another thread drives the session by now, while the first is still with its handler.
            tokio::time::sleep(Duration::from_millis(1100)).await;
            for n in 0..100 {
                assert_eq!(client.request::<u32>(n).await.unwrap(), n);
            }
            open.send(()).unwrap();
            for n in 0..1000 {
                assert_eq!(client.request::<u32>(n).await.unwrap(), n);
            }
        }
    });
    assert_eq!(listener.counters().messages, 2 * (1 + 100 + 100 + 1000));
    listener.close().unwrap();
}

#[test]
fn answers_that_come_later_come_all_the_same() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("later").unwrap();
    let (hand, responders) = channel::<(Message, Responder)>();
    let answerer = std::thread::spawn(move || {
        for (message, responder) in responders {
            responder.respond(&message).unwrap();
        }
    });
    let handler = move |message: &Message, responder: Responder| match message.decode::<u32>().unwrap() % 3 {
        0 => hand.send((message.clone(), responder)).unwrap(),
        1 => responder.respond(message).unwrap(),
        _ => drop(responder),
    };
    let listener = blocking::Listener::serve(&name, Mode::Request, &options, handler).unwrap();
    runtime().block_on(async {
        let client = Arc::new(simple_ipc::Client::connect(&name, &options).await.unwrap());
        let calls: Vec<_> = (0..3000_u32)
            .map(|n| {
                let client = Arc::clone(&client);
                tokio::spawn(async move { client.request::<u32>(n).await })
            })
            .collect();
        for (n, call) in calls.into_iter().enumerate() {
            match call.await.unwrap() {
                Ok(answer) => assert!(answer == n as u32 && n % 3 != 2),
                Err(error) => assert!(error.kind() == ErrorKind::HandlerFailed && n % 3 == 2, "{n}: {error}"),
            }
        }
    });
    listener.close().unwrap();
    drop(listener);
    answerer.join().unwrap();
}

#[test]
fn broadcasts_keep_their_order_past_a_handler_that_blocks() {
    let scratch = Scratch::new();
    let options = scratch.options();
    let name = Channel::uds("ordered").unwrap();
    let (open, gate) = gate();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = Arc::clone(&seen);
    let handler = move |message: &Message, _: Responder| {
        let n = message.decode::<u32>().unwrap();
        if n % 1000 == 500 {
            gate.lock().unwrap().recv().unwrap();
        }
        saw.lock().unwrap().push(n);
    };
    let _listener = blocking::Listener::serve(&name, Mode::Broadcast, &options, handler).unwrap();
    runtime().block_on(async {
        let client = simple_ipc::Client::connect(&name, &options).await.unwrap();
        for n in 0..3000_u32 {
            client.broadcast(n).await.unwrap();
            if n % 1000 == 700 {
                // Stuck: the session is read all the same.
                client.ping().await.unwrap();
                open.send(()).unwrap();
            }
        }
        client.flush().await.unwrap();
    });
    assert_eq!(*seen.lock().unwrap(), (0..3000).collect::<Vec<_>>());
}
