//! A native session shared by any number of tasks: frames are sent by the task that has them, answers
//! are handed out by one task that receives.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use super::pending::{Answers, Ledger, Reply};
use super::until::Until;
use super::{Attempt, lost, too_large};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::message::Message;
use crate::mode::Mode;
use crate::os::async_stream::AsyncStream;
use crate::os::interest::Interest;
use crate::os::stream::{Stream, Wait, interrupted, would_block};
use crate::protocol::frame::{ACK_WANTED, FrameReader, HEADER_LEN, Header, Kind, Sender};
use crate::protocol::hello::{HELLO_LEN, Hello, Role};
use crate::session::receive;
use crate::session::send_queue::{SendQueue, Sent};

/// A larger body than this is not sent before the listener has said what it takes.
const ASK_FIRST: usize = 64 << 10;
/// How many bytes may wait to be sent before senders wait too.
const MOST_WAITING: usize = 1 << 20;

/// A handle on a session. The last one to go ends it, after what was given to it has been sent.
#[derive(Clone)]
pub(crate) struct TaskSession(Arc<User>);

/// What a session is asked to do.
#[derive(Clone, Copy)]
pub(crate) enum Operation<'a> {
    Request(&'a Message),
    /// A broadcast that is done when the handler has it.
    Broadcast(&'a Message),
    /// A broadcast that is done when it waits to be sent.
    OneWay(&'a Message),
    Ping,
}

impl<'a> Operation<'a> {
    /// How it goes over the Deno wire, if it does.
    pub(crate) fn as_post(self) -> Option<(&'a Message, Mode)> {
        match self {
            Operation::Request(message) => Some((message, Mode::Request)),
            Operation::Broadcast(message) | Operation::OneWay(message) => Some((message, Mode::Broadcast)),
            Operation::Ping => None,
        }
    }
}

struct User(Arc<Session>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.deserted.store(true, Ordering::SeqCst);
        self.0.driver.notify_one();
    }
}

struct Session {
    socket: Arc<Stream>,
    send_queue: SendQueue,
    /// Tells the driver that something waits to be sent, or that nobody uses the session any more.
    driver: Notify,
    deserted: AtomicBool,
    /// There is room for more to be sent, the hello has come, or the session has ended.
    moved: Notify,
    max_message: usize,
    /// How many bytes were handed to the send_queue. Whoever hands over a frame holds this from when its id is given:
    /// frames leave in the order of their ids, which is what a goaway counts by.
    handed: Mutex<u64>,
    ledger: Mutex<Ledger<oneshot::Sender<Attempt<Reply>>>>,
}

impl TaskSession {
    /// Starts a session on the runtime of the calling task.
    pub(crate) fn start(socket: Stream, max_message: usize) -> Result<TaskSession> {
        let socket = Arc::new(socket);
        let fd = AsyncStream::new(Arc::clone(&socket), Interest::Both)
            .map_err(|error| Error::from_os("cannot watch the connection", error))?;
        let session = Arc::new(Session {
            socket,
            send_queue: SendQueue::default(),
            driver: Notify::new(),
            deserted: AtomicBool::new(false),
            moved: Notify::new(),
            max_message,
            handed: Mutex::new(HELLO_LEN as u64),
            ledger: Mutex::default(),
        });
        // It goes out with the first frame.
        session
            .send_queue
            .append(&Hello::new(Role::Multiplexed, max_message).encode(), &[])
            .map_err(|error| Error::from_os("cannot begin a session", error))?;
        tokio::spawn(drive(fd, Driven(Arc::clone(&session))));
        Ok(TaskSession(Arc::new(User(session))))
    }

    fn session(&self) -> &Arc<Session> {
        &self.0.0
    }

    pub(crate) fn born(&self) -> u32 {
        self.session().socket.born()
    }

    /// Whether the session takes more.
    pub(crate) fn is_usable(&self) -> bool {
        self.born() == crate::os::fork::generation() && lock(&self.session().ledger).is_open()
    }

    /// Makes a call. Dropping the future gives it up, and the handler of a request is told.
    pub(crate) async fn call(&self, operation: Operation<'_>, until: &Until<'_>) -> Attempt<Option<Message>> {
        let (header, message) = match operation {
            Operation::Request(message) => {
                let argument =
                    until.left().map_or(0, |left| u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1));
                (Header { argument, ..Header::of(Kind::Request, 0, message) }, Some(message))
            }
            Operation::Broadcast(message) => {
                let mut header = Header::of(Kind::Broadcast, 0, message);
                header.flags |= ACK_WANTED;
                (header, Some(message))
            }
            Operation::OneWay(message) => return self.send_one_way(message, until).await.map(|()| None),
            Operation::Ping => (Header::bare(Kind::Ping, 0), None),
        };
        match self.ask(header, message.map_or(&[], Message::data), until).await? {
            Reply::Message(message) => Ok(Some(message)),
            Reply::Done => Ok(None),
        }
    }

    /// Sends a broadcast and waits only for room.
    async fn send_one_way(&self, message: &Message, until: &Until<'_>) -> Attempt<()> {
        let session = self.session();
        session.take_one_way_error()?;
        session.make_room(message.len(), until).await?;
        session.look_for_the_end();
        let mut handed = lock(&session.handed);
        lock(&session.ledger).send_one_way()?;
        session.append(&mut handed, &Header::of(Kind::Broadcast, 0, message), message.data());
        Ok(())
    }

    /// Waits until everything sent before has been handed to the handler.
    pub(crate) async fn flush(&self, until: &Until<'_>) -> Attempt<()> {
        let session = self.session();
        session.take_one_way_error()?;
        if !lock(&session.ledger).is_unconfirmed() {
            return Ok(());
        }
        let answer = self.ask(Header::bare(Kind::Ack, 0), &[], until).await;
        lock(&session.ledger).flushed(answer)
    }

    /// What went wrong with one-way messages, if it has not been said yet.
    pub(crate) fn take_one_way_error(&self) -> Attempt<()> {
        self.session().take_one_way_error()
    }

    /// What is to be told of one-way messages where another session follows this one.
    pub(crate) fn retire(&self) -> Option<Error> {
        lock(&self.session().ledger).retire()
    }

    /// Ends the calls that wait, but for flushes; their handlers are told. No more begin.
    pub(crate) fn close(&self) {
        let session = self.session();
        let mut answers = Vec::new();
        let requests = lock(&session.ledger).close(&mut answers);
        tell(answers);
        for id in requests {
            session.append(&mut lock(&session.handed), &Header::bare(Kind::Cancel, id), &[]);
        }
        session.moved.notify_waiters();
    }

    /// What to say where nobody waits any longer for what a flush would bring, for this reason.
    pub(crate) fn give_up_flushing(&self, error: Error) -> Error {
        lock(&self.session().ledger).give_up_flushing(error)
    }

    async fn ask(&self, mut header: Header, body: &[u8], until: &Until<'_>) -> Attempt<Reply> {
        if let Some(error) = until.given_up() {
            return Err(error.into());
        }
        let session = self.session();
        session.make_room(body.len(), until).await?;
        let (answered, answer) = oneshot::channel();
        {
            let mut handed = lock(&session.handed);
            let others;
            {
                let mut ledger = lock(&session.ledger);
                others = ledger.is_waiting();
                header.id = ledger.begin(header.kind, body.len(), *handed, answered)?;
            }
            if others {
                session.append(&mut handed, &header, body);
            } else {
                session.send(&mut handed, &header, body);
            }
        }
        let waiting = Waiting { session, id: header.id, cancel: header.kind == Kind::Request };
        // A client that closes tells its calls by their answers.
        let until = Until { client: None, ..*until };
        let answer = until.drive(answer).await.map_err(Error::after_sending)?;
        std::mem::forget(waiting);
        answer.unwrap_or_else(|_| Err(lost(io::ErrorKind::UnexpectedEof.into()).after_sending().into()))
    }
}

/// A call that waits for its answer; dropped before that, it takes itself out.
struct Waiting<'a> {
    session: &'a Arc<Session>,
    id: u32,
    cancel: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = lock(&self.session.ledger).withdraw(self.id);
        if waited && self.cancel {
            self.session.append(&mut lock(&self.session.handed), &Header::bare(Kind::Cancel, self.id), &[]);
        }
    }
}

impl Session {
    /// Sends a frame, in the calling task if the socket takes it.
    fn send(&self, handed: &mut u64, header: &Header, body: &[u8]) {
        *handed += (HEADER_LEN + body.len()) as u64;
        match self.send_queue.send(&self.socket, &header.encode(), body, Duration::ZERO) {
            // Others may have found no room while this was being sent.
            Ok(Sent::Gone) => self.moved.notify_waiters(),
            // Of a session that broke, the driver sees to what has left and what has not.
            Ok(Sent::Waiting) | Err(_) => self.driver.notify_one(),
        }
    }

    /// Sends a frame with those of other tasks.
    fn append(&self, handed: &mut u64, header: &Header, body: &[u8]) {
        *handed += (HEADER_LEN + body.len()) as u64;
        let _the_driver_sees_to_it = self.send_queue.append(&header.encode(), body);
        self.driver.notify_one();
    }

    /// The connection takes nothing more. What the listener says may still come.
    fn cut(&self, error: io::Error) {
        let mut answers = Vec::new();
        {
            let handed = lock(&self.handed);
            let unsent = self.send_queue.unsent().unwrap_or_default() as u64;
            lock(&self.ledger).cut(*handed - unsent, &lost(error), &mut answers);
        }
        tell(answers);
        self.moved.notify_waiters();
    }

    fn take_one_way_error(&self) -> Attempt<()> {
        match lock(&self.ledger).take_one_way_error() {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }

    /// Waits until a body of `len` bytes may be sent, or refuses it.
    async fn make_room(&self, len: usize, until: &Until<'_>) -> Attempt<()> {
        let known = lock(&self.ledger).peer_max();
        if len <= known.map_or(ASK_FIRST, |known| known.min(ASK_FIRST)) && self.send_queue.waiting() < MOST_WAITING {
            return Ok(());
        }
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let peer_max = {
                let ledger = lock(&self.ledger);
                ledger.check_open()?;
                ledger.peer_max()
            };
            match peer_max {
                // The hello may still wait for the first frame.
                None => self.driver.notify_one(),
                Some(peer_max) if len > peer_max => return Err(too_large(len, peer_max).into()),
                Some(_) if self.send_queue.waiting() < MOST_WAITING => return Ok(()),
                Some(_) => {}
            }
            until.drive(moved).await?;
        }
    }

    /// Nobody answers a one-way message, so the first after a while had better not go to a listener
    /// that has said goodbye, where the driver has not come round to reading that.
    fn look_for_the_end(&self) {
        {
            let ledger = lock(&self.ledger);
            if ledger.is_unconfirmed() || ledger.is_waiting() {
                return;
            }
        }
        let mut bytes = [0; HEADER_LEN];
        match self.socket.peek(&mut bytes) {
            Ok(0) => lock(&self.ledger).no_more(&lost(io::ErrorKind::UnexpectedEof.into())),
            Ok(HEADER_LEN) => {
                if let Ok(Header { kind: Kind::Goaway, id, .. }) = Header::decode(&bytes, Sender::Listener, usize::MAX)
                {
                    // Nobody waits, so nobody is told.
                    lock(&self.ledger).goaway(id, &mut Vec::new());
                    self.moved.notify_waiters();
                }
            }
            _ => {}
        }
    }

    /// Whether one-way messages are on their way over TCP: a connection that is closed before all that
    /// came on it was received is reset, which takes them along.
    fn is_to_linger(&self) -> bool {
        self.socket.is_tcp() && lock(&self.ledger).is_unconfirmed()
    }

    /// Takes in what was received.
    fn take_in(&self, reader: &mut FrameReader) -> Result<()> {
        let (mut answers, mut pongs) = (Vec::new(), Vec::new());
        let (taken_in, moved) = {
            let mut ledger = lock(&self.ledger);
            let before = (ledger.peer_max().is_some(), ledger.is_open());
            let taken_in = ledger.take_in(reader, &mut answers, &mut pongs);
            (taken_in, before != (ledger.peer_max().is_some(), ledger.is_open()))
        };
        tell(answers);
        for id in pongs {
            self.append(&mut lock(&self.handed), &Header::bare(Kind::Pong, id), &[]);
        }
        if moved {
            self.moved.notify_waiters();
        }
        taken_in
    }

    /// The session is over: everyone who waits hears of it.
    fn end(&self, error: &Error) {
        let mut answers = Vec::new();
        lock(&self.ledger).end(error, &mut answers);
        tell(answers);
        self.moved.notify_waiters();
        self.socket.shutdown();
    }
}

fn tell(answers: Answers<oneshot::Sender<Attempt<Reply>>>) {
    for (caller, answer) in answers {
        let _has_left_meanwhile = caller.send(answer);
    }
}

/// The driver's hold on its session: if its runtime ends, so does the session.
struct Driven(Arc<Session>);

impl Drop for Driven {
    fn drop(&mut self) {
        let error = Error::new(ErrorKind::ConnectionLost, "the runtime that drove the connection has ended");
        self.0.end(&error);
    }
}

async fn drive(fd: AsyncStream, driven: Driven) {
    let session = &*driven.0;
    let mut reader = FrameReader::new(Sender::Listener, session.max_message);
    let (mut leaving, mut is_cut) = (false, false);
    loop {
        let sent = match session.send_queue.flush(&session.socket, Duration::ZERO) {
            Ok(sent) => sent,
            // Why, the listener may have said, or is about to: receiving to the end finds out.
            Err(error) => {
                if !is_cut {
                    is_cut = true;
                    session.cut(error);
                }
                Sent::Gone
            }
        };
        if sent == Sent::Gone {
            session.moved.notify_waiters();
            if session.deserted.load(Ordering::SeqCst) && !leaving {
                if !session.is_to_linger() {
                    return;
                }
                leaving = true;
                let _told_already = session.socket.shutdown_write();
            }
        }
        tokio::select! {
            () = session.driver.notified() => {
                // Others that are ready now may have something to send too: it goes out together.
                tokio::task::yield_now().await;
            }
            guard = fd.writable(), if sent == Sent::Waiting => {
                let Ok(mut guard) = guard else { return };
                if let Ok(Sent::Waiting) = session.send_queue.flush(&session.socket, Duration::ZERO) {
                    guard.clear_ready();
                }
            }
            received = receive(&fd, session, &mut reader) => {
                let ended = match received {
                    Ok(0) => Some(lost(io::ErrorKind::UnexpectedEof.into())),
                    Err(error) => Some(lost(error)),
                    Ok(_) => session.take_in(&mut reader).err(),
                };
                if let Some(error) = ended {
                    return session.end(&error);
                }
            }
        }
    }
}

/// Receives once something is there. Cancelling it loses nothing.
async fn receive(fd: &AsyncStream, session: &Session, reader: &mut FrameReader) -> io::Result<usize> {
    loop {
        let mut guard = fd.readable().await?;
        let greeted = lock(&session.ledger).peer_max().is_some();
        let received = if greeted {
            receive::receive(&session.socket, reader, Wait::No)
        } else {
            session.socket.recv_spare(lock(&session.ledger).hello_slot(), usize::MAX, Wait::No)
        };
        match received {
            Err(error) if would_block(&error) => guard.clear_ready(),
            Err(error) if interrupted(&error) => {}
            done => return done,
        }
    }
}
