//! What the caller of a stream makes of the bytes of its listener.

use crate::client::stream::state::{Ending, Heard, State};
use crate::error::Error;
use crate::message::Message;
use crate::protocol::frame::{FrameReader, HEADER_LEN, Header, Kind, Sender};
use crate::protocol::hello::{HELLO_LEN, Hello, STREAMS};
use crate::session::credit::WINDOW;

/// All that a caller has of one stream with id 1.
#[derive(Debug, Default)]
pub(crate) struct Streamed {
    pub(crate) accepted: bool,
    pub(crate) items: Vec<Message>,
    /// How it ended: `end`, the name of an error, or `connection_lost` where the bytes ended before.
    pub(crate) ends: &'static str,
    /// What the listener, or the handler, gave with an error that it told.
    pub(crate) error: Option<Error>,
    /// The listener has said that it did not take the opening.
    pub(crate) not_taken: bool,
    /// The listener broke a rule.
    pub(crate) violation: bool,
    /// The ids of the pings that were answered.
    pub(crate) pongs: Vec<u32>,
    /// How many bytes were granted.
    pub(crate) granted: u64,
}

/// What a caller hears of a listener's bytes that come in pieces of these sizes, over and over. `holds`: it takes items only
/// when all has come that can.
pub(crate) fn hear_stream(max: usize, stream: &[u8], sizes: &[usize], holds: bool) -> Streamed {
    let mut heard = Streamed { ends: "connection_lost", ..Streamed::default() };
    let mut state = State::new(1);
    hear(&mut heard, &mut state, max, stream, sizes, holds);
    while let Some(item) = state.take() {
        heard.items.push(item);
        heard.note_due(&mut state);
    }
    heard.accepted = state.is_accepted();
    match state.finish().1 {
        Ending::Ended => heard.ends = "end",
        Ending::Failed(error) => (heard.ends, heard.error) = (error.kind().name(), Some(error)),
        Ending::Closed => {}
    }
    heard
}

fn hear(heard: &mut Streamed, state: &mut State, max: usize, stream: &[u8], sizes: &[usize], holds: bool) {
    let Some((hello, frames)) = stream.split_first_chunk::<HELLO_LEN>() else { return };
    match Hello::decode_from_listener(hello) {
        Ok(hello) if hello.features & STREAMS == 0 => return heard.fails("unsupported_version"),
        Ok(_) => {}
        Err(violation) => return heard.fails(violation.kind().name()),
    }
    let mut reader = FrameReader::new(Sender::Listener, max);
    let (mut rest, mut sizes) = (frames, sizes.iter().cycle());
    loop {
        let next = match reader.next() {
            Ok(Some((header, body))) => state.frame(&header, body, !holds),
            Ok(None) if rest.is_empty() => return,
            Ok(None) => {
                let (piece, left) = rest.split_at(rest.len().min(*sizes.next().expect("there are sizes")));
                reader.feed(piece);
                rest = left;
                continue;
            }
            Err(violation) => Err(violation),
        };
        heard.note_due(state);
        match next {
            Ok(Heard::Item(item)) => heard.items.push(item),
            Ok(Heard::Nothing | Heard::Held) => {}
            Ok(Heard::SessionFailed(error)) => {
                (heard.ends, heard.error) = (error.kind().name(), Some(error));
                return;
            }
            Ok(Heard::Goaway(0)) => {
                (heard.ends, heard.not_taken) = ("closing", true);
                return;
            }
            Ok(Heard::Goaway(_)) => {}
            Err(violation) => return heard.fails(violation.kind().name()),
        }
        if state.is_over() {
            return;
        }
    }
}

impl Streamed {
    fn fails(&mut self, how: &'static str) {
        (self.ends, self.violation) = (how, true);
    }

    /// What the caller would send.
    fn note_due(&mut self, state: &mut State) {
        for frame in state.take_due().as_chunks::<HEADER_LEN>().0 {
            let header = Header::decode(frame, Sender::Client, 0).expect("a caller breaks the protocol");
            match header.kind {
                Kind::Pong => self.pongs.push(header.id),
                Kind::Credit => self.granted += u64::from(header.argument),
                other => panic!("a caller that takes items sends {other:?}"),
            }
        }
    }

    fn told(&self) -> (bool, &[Message], &str, bool, &[u32]) {
        (self.accepted, &self.items, self.ends, self.violation, &self.pongs)
    }
}

/// The session of a listener on which a stream runs: its caller's largest message, how it is cut, then the listener's hello
/// and frames.
pub fn stream(data: &[u8]) {
    let [max, cut, stream @ ..] = data else { return };
    let max = usize::from(*max) * 16;
    let whole = hear_stream(max, stream, &[usize::MAX], false);
    for sizes in [[1, 1], [usize::from(*cut) + 1, 3]] {
        assert_eq!(hear_stream(max, stream, &sizes, false).told(), whole.told(), "cut into {sizes:?}");
    }
    let bytes: u64 = whole.items.iter().map(|item| (HEADER_LEN + item.len()) as u64).sum();
    assert!(whole.granted <= bytes, "what was not taken is granted");
    assert!(whole.items.iter().all(|item| item.len() <= max));
    // One who does not take before the end has the same, unless the listener sends more than such a one lets it.
    let held = hear_stream(max, stream, &[usize::MAX], true);
    if bytes < u64::from(WINDOW) {
        assert_eq!(held.told(), whole.told(), "held");
    }
}
