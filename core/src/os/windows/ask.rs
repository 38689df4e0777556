//! A question that the kernel answers when something is ready.

use std::io;
use std::os::windows::io::{AsRawSocket, BorrowedSocket};
use std::sync::{Arc, Weak};
use std::time::Duration;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::SOCKET;

use super::end::Waiting;
use super::event::{Event, wait_for_any};
use super::operation::Operation;
use super::pipe_server::PipeServer;
use super::socket_poll::{self, READABLE, SocketPoll, WRITABLE};
use crate::os::interest::Interest;

/// Something that can be waited for.
pub(super) trait Askable: Send + Sync {
    /// Asks when it is ready; `event` is set then, and may be cleared first.
    fn ask(&self, interest: Interest, event: &Arc<Event>) -> io::Result<Ask>;
}

/// Of a socket.
pub(super) fn of_socket(socket: BorrowedSocket<'_>, interest: Interest, event: &Event) -> io::Result<SocketPoll> {
    let events = match interest {
        Interest::Read => READABLE,
        Interest::Write => WRITABLE,
        Interest::Both => READABLE | WRITABLE,
    };
    socket_poll::begin(socket.as_raw_socket() as SOCKET, events, event)
}

/// One question. Dropping it takes it back.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) kernel: Kernel,
    /// The stream's part: it also ends, by what another thread does here.
    pub(super) ends: Option<Waiting>,
}

/// What the kernel was asked.
#[derive(Debug)]
pub(super) enum Kernel {
    /// Nothing: it is ready.
    Ready,
    Socket(SocketPoll),
    /// A read of no bytes, where something is to be received; where it has no room and some is wanted, the write in flight tells.
    Pipe {
        read: Option<Arc<Operation<()>>>,
        room: Option<Room>,
    },
    Server(Arc<PipeServer>),
}

/// A pipe whose room is waited for.
pub(super) struct Room {
    /// Whoever waits does not keep it open.
    stream: Weak<dyn HasRoom>,
    event: Arc<Event>,
}

/// What may have room for something to send.
pub(super) trait HasRoom: Send + Sync {
    fn has_room(&self) -> bool;
}

impl Room {
    /// `event` is set while it has room.
    pub(super) fn new(stream: Weak<dyn HasRoom>, event: &Arc<Event>) -> Room {
        Room { stream, event: Arc::clone(event) }
    }

    fn is_there(&self) -> bool {
        self.stream.upgrade().is_none_or(|stream| stream.has_room())
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("is_there", &self.is_there()).finish_non_exhaustive()
    }
}

impl Ask {
    pub(super) fn is_answered(&self) -> bool {
        let by_kernel = match &self.kernel {
            Kernel::Ready => true,
            Kernel::Socket(poll) => poll.is_done(),
            Kernel::Pipe { read, room } => {
                read.as_ref().is_some_and(|read| read.is_done()) || room.as_ref().is_some_and(Room::is_there)
            }
            Kernel::Server(server) => server.someone_waits(),
        };
        by_kernel || self.ends.as_ref().is_some_and(Waiting::has_ended)
    }

    /// Another event that tells, besides the one that it was asked with.
    pub(super) fn other_event(&self) -> Option<&Arc<Event>> {
        match &self.kernel {
            Kernel::Pipe { room: Some(room), .. } => Some(&room.event),
            Kernel::Server(server) => Some(server.arrivals()),
            _ => None,
        }
    }
}

thread_local! {
    /// What waits of this thread are told by: made once, used for one wait at a time.
    static OWN: std::cell::OnceCell<Arc<Event>> = const { std::cell::OnceCell::new() };
}

fn own_event() -> io::Result<Arc<Event>> {
    OWN.with(|own| {
        if let Some(event) = own.get() {
            return Ok(Arc::clone(event));
        }
        let made = Arc::new(Event::new()?);
        Ok(Arc::clone(own.get_or_init(|| made)))
    })
}

/// Waits until `what` is ready as asked; `false` where the time is over or one of `others` is signalled, which are at most 60 and
/// held open by the caller.
pub(super) fn wait(
    what: &dyn Askable,
    interest: Interest,
    others: impl Iterator<Item = HANDLE>,
    timeout: Option<Duration>,
) -> io::Result<bool> {
    let event = own_event()?;
    let ask = what.ask(interest, &event)?;
    if ask.is_answered() {
        return Ok(true);
    }
    if timeout == Some(Duration::ZERO) {
        return Ok(false);
    }
    let mut handles = vec![event.handle()];
    handles.extend(ask.other_event().map(|event| event.handle()));
    handles.extend(others.take(60));
    wait_for_any(&handles, timeout)?;
    Ok(ask.is_answered())
}
