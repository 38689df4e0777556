//! A question that the kernel answers when something is ready.

use std::io;
use std::os::windows::io::{AsRawSocket, BorrowedSocket};
use std::sync::Arc;
use std::time::Duration;

use windows_sys::Win32::Foundation::HANDLE;
use windows_sys::Win32::Networking::WinSock::SOCKET;

use super::event::{Event, wait_for_any};
use super::listener::Listener;
use super::socket_poll::{self, READABLE, SocketPoll, WRITABLE};
use super::stream::{Core, Waiting};
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
    /// The kernel's part; `None`: it was answered when it was asked.
    pub(super) poll: Option<SocketPoll>,
    /// The stream's part: it also ends, by what another thread does here.
    pub(super) ends: Option<Waiting>,
}

impl Ask {
    pub(super) fn is_answered(&self) -> bool {
        self.poll.as_ref().is_none_or(SocketPoll::is_done) || self.ends.as_ref().is_some_and(Waiting::has_ended)
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
    handles.extend(others.take(60));
    wait_for_any(&handles, timeout)?;
    Ok(ask.is_answered())
}

impl Askable for Listener {
    fn ask(&self, interest: Interest, event: &Arc<Event>) -> io::Result<Ask> {
        event.clear();
        Ok(Ask { poll: Some(of_socket(self.socket(), interest, event)?), ends: None })
    }
}

impl Askable for Core {
    fn ask(&self, interest: Interest, event: &Arc<Event>) -> io::Result<Ask> {
        // From here on its end sets the event.
        let ends = self.watch_end(event);
        event.clear();
        let poll = of_socket(self.socket(), interest, event)?;
        Ok(Ask { poll: Some(poll), ends: Some(ends) })
    }
}
