//! A busy multiplexed session that the user's thread drives, in its own loop: receives what has come, takes it to the handler, and
//! sends the answers together, with no other thread in between.
//!
//! Answers that come later gather until the end of a turn of the loop. Whatever is not the everyday (the socket takes no more, the
//! session or its listener ends, the listener is full) is the runtime's, which then goes on with the session. As a thread's, its
//! hold on the session lies ready while it is with the handler, for whoever finds it [stuck](super::stuck) there.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::batch::{Batch, serve_batch};
use super::driven::{BatchThread, Driven, Drivers, Next};
use super::handover::Handover;
use crate::message::Message;
use crate::mode::Mode;
use crate::os::stream::{Stream, Wait, interrupted, would_block};
use crate::protocol::frame::{FrameReader, Kind};
use crate::server::session::Session;
use crate::server::waiting::{Job, OwnSession};
use crate::session::receive;
use crate::session::send_queue::Sent;

/// Starts what happens next with a session.
type Dispatch = fn(Driven, Next);

/// Whether the user's thread is to drive a session: it drives some, and a request is here.
pub(crate) fn may_drive(session: &Session, reader: &FrameReader) -> bool {
    let drives = session.shared.threads.waiting().is_some_and(|waiting| waiting.drives_sessions());
    drives
        && !session.exclusive
        && session.shared.mode == Mode::Request
        && matches!(reader.next_kind(), Ok(Some(Kind::Request)))
}

/// Has the user's thread drive a session, of which frames are here.
pub(crate) fn adopt(driven: Driven, dispatch: Dispatch) {
    let session = Arc::clone(&driven.session);
    let Some(waiting) = session.shared.threads.waiting().cloned() else { return dispatch(driven, Next::Runtime) };
    session.state.to_thread();
    waiting.clone().submit(Box::new(move || {
        let thread = BatchThread::new(Handover::new());
        let drivers = Arc::clone(&driven.drivers);
        drivers.add(&thread);
        let told = {
            let (session, waiting) = (Arc::clone(&session), Arc::downgrade(&waiting));
            session.shared.runtime.clone().spawn(async move {
                session.driver.notified().await;
                if let Some(waiting) = waiting.upgrade() {
                    waiting.ask_back(session.key());
                }
            })
        };
        let mut own = Own {
            session,
            thread,
            drivers,
            driven: None,
            message: Message::null(),
            told: told.abort_handle(),
            dispatch,
        };
        match own.serve(driven) {
            Some(leave) => leave(),
            None => waiting.adopt(Box::new(own)),
        }
    }));
}

/// A session that the user's thread drives.
struct Own {
    session: Arc<Session>,
    /// Where it lies during a batch.
    thread: BatchThread,
    drivers: Arc<Drivers>,
    /// Between two batches.
    driven: Option<Driven>,
    /// The memory of the last message, for the next.
    message: Message,
    /// What asks for the session back where it has something to do besides receiving.
    told: AbortHandle,
    dispatch: Dispatch,
}

impl Own {
    /// Takes the frames that are here to the handler.
    fn serve(&mut self, driven: Driven) -> Option<Job> {
        let session = Arc::clone(&self.session);
        let Some(code) = session.shared.users_code() else { return Some(self.leave(driven, Next::End)) };
        let mut beside_others = session.in_flight();
        self.thread.begin_batch(driven, &session.state);
        let (handler, within) = code.blocking();
        let Ok(batch) = serve_batch(&session, &self.thread, &mut self.message, handler, false, &mut beside_others)
        else {
            // A forked child: all that lies here is the parent's.
            std::mem::forget((session, Arc::clone(&self.thread), code));
            return None;
        };
        drop(within);
        drop(code);
        // Gone: the runtime has taken over.
        let Some(driven) = self.thread.take_back() else { return Some(self.gone()) };
        match batch {
            Batch::Violated(violation) => Some(self.leave(driven, Next::Dismiss(violation))),
            Batch::Full => Some(self.leave(driven, Next::Runtime)),
            Batch::Over if session.send_queue.waiting() > 0 => Some(self.leave(driven, Next::Runtime)),
            Batch::Over => {
                session.state.note_partial_frame(!driven.reader.is_empty());
                self.driven = Some(driven);
                None
            }
        }
    }

    /// Something else goes on with the session.
    fn leave(&self, driven: Driven, next: Next) -> Job {
        self.part();
        let dispatch = self.dispatch;
        Box::new(move || dispatch(driven, next))
    }

    /// The loop has no more to do with the session.
    fn part(&self) {
        self.told.abort();
        self.drivers.remove(&self.thread);
    }

    /// The runtime has taken over in the middle of a batch: nothing is left to be done.
    fn gone(&self) -> Job {
        self.part();
        Box::new(|| ())
    }
}

impl OwnSession for Own {
    fn key(&self) -> u64 {
        self.session.key()
    }

    fn socket(&self) -> &Stream {
        &self.session.socket
    }

    fn come(&mut self) -> Option<Job> {
        let mut driven = self.driven.take()?;
        match receive::receive(&self.session.socket, &mut driven.reader, Wait::No) {
            Ok(0) if self.session.state.see().is_to_end() => Some(self.leave(driven, Next::Runtime)),
            Ok(1..) => {
                self.session.note_activity();
                self.serve(driven)
            }
            Err(error) if would_block(&error) || interrupted(&error) => {
                self.driven = Some(driven);
                None
            }
            Ok(0) | Err(_) => {
                self.session.count_unfinished(&driven.reader);
                Some(self.leave(driven, Next::End))
            }
        }
    }

    fn send(&mut self) -> Option<Job> {
        match self.session.send_queue.flush(&self.session.socket, Duration::ZERO) {
            Ok(Sent::Gone) => None,
            // What is left, and what has become of its client, is the runtime's to see to.
            Ok(Sent::Waiting) | Err(_) => Some(self.give_back()),
        }
    }

    fn give_back(&mut self) -> Job {
        match self.driven.take() {
            Some(driven) => self.leave(driven, Next::Runtime),
            None => self.gone(),
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.part();
    }
}
