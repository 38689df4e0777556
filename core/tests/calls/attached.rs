//! JSON with bytes, in every call that has a body.

use std::collections::HashMap;
use std::sync::mpsc;

use serde_json::json;
use simple_ipc::blocking::{self, Client, Listener};
use simple_ipc::event_loop::Queue;
use simple_ipc::{Attached, Channel, ErrorKind, HandlerResult, Message, Mode, Wire};

use crate::support::Scratch;

fn channels() -> [Channel; 2] {
    [Channel::uds("arrays").unwrap(), Channel::ip(0).unwrap()]
}

/// Bodies of all sizes that are treated in another way, with bytes or without.
fn bodies() -> Vec<Message> {
    let value = json!({"shape": [2, 3], "name": "é"});
    let mut bodies: Vec<Message> = [0, 1, 500, 9_000, 20_000, 70_000, 3 << 20]
        .iter()
        .map(|len| Message::attached(&value, vec![0xA5; *len]).unwrap())
        .collect();
    bodies.push(Message::attached(&(), []).unwrap());
    bodies.push(Message::attached(&vec!["long"; 30_000], [1]).unwrap());
    bodies
}

#[test]
fn requests_and_answers_carry_a_value_and_bytes_from_threads_tasks_and_queues() {
    let scratch = Scratch::new();
    for channel in channels() {
        let listener = Listener::serve(&channel, Mode::Request, &scratch.options(), |message, responder| {
            responder.respond(message).unwrap();
        })
        .unwrap();
        let (channel, options) = (listener.channel().clone(), scratch.options());
        let client = Client::connect(&channel, &options).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let task = runtime.block_on(simple_ipc::Client::connect(&channel, &options)).unwrap();
        let mut queue = Queue::new().unwrap();
        let (waiting, _) = queue.connect(&channel, &options).unwrap();
        for body in bodies() {
            assert_eq!(blocking::post_request(&channel, &body, &options).unwrap(), body);
            assert_eq!(client.request_message(&body, None).unwrap(), body);
            assert_eq!(runtime.block_on(task.request_message(&body, None)).unwrap(), body);
            let asked = queue.request(waiting, body.clone(), None).unwrap();
            let mut answer = None;
            while answer.is_none() {
                let mut completions = Vec::new();
                queue.submit();
                queue.wait(None).unwrap();
                queue.process(&mut completions).unwrap();
                answer = completions.into_iter().find(|done| done.ticket == asked).map(|done| done.result.unwrap());
            }
            assert_eq!(answer.unwrap().unwrap(), body);
        }
        listener.close().unwrap();
    }
}

#[test]
fn handlers_and_callers_with_types_take_and_give_them() {
    let scratch = Scratch::new();
    let channel = Channel::uds("arrays").unwrap();
    let sum = |array: Attached<HashMap<String, usize>>| {
        let sum: u64 = array.data.iter().map(|byte| u64::from(*byte)).sum();
        HandlerResult::Ok(Attached::new((array.value["rows"], sum), array.data))
    };
    let listener = blocking::listen_uds_request_with("arrays", &scratch.options(), sum).unwrap();
    let client = Client::connect(&channel, &scratch.options()).unwrap();
    let array = Attached::new(HashMap::from([("rows".to_owned(), 3)]), [1, 2, 3]);
    let answer: Attached<(usize, u64)> = client.request(&array).unwrap();
    assert_eq!(answer, Attached::new((3, 6), [1, 2, 3]));
    // Who asks for the value alone, or sends that, is told what it is.
    let error = client.request::<(usize, u64)>(&array).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidBody);
    assert!(error.message().contains("JSON with bytes, expected"), "{error}");
    let error = client.request::<Message>(&array.value).unwrap_err();
    assert!(error.message().contains("JSON without bytes, expected JSON with bytes"), "{error}");
    listener.close().unwrap();
}

#[test]
fn broadcasts_events_and_items_carry_them() {
    let scratch = Scratch::new();
    for channel in channels() {
        let (told, tells) = mpsc::channel();
        let options = scratch.options().publish(true);
        let listener = Listener::serve(&channel, Mode::Broadcast, &options, move |message, _| {
            told.send(message.clone()).unwrap();
        })
        .unwrap();
        let client = Client::connect(listener.channel(), &scratch.options()).unwrap();
        let mut all = blocking::subscribe(listener.channel(), &scratch.options()).unwrap();
        let mut some = blocking::subscribe(listener.channel(), &scratch.options().topics(["a"])).unwrap();
        for body in bodies() {
            blocking::post_broadcast(listener.channel(), &body, &scratch.options()).unwrap();
            client.broadcast_message(&body).unwrap();
            client.broadcast_message(&Message::null()).unwrap();
            client.flush().unwrap();
            assert_eq!([(); 3].map(|()| tells.recv().unwrap()), [body.clone(), body.clone(), Message::null()]);
            for topic in ["a", ""] {
                listener.publish_message(topic, &body).unwrap();
                assert_eq!(all.next().unwrap().unwrap().data, body);
            }
            assert_eq!(some.next().unwrap().unwrap().data, body);
        }
        drop(client);
        listener.close().unwrap();

        let listener = Listener::serve(&channel, Mode::Request, &scratch.options(), |message, responder| {
            let items = responder.items();
            let stream = responder.stream().unwrap();
            stream.send(message, None).unwrap();
            while let Some(item) = items.recv(None).unwrap() {
                stream.send(&item, None).unwrap();
            }
            stream.end().unwrap();
        })
        .unwrap();
        let bodies = bodies();
        let mut stream = blocking::post_stream(listener.channel(), &bodies[3], &scratch.options()).unwrap();
        for body in &bodies {
            stream.send_message(body).unwrap();
            stream.send_message(&Message::bytes([1])).unwrap();
        }
        stream.end().unwrap();
        assert_eq!(stream.next().unwrap().unwrap(), bodies[3]);
        for body in &bodies {
            assert_eq!(stream.next().unwrap().unwrap(), *body);
            assert_eq!(stream.next().unwrap().unwrap(), Message::bytes([1]));
        }
        assert!(stream.next().is_none());
        listener.close().unwrap();
    }
}

#[test]
fn one_that_is_too_large_is_refused_with_its_whole_length() {
    let scratch = Scratch::new();
    let channel = Channel::uds("arrays").unwrap();
    let listener = Listener::serve(&channel, Mode::Request, &scratch.options().max_message(1000), |_, _| ()).unwrap();
    let whole = Message::attached(&1, [0; 1000]).unwrap();
    assert_eq!(whole.len(), 1008);
    for options in [scratch.options(), scratch.options().max_message(1007)] {
        let error = blocking::post_request(&channel, &whole, &options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        assert!(error.message().contains("1008 bytes"), "{error}");
    }
    listener.close().unwrap();
}

#[test]
fn the_deno_wire_has_none_and_says_so() {
    let scratch = Scratch::new();
    let channel = Channel::uds("arrays").unwrap();
    let listener = Listener::serve(&channel, Mode::Request, &scratch.options(), |_, responder| {
        let error = responder.respond(&Message::attached(&1, [2]).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    })
    .unwrap();
    let deno = scratch.options().wire(Wire::Deno);
    let error = blocking::post_request(&channel, &Message::attached(&1, []).unwrap(), &deno).unwrap_err();
    assert_eq!((error.kind(), error.may_have_been_handled()), (ErrorKind::UnsupportedVersion, false), "{error}");
    assert_eq!(listener.counters().connections, 0);
    let error = blocking::post_request(&channel, &Message::null(), &deno).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoReply);
    listener.close().unwrap();
}
