use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::client::subscription::position::Position;
use crate::fuzzing::{Heard, hear, went_on};
use crate::message::MessageKind;
use crate::protocol::vectors::{bytes, cases, file, number, text};

fn told((number, event): &(Option<u64>, Event)) -> Value {
    let mut told = json!({
        "topic": event.topic,
        "bytes": event.data.kind() == MessageKind::Bytes,
        "body_hex": event.data.data().iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "missed": event.missed,
        "retained": event.retained,
    });
    if event.data.kind() == MessageKind::Attached {
        told["attached"] = true.into();
    }
    if let Some(number) = number {
        told["number"] = (*number).into();
    }
    told
}

#[test]
fn every_session_of_a_publisher_means_what_its_vector_says_however_it_is_cut() {
    let file = file("subscriptions");
    let mut played = 0;
    for case in [cases(&file, "valid"), cases(&file, "malformed")].concat() {
        if case["sender"] != "listener" {
            continue;
        }
        played += 1;
        let stream = bytes(&case["hex"]);
        let ends = match case.get("error") {
            // A client that is left in the middle of a frame says so.
            Some(_) if case["at_end"] == true => "connection_lost",
            Some(error) => text(error),
            None => text(&case["ends"]),
        };
        let whole = stream.len().max(1);
        for sizes in [vec![whole], vec![1], vec![15, 1], vec![16], vec![7, 17, 3]] {
            let position = case
                .get("seen")
                .map_or_else(Position::default, |seen| went_on(text(&seen["epoch"]), seen["after"].as_u64().unwrap()));
            let heard = hear(position, number(&case["max_message"]) as usize, case["all"] == true, &stream, &sizes);
            let events: Vec<Value> = heard.events.iter().map(told).collect();
            assert_eq!(events, *case["events"].as_array().unwrap(), "{case}");
            assert_eq!(heard.ends, ends, "{case}");
            let pongs: Vec<u32> =
                case.get("pongs").map_or(Vec::new(), |pongs| pongs.as_array().unwrap().iter().map(number).collect());
            assert_eq!(heard.pongs, pongs, "{case}");
        }
    }
    assert!(played > 50, "{played}");
}

/// As [`fuzzing::hear`](crate::fuzzing::hear), of a new subscription that takes a MiB.
fn listen(all: bool, stream: &[u8], sizes: &[usize]) -> Heard {
    hear(Position::default(), 1 << 20, all, stream, sizes)
}

fn greeting(next: u64) -> Vec<u8> {
    let body = format!("{{\"epoch\":\"0123456789abcdef\",\"next\":{next},\"queue\":1}}");
    let answer = Header { len: body.len() as u32, ..Header::bare(Kind::Response, 1) };
    [&Hello::new(Role::BroadcastListener, 1 << 20).encode()[..], &answer.encode(), body.as_bytes()].concat()
}

fn event(number: u64, topic: &str, body: &[u8]) -> Vec<u8> {
    let message = Message::bytes(body);
    let head = Header::event(number, topic, &message).encode();
    let topic = if topic.is_empty() { Vec::new() } else { [&[topic.len() as u8], topic.as_bytes()].concat() };
    [&head[..], &topic, body].concat()
}

proptest! {
    /// Whatever a publisher sends and leaves out by the rules: what was due is what came and what was missed.
    #[test]
    fn what_was_due_is_what_came_and_what_was_missed(
        start in prop_oneof![0u64..5, u64::from(u32::MAX) - 5..u64::from(u32::MAX) + 5],
        steps in vec((prop_oneof![3 => Just(0u64), 1 => 1u64..4, 1 => Just(u64::from(u32::MAX) - 1)], "[a-c]{0,3}", 0usize..3000), 0..40),
        sizes in vec(1usize..9000, 1..6),
    ) {
        let first = sequence::after(start, 1);
        let mut stream = greeting(first);
        let (mut last, mut due) = (first - 1, 0);
        let mut expected = Vec::new();
        for (missed, topic, len) in steps {
            let next = sequence::after(last, missed + 1);
            if missed > 0 {
                stream.extend_from_slice(&Header::gap(next, missed).encode());
            }
            stream.extend_from_slice(&event(next, &topic, &vec![7; len]));
            expected.push((next, missed as i64, topic));
            due += missed + 1;
            last = next;
        }
        let heard = listen(true, &stream, &sizes);
        prop_assert_eq!(heard.ends, "connection_lost");
        let told: Vec<_> =
            heard.events.iter().map(|(number, event)| (number.unwrap(), event.missed, event.topic.clone())).collect();
        prop_assert_eq!(&told, &expected);
        let missed: i64 = told.iter().map(|(_, missed, _)| missed).sum();
        prop_assert_eq!(told.len() as u64 + missed as u64, due);
    }

    #[test]
    fn no_stream_upsets_a_subscriber_and_pieces_do_not_matter(
        tail in vec(any::<u8>(), 0..200),
        kinds in vec((prop_oneof![Just(2u8), Just(3), Just(7), Just(9), Just(17), Just(18)], 0u8..32, 1u32..6, 0u32..3, vec(any::<u8>(), 0..20)), 0..12),
        sizes in vec(1usize..40, 1..6),
    ) {
        let mut stream = greeting(3);
        for (kind, flags, id, argument, body) in kinds {
            stream.extend_from_slice(&(body.len() as u32).to_le_bytes());
            stream.extend_from_slice(&[kind, flags & 0x19, 0, 0]);
            stream.extend_from_slice(&id.to_le_bytes());
            stream.extend_from_slice(&argument.to_le_bytes());
            stream.extend_from_slice(&body);
        }
        stream.extend_from_slice(&tail);
        for all in [true, false] {
            prop_assert_eq!(listen(all, &stream, &[usize::MAX]), listen(all, &stream, &sizes));
        }
    }
}

/// Subscribing costs the first window alone: nothing is granted before something is taken.
#[test]
fn nothing_is_granted_for_what_only_arrived() {
    let mut stream = greeting(1);
    stream.extend_from_slice(&event(1, "", &[0; 200_000]));
    stream.extend_from_slice(&event(2, "", b"x"));
    let heard = listen(true, &stream, &[usize::MAX]);
    assert_eq!((heard.events.len(), heard.granted), (2, 200_016));
    let mut session = Session::new(1 << 20, true, b"{}", false);
    session
        .receive(|slot| {
            if let Slot::Body(hello, _) = slot {
                hello.extend_from_slice(&stream[..16]);
            }
            Ok(16)
        })
        .unwrap();
    assert!(matches!(session.next(), Ok(Told::NotYet)));
    let begun = session.outgoing().len();
    session.sent(begun);
    session.reader.feed(&stream[16..]);
    assert!(matches!(session.next(), Ok(Told::Subscribed(_))));
    assert!(session.has_more() && session.outgoing().is_empty());
}
