//! A stream on the session that carries it: what is sent when, what is received, and how the session is left.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::{Ending, Heard, State};
use crate::client::connection::ASK_FIRST;
use crate::client::pool::Pooled;
use crate::client::replace::FreeSessions;
use crate::client::target::Target;
use crate::client::thread_driver::ThreadSession;
use crate::client::{Failed, closing, knows_no_attachments, listener_has_gone, lost, too_large};
use crate::error::{Error, ErrorKind, Result};
use crate::message::{Message, MessageKind, MessageRef};
use crate::os::stream::{Stream, interrupted, would_block};
use crate::protocol::Violation;
use crate::protocol::frame::Header;
use crate::protocol::hello::{ATTACHMENTS, Hello, STREAMS};
use crate::session::burst::Burst;
use crate::session::items::Items;

/// Items up to this size go into one buffer with their header.
const ONE_BUFFER: usize = 16 << 10;
/// Items up to this size gather in a burst, up to so many bytes.
const MOST_GATHERED: usize = 4 << 10;
const GATHER: usize = 32 << 10;
/// How much memory for what is to be sent is kept for the next item.
const KEPT: usize = 64 << 10;

/// What its user drives a stream for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// That it was accepted.
    Acceptance,
    Item,
    /// Room for an item.
    Room,
}

/// What driving it has brought.
#[derive(Debug)]
pub(crate) enum Got {
    /// What was wanted is not there, and nothing more can be done before the socket is ready.
    NotYet,
    /// It was accepted, or there is room.
    Done,
    Item(Message),
    /// The listener has ended it, and no item is left where one was wanted.
    Over,
}

/// One stream, and the session that it has to itself.
#[derive(Debug)]
pub(crate) struct Session {
    wire: Box<ThreadSession>,
    state: State,
    /// The session was made for this stream.
    is_new: bool,
    /// An opening that is large, or JSON with bytes, and when the stream's time is over: it waits until the listener has said what it takes.
    opening: Option<(Message, Option<Instant>)>,
    /// What is to be sent: the opening, frames without a body, the rest of an item that has begun. What comes before
    /// `sent` has left.
    outgoing: Vec<u8>,
    sent: usize,
    /// How much of `outgoing` has to leave until the opening has left whole.
    opening_left: usize,
    /// Some of it has left.
    has_begun: bool,
    /// The socket took no more when something was last sent.
    is_full: bool,
    /// All that is to be sent are items that gather: nobody has tried yet.
    gathers: bool,
    burst: Burst,
    /// Why nothing can be sent any more. What the listener still says is received all the same.
    cannot_send: Option<io::Error>,
}

/// A session of the process's pool that can carry a stream with this opening, if there is one.
pub(crate) fn pooled(target: &Target<'_>, opening: &Message) -> Result<Option<Box<ThreadSession>>> {
    let pool = Pooled(&target.key);
    while let Some(mut wire) = pool.take_plain() {
        if !wire.may_be_used() {
            continue;
        }
        let knows = |feature| wire.hello().is_none_or(|hello| hello.features & feature != 0);
        let unknown = if !knows(STREAMS) {
            does_not_know()
        } else if opening.kind() == MessageKind::Attached && !knows(ATTACHMENTS) {
            knows_no_attachments()
        } else {
            return Ok(Some(wire));
        };
        // The one that follows it on the channel may know more.
        if wire.is_usable() {
            pool.put(wire);
            return Err(unknown);
        }
    }
    Ok(None)
}

impl Session {
    /// Begins to open a stream on a new connection.
    pub(crate) fn on_new(
        target: &Target<'_>,
        stream: Stream,
        opening: &Message,
        ends: Option<Instant>,
    ) -> Result<Session> {
        let wire = ThreadSession::new(stream, &target.options)?;
        Ok(Session::begin(wire, true, opening, ends))
    }

    /// Begins to open a stream on a session that was there. `ends`: when its time is over.
    pub(crate) fn on_pooled(wire: Box<ThreadSession>, opening: &Message, ends: Option<Instant>) -> Session {
        Session::begin(wire, false, opening, ends)
    }

    fn begin(mut wire: Box<ThreadSession>, is_new: bool, opening: &Message, ends: Option<Instant>) -> Session {
        let id = wire.next_id();
        let outgoing = wire.take_unsent();
        let mut session = Session {
            wire,
            state: State::new(id),
            is_new,
            opening: None,
            // What has to leave first does not open the stream, but without it nothing does.
            opening_left: outgoing.len(),
            outgoing,
            sent: 0,
            has_begun: false,
            is_full: false,
            gathers: false,
            burst: Burst::default(),
            cannot_send: None,
        };
        let has_to_be_known = opening.len() > ASK_FIRST || opening.kind() == MessageKind::Attached;
        if has_to_be_known && session.wire.hello().is_none() {
            session.opening = Some((opening.clone(), ends));
            session.opening_left += 1;
        } else {
            session.open(opening, ends);
        }
        session
    }

    fn open(&mut self, opening: &Message, ends: Option<Instant>) {
        let left = ends.map(|ends| ends.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
        self.outgoing.extend_from_slice(&Header::opening(self.state.id(), opening, left).encode());
        self.outgoing.extend_from_slice(opening.data());
        self.opening_left = self.outgoing.len() - self.sent;
    }

    /// Whether it was made for this stream.
    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    pub(crate) fn socket(&self) -> &Arc<Stream> {
        self.wire.socket()
    }

    pub(crate) fn is_accepted(&self) -> bool {
        self.state.is_accepted()
    }

    /// Whether bytes wait for room in the socket.
    pub(crate) fn wants_room(&self) -> bool {
        (self.has_unsent() && !self.gathers) || self.is_full
    }

    /// Whether items gather, which somebody is to send.
    pub(crate) fn gathers(&self) -> bool {
        self.gathers
    }

    fn has_unsent(&self) -> bool {
        self.unsent() > 0
    }

    /// How much of what was sent has not left, in bytes.
    pub(crate) fn unsent(&self) -> usize {
        self.outgoing.len() - self.sent
    }

    /// Whether driving it for an item would bring something without anything being received.
    pub(crate) fn has_next(&mut self) -> bool {
        self.state.has_items() || self.state.is_over() || self.wire.has_a_frame()
    }

    /// Whether driving it for room would bring something, likewise.
    pub(crate) fn has_room(&self) -> bool {
        self.state.is_over() || (self.state.may_send() && !self.wants_room() && self.cannot_send.is_none())
    }

    /// Whether the beginning of an item is here, whose end is not.
    pub(crate) fn is_inside_an_item(&self) -> bool {
        self.wire.is_inside_a_body()
    }

    /// The largest body that the listener takes, once it has said that.
    pub(crate) fn peer_max(&self) -> Option<usize> {
        self.wire.hello().map(|hello| hello.max_message as usize)
    }

    /// Whether the listener takes JSON with bytes, once it has said that.
    pub(crate) fn knows_attachments(&self) -> bool {
        self.wire.hello().is_some_and(Hello::knows_attachments)
    }

    /// Does what there is to do without waiting, until there is what is wanted or nothing more can be done.
    pub(crate) fn drive(&mut self, wanted: Wanted) -> std::result::Result<Got, Failed> {
        // One who sends hears first what has come, unless what it sends gathers.
        let mut has_looked = false;
        loop {
            let keeps = self.gathers && wanted == Wanted::Room && self.state.may_send();
            if !keeps {
                self.flush();
            }
            let got = match wanted {
                Wanted::Acceptance if self.state.is_accepted() => Some(Got::Done),
                Wanted::Room if self.state.is_over() => Some(Got::Over),
                // Whether the socket has room is seen when something is sent.
                Wanted::Room if (keeps || has_looked) && self.state.may_send() && self.takes_an_item() => {
                    Some(Got::Done)
                }
                Wanted::Item => self.state.take().map(Got::Item),
                _ => None,
            };
            let got = match got {
                Some(got) => got,
                None => match self.listen(wanted == Wanted::Item)? {
                    Some(Heard::Item(item)) => Got::Item(item),
                    Some(_) => continue,
                    None if self.state.is_over() => Got::Over,
                    None if self.receive()? => continue,
                    None if wanted == Wanted::Room && !std::mem::replace(&mut has_looked, true) => continue,
                    None => Got::NotYet,
                },
            };
            // What was taken may be granted anew.
            if wanted != Wanted::Room {
                self.flush();
            }
            return Ok(got);
        }
    }

    /// Whether nothing of the item before it waits for room.
    fn takes_an_item(&self) -> bool {
        (!self.has_unsent() || self.gathers) && self.cannot_send.is_none()
    }

    /// Takes the next frame that is here, if there is one.
    fn listen(&mut self, wanted: bool) -> std::result::Result<Option<Heard>, Failed> {
        if self.state.is_over() {
            return Ok(None);
        }
        if self.wire.hello().is_none() && !self.greet()? {
            return Ok(None);
        }
        let heard = match self.wire.next_of_any_kind() {
            Ok(Some((header, body))) => self.state.frame(&header, body, wanted).map(Some),
            Ok(None) => Ok(None),
            Err(violation) => Err(violation),
        };
        if heard.is_ok() {
            self.burst.is_answered();
        }
        match heard {
            Ok(Some(Heard::SessionFailed(error))) => Err(self.give_up(error)),
            Ok(Some(Heard::Goaway(last))) => {
                if self.wire.says_goodbye(last, self.state.id()) && !self.state.is_accepted() {
                    self.wire.break_off();
                    return Err(Failed::NotTaken(closing()));
                }
                Ok(Some(Heard::Nothing))
            }
            Ok(heard) => Ok(heard),
            Err(Violation::TooLarge { len, max }) => Err(self.give_up(item_too_large(len, max).after_sending())),
            Err(violation) => Err(self.give_up(Error::from(violation).after_sending())),
        }
    }

    /// Looks at the listener's hello. Whether it has come.
    fn greet(&mut self) -> std::result::Result<bool, Failed> {
        match self.wire.greet() {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            // Who speaks another version does not take a message in ours.
            Err(violation @ Violation::Version(_)) => return Err(self.give_up(violation.into())),
            Err(violation) => return Err(self.give_up(Error::from(violation).after_sending())),
        }
        let hello = self.wire.hello().expect("it has come");
        let most = hello.max_message as usize;
        if hello.features & STREAMS == 0 {
            return Err(self.give_up(does_not_know()));
        }
        if let Some((opening, ends)) = self.opening.take() {
            if opening.kind() == MessageKind::Attached && !hello.knows_attachments() {
                return Err(self.give_up(knows_no_attachments()));
            }
            if opening.len() > most {
                return Err(self.give_up(too_large(opening.len(), most)));
            }
            self.open(&opening, ends);
            self.flush();
        }
        Ok(true)
    }

    /// Receives once. Whether something has come; `false` where nothing is there.
    fn receive(&mut self) -> std::result::Result<bool, Failed> {
        match self.wire.receive_now() {
            Ok(1..) => Ok(true),
            Ok(0) => Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
            Err(error) if interrupted(&error) => Ok(true),
            Err(error) if would_block(&error) => match self.cannot_send.take() {
                // It takes nothing, and nothing of the opening has left.
                Some(error) if !self.has_begun => Err(self.lost(error)),
                cannot => {
                    self.cannot_send = cannot;
                    Ok(false)
                }
            },
            Err(error) => Err(self.lost(error)),
        }
    }

    /// The connection is of no more use. If not all of the opening has left, or the listener has gone and has not even said
    /// hello, it has handled nothing: its hello goes out before it looks at a message.
    fn lost(&mut self, error: io::Error) -> Failed {
        let says_goodbye = !self.wire.is_open();
        self.wire.break_off();
        if self.opening_left > 0 {
            return Failed::NotTaken(if says_goodbye { closing() } else { lost(error) });
        }
        if self.wire.hello().is_none() && listener_has_gone(&error) {
            return Failed::NotTaken(lost(error));
        }
        lost(error).after_sending().into()
    }

    fn give_up(&mut self, error: Error) -> Failed {
        self.wire.break_off();
        error.into()
    }

    /// Sends what is due, as much as goes.
    pub(crate) fn flush(&mut self) {
        self.add_due();
        if self.outgoing.is_empty() {
            return;
        }
        self.gathers = false;
        while self.has_unsent() {
            match self.wire.socket().send(&self.outgoing[self.sent..], &[]) {
                Ok(sent) => {
                    self.sent += sent;
                    self.opening_left = self.opening_left.saturating_sub(sent);
                    (self.has_begun, self.is_full) = (true, false);
                }
                Err(error) if interrupted(&error) => {}
                Err(error) if would_block(&error) => {
                    self.is_full = true;
                    return;
                }
                Err(error) => {
                    self.cannot_send = Some(error);
                    break;
                }
            }
        }
        self.outgoing.clear();
        self.outgoing.shrink_to(KEPT);
        (self.sent, self.is_full) = (0, false);
    }

    fn add_due(&mut self) {
        let due = self.state.take_due();
        if self.cannot_send.is_none() {
            self.outgoing.extend_from_slice(&due);
        }
    }

    /// Sends an item; only where there is room. `false`: the socket takes nothing of it now, and nothing was sent.
    pub(crate) fn send(&mut self, item: MessageRef<'_>) -> bool {
        let header = self.state.header(item).encode();
        if item.len() <= ONE_BUFFER {
            self.add_due();
            let (before, began) = (self.outgoing.len(), Instant::now());
            self.outgoing.extend_from_slice(&header);
            self.outgoing.extend_from_slice(item.data());
            let in_a_burst = self.burst.gathers(began);
            if in_a_burst && item.len() <= MOST_GATHERED && self.outgoing.len() < GATHER {
                self.gathers = true;
                self.state.spend(item);
                return true;
            }
            self.flush();
            if before == 0 {
                self.burst.sent(began, Instant::now());
            } else {
                self.burst.sent_what_gathered(Instant::now());
            }
            if self.is_full && self.sent == 0 {
                self.outgoing.truncate(before);
                return false;
            }
        } else {
            self.flush();
            if self.has_unsent() {
                return false;
            }
            match self.wire.socket().send(&header, item.data()) {
                Ok(sent) => {
                    let of_header = sent.min(header.len());
                    self.outgoing.extend_from_slice(&header[of_header..]);
                    self.outgoing.extend_from_slice(&item.data()[sent - of_header..]);
                }
                Err(error) if interrupted(&error) => return false,
                Err(error) if would_block(&error) => {
                    self.is_full = true;
                    return false;
                }
                Err(error) => self.cannot_send = Some(error),
            }
        }
        self.state.spend(item);
        true
    }

    /// Says that no more items come from this side.
    pub(crate) fn end(&mut self) {
        self.state.end();
        self.flush();
    }

    /// What has come and was not taken, of a stream that has failed on this side.
    pub(crate) fn take_items(&mut self) -> Items {
        self.state.finish().0
    }

    /// How the listener has ended it, and what has come and was not taken.
    pub(super) fn take_ending(&mut self) -> (Items, Ending) {
        self.state.finish()
    }

    /// The caller wants no more: the listener is told. Whether there is something to wait for: where the opening has not
    /// left whole, the listener handles nothing.
    pub(super) fn cancel(&mut self) -> bool {
        self.state.cancel();
        self.opening_left == 0
    }

    /// Does what is left to do on a session whose stream nobody wants any longer. Whether it is done, and the session is of
    /// use again or of none.
    pub(super) fn come_to_an_end(&mut self) -> bool {
        loop {
            self.flush();
            match self.listen(false) {
                Ok(Some(_)) => {}
                Ok(None) if self.state.is_over() => return !self.has_unsent(),
                Ok(None) => match self.receive() {
                    Ok(true) => {}
                    Ok(false) => return false,
                    Err(_) => return true,
                },
                Err(_) => return true,
            }
        }
    }

    /// The session, where nothing of this stream is left on it.
    pub(super) fn into_wire(self) -> Option<Box<ThreadSession>> {
        let is_clean = self.cannot_send.is_none() && self.state.is_over() && !self.has_unsent();
        let is_untouched = !self.is_new && !self.has_begun;
        (is_clean || is_untouched).then_some(self.wire)
    }
}

/// What a caller is told whose listener has no streams.
pub(crate) fn does_not_know() -> Error {
    let text = "the listener is of a version that has no streams; bring it up to date";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

/// What a caller is told whose listener speaks the Deno wire.
pub(crate) fn no_streams_there() -> Error {
    let text = "the listener speaks the Deno wire only, which has no streams; listen with this library";
    Error::new(ErrorKind::UnsupportedVersion, text)
}

fn item_too_large(len: usize, max: usize) -> Error {
    let text =
        format!("an item of {len} bytes is larger than the {max} that this caller takes; raise its largest message");
    Error::new(ErrorKind::TooLarge, text)
}
