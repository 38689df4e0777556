//! What a subscriber makes of the bytes of its publisher.

use crate::client::subscription::Answer;
use crate::client::subscription::position::{Position, UNKNOWN};
use crate::client::subscription::session::{Session, Told};
use crate::event::Event;
use crate::protocol::frame::{HEADER_LEN, Header, Kind, Sender, Slot};
use crate::session::credit::WINDOW;

/// All that a subscriber, which takes each event at once, has of one session.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// The events, and the numbers of those that were due.
    pub(crate) events: Vec<(Option<u64>, Event)>,
    /// How it ended: the name of an error, `closing`, or `connection_lost` at the end of the stream.
    pub(crate) ends: &'static str,
    /// The ids of the pings that it has answered.
    pub(crate) pongs: Vec<u32>,
    /// How many bytes it has granted.
    pub(crate) granted: u64,
}

/// What a subscriber with this position hears of a stream that comes in pieces of these sizes, over and over.
pub(crate) fn hear(mut position: Position, max: usize, all: bool, stream: &[u8], sizes: &[usize]) -> Heard {
    let mut session = Session::new(max, all, b"{}", false);
    let begun = session.outgoing().len();
    session.sent(begun);
    let mut heard = Heard { ends: "connection_lost", ..Heard::default() };
    let (mut rest, mut sizes) = (stream, sizes.iter().cycle());
    loop {
        let told = session.next();
        for frame in session.outgoing().as_chunks::<HEADER_LEN>().0 {
            let header = Header::decode(frame, Sender::Client, 0).expect("a subscriber breaks the protocol");
            match header.kind {
                Kind::Pong => heard.pongs.push(header.id),
                Kind::Credit => heard.granted += u64::from(header.argument),
                other => panic!("a subscriber sends {other:?}"),
            }
        }
        let sent = session.outgoing().len();
        session.sent(sent);
        match told {
            Ok(Told::NotYet) => {
                assert!(!session.has_more(), "it says that there is nothing, and has something");
                let size = *sizes.next().expect("there are sizes");
                let received = session.receive(|slot| {
                    let most = rest.len().min(size);
                    let count = match slot {
                        Slot::Buffer(slot) => {
                            let count = slot.len().min(most);
                            slot[..count].copy_from_slice(&rest[..count]);
                            count
                        }
                        Slot::Body(body, missing) => {
                            let count = missing.min(most);
                            body.extend_from_slice(&rest[..count]);
                            count
                        }
                    };
                    rest = &rest[count..];
                    Ok(count)
                });
                if received.expect("it was received") == 0 {
                    assert!(rest.is_empty(), "the reader left no room");
                    return heard;
                }
            }
            Ok(Told::Subscribed(answer)) => position.subscribed(&answer),
            Ok(Told::Event { number, gap, mut event }) => {
                event.missed = position.deliver(number, gap);
                heard.events.push((number, event));
            }
            Ok(Told::Closing(_)) => {
                heard.ends = "closing";
                return heard;
            }
            Err(error) => {
                heard.ends = error.kind().name();
                return heard;
            }
        }
    }
}

/// The position of a subscription that has seen `after` of a publisher.
pub(crate) fn went_on(epoch: &str, after: u64) -> Position {
    let mut position = Position::default();
    position.subscribed(&Answer { epoch: epoch.to_owned(), next: after + 1, missed: None });
    position
}

/// The session of a publisher: whether its subscriber has named topics and goes on, its largest message, how it is cut,
/// then the listener's hello and frames.
pub fn subscription(data: &[u8]) {
    let [who, max, cut, stream @ ..] = data else { return };
    let (all, max) = (who & 1 == 0, usize::from(*max) * 16);
    let position = || if who & 2 == 0 { Position::default() } else { went_on("0123456789abcdef", 100) };
    let whole = hear(position(), max, all, stream, &[usize::MAX]);
    for sizes in [[1, 1], [usize::from(*cut) + 1, 3]] {
        assert_eq!(hear(position(), max, all, stream, &sizes), whole, "cut into {sizes:?}");
    }
    let mut last = 0;
    let mut bytes = 0;
    let mut due_has_come = false;
    for (at, (number, event)) in whole.events.iter().enumerate() {
        assert!(event.topic.len() <= 255 && event.data.len() <= max);
        assert_eq!(number.is_none(), event.retained);
        assert!(event.missed >= 0 || event.missed == UNKNOWN && at == 0);
        assert!(!(event.retained && due_has_come), "a retained event came late");
        bytes += event.data.len() as u64;
        if let Some(number) = *number {
            assert!(number as u32 != 0 && number > last, "{number} comes behind {last}");
            if all && last > 0 && event.missed < i64::from(u32::MAX) {
                let between = number - last - 1 - ((number >> 32) - (last >> 32));
                assert_eq!(u64::try_from(event.missed), Ok(between));
            }
            (last, due_has_come) = (number, true);
        }
    }
    // Gaps cost, too; nothing is granted that was not taken.
    assert!(whole.granted <= stream.len() as u64);
    assert!(bytes < u64::from(WINDOW) || whole.granted > 0);
}
