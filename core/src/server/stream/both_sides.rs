//! Both sides of streams that follow each other on one session, whatever they do and in whatever order it arrives.

use proptest::collection::vec;
use proptest::prelude::*;

use super::flow::{Flow, Over, Taken};
use crate::client::stream::state::{Ending, Heard, State};
use crate::message::Message;
use crate::protocol::frame::{FrameReader, HEADER_LEN, Header, Kind, Sender};
use crate::session::credit::WINDOW;

/// The largest item of these tests.
const LARGEST: usize = 100_000;

#[derive(Clone, Copy, Debug)]
enum Step {
    CallerSends(usize),
    CallerEnds,
    CallerTakes,
    CallerCancels,
    HandlerSends(usize),
    HandlerTakes,
    /// With an end, a last item or an error.
    HandlerEnds(u8),
    ToListener(usize),
    ToCaller(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let size = || prop_oneof![6 => 4usize..200, 2 => 4usize..20_000, 1 => Just(LARGEST)];
    prop_oneof![
        12 => size().prop_map(Step::CallerSends),
        1 => Just(Step::CallerEnds),
        12 => Just(Step::CallerTakes),
        1 => Just(Step::CallerCancels),
        12 => size().prop_map(Step::HandlerSends),
        12 => Just(Step::HandlerTakes),
        1 => (0u8..3).prop_map(Step::HandlerEnds),
        10 => (1usize..5000).prop_map(Step::ToListener),
        10 => (1usize..5000).prop_map(Step::ToCaller),
    ]
}

/// Item `nth` of its sender.
fn item(nth: u32, size: usize) -> Message {
    let mut bytes = vec![nth as u8; size];
    bytes[..4].copy_from_slice(&nth.to_le_bytes());
    Message::bytes(bytes)
}

fn number(item: &Message) -> u32 {
    u32::from_le_bytes(item.data()[..4].try_into().unwrap())
}

/// The bytes that are on their way in one direction.
struct Wire {
    bytes: Vec<u8>,
    reader: FrameReader,
}

impl Wire {
    fn new(sender: Sender) -> Wire {
        Wire { bytes: Vec::new(), reader: FrameReader::new(sender, 1 << 20) }
    }

    fn send(&mut self, header: &Header, body: &[u8]) {
        self.bytes.extend_from_slice(&header.encode());
        self.bytes.extend_from_slice(body);
    }

    fn arrive(&mut self, most: usize) {
        let arrived: Vec<u8> = self.bytes.drain(..most.min(self.bytes.len())).collect();
        self.reader.feed(&arrived);
    }
}

/// One stream, and what both sides have done on it.
struct Sides {
    id: u32,
    caller: State,
    handler: Flow,
    up: Wire,
    down: Wire,
    /// How many items were sent and taken.
    sent_up: u32,
    taken_up: u32,
    sent_down: u32,
    taken_down: u32,
    /// How many items the handler had sent when it ended the stream, and whether with an error.
    ended: Option<(u32, bool)>,
    cancelled: bool,
    caller_ended: bool,
}

impl Sides {
    fn step(&mut self, step: Step) {
        match step {
            Step::CallerSends(size) if self.caller.may_send() => {
                let item = item(self.sent_up, size);
                self.up.send(&self.caller.header((&item).into()), item.data());
                self.caller.spend((&item).into());
                self.sent_up += 1;
            }
            Step::CallerEnds => {
                self.caller_ended = true;
                self.caller.end();
            }
            Step::CallerTakes if !self.cancelled => self.take_at_caller(),
            Step::CallerCancels => {
                self.cancelled = true;
                self.caller.cancel();
            }
            Step::HandlerSends(size) if self.handler.may_send() => {
                let item = item(self.sent_down, size);
                self.down.send(&Header::of(Kind::Data, self.id, &item), item.data());
                self.handler.sends(item.len());
                self.sent_down += 1;
            }
            Step::HandlerTakes => self.take_at_handler(),
            Step::HandlerEnds(how) => self.end(how),
            Step::ToListener(most) => {
                self.up.arrive(most);
                self.hear_at_listener();
            }
            Step::ToCaller(most) => {
                self.down.arrive(most);
                // One who waits for room reads, and holds what comes.
                self.hear_at_caller(false);
            }
            _ => {}
        }
        let due = self.caller.take_due();
        self.up.bytes.extend_from_slice(&due);
    }

    fn end(&mut self, how: u8) {
        if !self.handler.close(Over::Here) {
            return;
        }
        match how {
            0 => self.down.send(&Header::bare(Kind::End, self.id), &[]),
            1 => {
                let last = item(self.sent_down, 4);
                self.down.send(&Header::of(Kind::Response, self.id, &last), last.data());
                self.sent_down += 1;
            }
            _ => self.fail("handler_failed"),
        }
        self.ended = Some((self.sent_down, how == 2));
    }

    fn fail(&mut self, code: &str) {
        let body = format!("{{\"code\":\"{code}\",\"message\":\"x\"}}");
        self.down.send(&Header { len: body.len() as u32, ..Header::bare(Kind::Error, self.id) }, body.as_bytes());
    }

    fn hear_at_listener(&mut self) {
        while let Some((header, body)) = self.up.reader.next().expect("the caller broke a rule") {
            let id = self.id;
            match header.kind {
                Kind::Data if header.id == id => drop(self.handler.data(&header, body).expect("no credit")),
                Kind::End if header.id == id => self.handler.end().expect("a second end"),
                Kind::Credit if header.id == id => drop(self.handler.credit(header.argument).expect("too much")),
                Kind::Cancel if header.id == id && self.handler.close(Over::Cancelled) => {
                    self.ended = Some((self.sent_down, true));
                    self.fail("cancelled");
                }
                // Of this stream, after its ending, or of one before it.
                _ => {}
            }
        }
    }

    /// Whether an item was taken.
    fn hear_at_caller(&mut self, wanted: bool) -> Option<Message> {
        while !self.caller.is_over() {
            let (header, body) = self.down.reader.next().expect("the listener broke a rule")?;
            match self.caller.frame(&header, body, wanted).expect("the listener broke a rule") {
                Heard::Item(item) => return Some(item),
                Heard::Nothing | Heard::Held => {}
                other => panic!("{other:?}"),
            }
        }
        None
    }

    fn take_at_caller(&mut self) {
        let item = self.caller.take();
        if let Some(item) = item.or_else(|| self.hear_at_caller(true)) {
            assert_eq!(number(&item), self.taken_down, "out of order at the caller");
            self.taken_down += 1;
        }
    }

    fn take_at_handler(&mut self) {
        match self.handler.next() {
            Taken::Item(item) => {
                assert_eq!(number(&item), self.taken_up, "out of order at the handler");
                self.taken_up += 1;
                let mut grants = Vec::new();
                self.handler.grant(item.len(), &mut grants);
                for bytes in grants {
                    self.down.send(&Header::credit(self.id, bytes), &[]);
                }
            }
            Taken::Ended => assert!(self.caller_ended && self.taken_up == self.sent_up, "an end before its items"),
            Taken::NotYet | Taken::Over(_) => {}
        }
    }

    /// Brings the stream to its end, and checks what each side has had of it.
    fn finish(&mut self) {
        // That it was accepted may not have come yet.
        self.step(Step::ToCaller(usize::MAX));
        self.step(Step::ToListener(usize::MAX));
        if self.ended.is_none() {
            if self.caller_ended {
                // Nothing is lost on the way to a handler that goes on taking.
                for _ in self.taken_up..self.sent_up {
                    self.step(Step::HandlerTakes);
                    self.step(Step::ToListener(usize::MAX));
                }
                assert_eq!(self.taken_up, self.sent_up);
                assert_eq!(self.handler.next(), Taken::Ended);
            }
            self.step(Step::HandlerEnds(0));
        }
        let held = self.up.bytes.len() + self.down.bytes.len();
        assert!(held <= 2 * (WINDOW as usize + HEADER_LEN + LARGEST) + 4096, "{held} bytes are on their way");
        self.down.arrive(usize::MAX);
        let (sent, failed) = self.ended.expect("it has ended");
        if self.cancelled {
            self.hear_at_caller(false);
        } else {
            loop {
                let before = self.taken_down;
                self.take_at_caller();
                if self.taken_down == before {
                    break;
                }
            }
            assert_eq!(self.taken_down, sent, "not all that was sent before the ending has come");
        }
        assert!(self.caller.is_over(), "the ending has not come");
        let (mut items, ending) = self.caller.finish();
        assert!(items.pop().is_none());
        match ending {
            Ending::Ended => assert!(!failed),
            Ending::Failed(error) => assert!(failed, "{error}"),
            Ending::Closed => panic!("it has ended without an ending"),
        }
        let due = self.caller.take_due();
        self.up.bytes.extend_from_slice(&due);
    }

    /// The next stream on the session, while frames of this one may still be on their way up.
    fn next(&mut self) {
        self.id += 1;
        self.caller = State::new(self.id);
        self.handler = Flow::new();
        (self.sent_up, self.taken_up, self.sent_down, self.taken_down) = (0, 0, 0, 0);
        (self.ended, self.cancelled, self.caller_ended) = (None, false, false);
        // Accepted.
        self.down.send(&Header::credit(self.id, 0), &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn each_stream_of_a_session_has_one_ending_with_all_items_before_it_in_order(
        streams in vec(vec(step(), 0..150), 1..6)
    ) {
        let mut sides = Sides {
            id: 0,
            caller: State::new(0),
            handler: Flow::new(),
            up: Wire::new(Sender::Client),
            down: Wire::new(Sender::Listener),
            sent_up: 0,
            taken_up: 0,
            sent_down: 0,
            taken_down: 0,
            ended: None,
            cancelled: false,
            caller_ended: false,
        };
        for steps in streams {
            sides.next();
            for step in steps {
                sides.step(step);
            }
            sides.finish();
        }
    }
}
