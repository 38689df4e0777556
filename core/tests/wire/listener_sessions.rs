//! The golden vectors of what a listener sends, played to the clients that have many calls under way.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use simple_ipc::event_loop::{Queue, Ticket};
use simple_ipc::{Client, Message, MessageKind, Options, Result};

use crate::fake::Fake;
use crate::golden::{bytes, cases, number, text};
use crate::raw::{ACK, BROADCAST, GOAWAY, PING, PONG, REQUEST, REQUEST_LISTENER, Raw, bare, hello};
use crate::scratch::{Scratch, build};

/// What each call that waits for something ended with, by its place among the calls.
type Outcomes = BTreeMap<usize, Result<Option<Message>>>;

fn calls(case: &Value) -> Vec<&str> {
    case["calls"].as_array().unwrap().iter().map(|call| text(&call["call"])).collect()
}

/// Takes the calls of a case, which must come with its ids, and then says all that its listener says.
fn serve(case: &Value, nth: usize, mut raw: Raw) {
    raw.receive(16);
    let greets = case["hex"].as_array().is_some_and(|parts| parts.len() > 1);
    if nth > 0 && greets {
        // A message that was not taken is tried again: here nothing is taken either.
        raw.send(&hello(REQUEST_LISTENER));
        raw.send(&bare(GOAWAY, 0));
        return;
    }
    for call in case["calls"].as_array().unwrap() {
        let frame = raw.frame();
        let kind = match text(&call["call"]) {
            "request" => REQUEST,
            "broadcast" => BROADCAST,
            "flush" => ACK,
            _ => PING,
        };
        assert!(frame.is(kind, number(&call["id"])), "{}: {frame:?}", case["name"]);
    }
    raw.send(&bytes(&case["hex"]));
    for id in case["pongs"].as_array().into_iter().flatten() {
        assert!(raw.frame().is(PONG, number(id)));
    }
    raw.half_close();
    let _what_the_client_still_says = raw.receive_to_end();
}

fn options(scratch: &Scratch, case: &Value) -> Options {
    match case.get("max_message") {
        Some(bytes) => scratch.options().max_message(number(bytes) as usize),
        None => scratch.options(),
    }
}

/// The bodies are as small as the smallest largest message.
fn body() -> Message {
    Message::json(&1).unwrap()
}

const LONG: Duration = Duration::from_secs(60);

fn by_tasks(scratch: &Scratch, case: &Value) -> Outcomes {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = std::sync::Arc::new(Client::connect(&build(), &options(scratch, case)).await.unwrap());
        let mut tasks = Vec::new();
        for (at, call) in calls(case).into_iter().enumerate() {
            let (client, call) = (std::sync::Arc::clone(&client), call.to_owned());
            // Tasks of one thread begin in the order in which they are spawned.
            tasks.push(tokio::spawn(async move {
                let result = match &call[..] {
                    "request" => client.request_message(&body(), Some(LONG)).await.map(Some),
                    "broadcast" => client.broadcast_message(&body()).await.map(|()| None),
                    "flush" => client.flush().await.map(|()| None),
                    _ => client.ping().await.map(|_| None),
                };
                (at, call == "broadcast", result)
            }));
        }
        let mut outcomes = Outcomes::new();
        for task in tasks {
            let (at, is_broadcast, result) = task.await.unwrap();
            if !is_broadcast {
                outcomes.insert(at, result);
            }
        }
        outcomes
    })
}

fn by_queue(scratch: &Scratch, case: &Value) -> Outcomes {
    let mut queue = Queue::new().unwrap();
    let (client, _connected) = queue.connect(&build(), &options(scratch, case)).unwrap();
    let mut tickets: Vec<(Ticket, usize)> = Vec::new();
    for (at, call) in calls(case).into_iter().enumerate() {
        let ticket = match call {
            "request" => queue.request(client, body(), Some(LONG)),
            "broadcast" => {
                queue.broadcast(client, body()).unwrap();
                continue;
            }
            "flush" => queue.flush(client),
            _ => queue.ping(client),
        };
        tickets.push((ticket.unwrap(), at));
    }
    let (mut completions, mut outcomes) = (Vec::new(), Outcomes::new());
    while outcomes.len() < tickets.len() {
        queue.submit();
        queue.wait(None).unwrap();
        queue.process(&mut completions).unwrap();
        for done in completions.drain(..) {
            if let Some((_, at)) = tickets.iter().find(|(ticket, _)| *ticket == done.ticket) {
                outcomes.insert(*at, done.result);
            }
        }
    }
    outcomes
}

/// A call's end in the words of the vectors, to compare.
fn told(result: &Result<Option<Message>>, id: &Value) -> Value {
    let mut told = match result {
        Ok(Some(message)) => {
            let hex: String = message.data().iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "answer_hex": hex, "bytes": message.kind() == MessageKind::Bytes })
        }
        Ok(None) => json!({ "done": true }),
        Err(error) => {
            json!({ "error": error.kind().name(), "may_have_been_handled": error.may_have_been_handled() })
        }
    };
    told["id"] = id.clone();
    if let Ok(Some(message)) = result
        && message.kind() == MessageKind::Attached
    {
        told["attached"] = true.into();
    }
    if let Err(error) = result {
        if let Some(code) = error.handler_code() {
            told["handler_code"] = code.into();
        }
        if let Some(data) = error.handler_data() {
            told["handler_data"] = serde_json::from_str(data).unwrap();
        }
    }
    told
}

#[test]
fn every_session_of_a_listener_ends_each_call_as_its_vector_says() {
    let mut wrong = Vec::new();
    for case in cases("listener_sessions", &["valid", "malformed"]) {
        for (way, play) in [("tasks", by_tasks as fn(&Scratch, &Value) -> Outcomes), ("queue", by_queue)] {
            let scratch = Scratch::new();
            let played = case.clone();
            let _fake = Fake::native(&scratch, move |nth, raw| serve(&played, nth, raw));
            let outcomes = play(&scratch, &case);
            let mut told: Vec<Value> =
                outcomes.iter().map(|(&at, result)| told(result, &case["calls"][at]["id"])).collect();
            told.sort_by_key(|outcome| number(&outcome["id"]));
            let expected = case["outcomes"].as_array().unwrap();
            if told != *expected {
                wrong.push(format!("{} by {way}: {outcomes:?}, told as {told:?}", text(&case["name"])));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
