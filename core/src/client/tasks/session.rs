//! A native session shared by any number of tasks: frames are sent by the task that has them, answers
//! are handed out by one task that receives.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, oneshot};

use crate::client::connection::{Answers, Connection, Room};
use crate::client::incoming::Reply;
use crate::client::moving;
use crate::client::until::Until;
use crate::client::{Attempt, Failed, knows_no_attachments, lost, too_large};
use crate::error::{Error, ErrorKind, Result};
use crate::lock::lock;
use crate::message::{Message, MessageKind};
use crate::mode::Mode;
use crate::os::async_stream::AsyncStream;
use crate::os::fork;
use crate::os::interest::Interest;
use crate::os::stream::Stream;
use crate::protocol::frame::{Header, Kind};

/// How a caller is told.
type Caller = oneshot::Sender<Attempt<Reply>>;

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
    stream: Arc<Stream>,
    /// Whoever has the lock may send and receive, never waits, and tells callers after letting go of it.
    connection: Mutex<Connection<Caller>>,
    /// Tells the driver that something waits to be sent, or that nobody uses the session any more.
    driver: Notify,
    /// Nobody uses the session any more. Written once, by the last handle, before it notifies `driver`, which orders it.
    deserted: AtomicBool,
    /// Notified when there is room for more to be sent, the hello has come, or the session takes no further calls.
    moved: Notify,
}

impl TaskSession {
    /// Starts a session on the runtime of the calling task.
    pub(crate) fn start(stream: Stream, max_message: usize, shares: bool) -> Result<TaskSession> {
        let stream = Arc::new(stream);
        let watched = AsyncStream::new(Arc::clone(&stream), Interest::Both)
            .map_err(|error| Error::from_os("cannot watch the connection", error))?;
        let session = Arc::new(Session {
            stream,
            connection: Mutex::new(Connection::new(max_message, shares)),
            driver: Notify::new(),
            deserted: AtomicBool::new(false),
            moved: Notify::new(),
        });
        tokio::spawn(drive(watched, Driven(Arc::clone(&session))));
        Ok(TaskSession(Arc::new(User(session))))
    }

    /// Whether the session takes more.
    pub(crate) fn is_usable(&self) -> bool {
        self.0.0.stream.born() == fork::generation() && lock(&self.0.0.connection).is_open()
    }

    /// Makes a call. Dropping the future gives it up, and the handler of a request is told.
    pub(crate) async fn call(&self, operation: Operation<'_>, until: &Until<'_>) -> Attempt<Option<Message>> {
        let (header, message) = match operation {
            Operation::Request(message) => (Header::request(0, message, until.left()), Some(message)),
            Operation::Broadcast(message) => (Header::acknowledged_broadcast(0, message), Some(message)),
            Operation::OneWay(message) => return self.send_one_way(message, until).await.map(|()| None),
            Operation::Ping => (Header::bare(Kind::Ping, 0), None),
        };
        self.ask(header, message, until).await.map(Reply::into_message)
    }

    /// Sends a broadcast and waits only for room.
    async fn send_one_way(&self, message: &Message, until: &Until<'_>) -> Attempt<()> {
        let session = &self.0.0;
        self.take_one_way_error()?;
        session.make_room(message.kind(), message.len(), until).await?;
        if lock(&session.connection).may_have_ended_unheard() {
            session.receive();
        }
        session.with(|connection, _| {
            connection.begin_one_way()?;
            connection.add(&Header::of(Kind::Broadcast, 0, message), message.data(), || message.clone());
            session.driver.notify_one();
            Ok(())
        })
    }

    /// Waits until everything sent before has been handed to the handler.
    pub(crate) async fn flush(&self, until: &Until<'_>) -> Attempt<()> {
        self.take_one_way_error()?;
        if !lock(&self.0.0.connection).is_unconfirmed() {
            return Ok(());
        }
        let answer = self.ask(Header::bare(Kind::Ack, 0), None, until).await;
        lock(&self.0.0.connection).flushed(answer)
    }

    /// What went wrong with one-way messages, if it has not been said yet.
    pub(crate) fn take_one_way_error(&self) -> Attempt<()> {
        lock(&self.0.0.connection).take_one_way_error().map_or(Ok(()), |error| Err(error.into()))
    }

    /// What is to be told of one-way messages where another session follows this one.
    pub(crate) fn retire(&self) -> Option<Error> {
        lock(&self.0.0.connection).retire()
    }

    /// Ends the calls that wait, but for flushes; their handlers are told. No more begin.
    pub(crate) fn close(&self) {
        self.0.0.with(|connection, answers| connection.close(answers));
        self.0.0.driver.notify_one();
    }

    /// What to say where nobody waits any longer for what a flush would bring, for this reason.
    pub(crate) fn give_up_flushing(&self, error: Error) -> Error {
        lock(&self.0.0.connection).give_up_flushing(error)
    }

    /// Sends a frame that the listener answers, and waits for its answer.
    async fn ask(&self, mut header: Header, message: Option<&Message>, until: &Until<'_>) -> Attempt<Reply> {
        if let Some(error) = until.given_up() {
            return Err(error.into());
        }
        let session = &self.0.0;
        let body = message.map_or(&[][..], Message::data);
        session.make_room(message.map_or(MessageKind::Json, Message::kind), body.len(), until).await?;
        let (answered, answer) = oneshot::channel();
        session.with(|connection, answers| {
            // With others in flight, frames that come closely after each other go out together.
            let alone = !connection.is_waiting();
            connection.begin(&mut header, answered)?;
            if alone {
                let stream = &session.stream;
                session.look_after_send(moving::add_and_transmit(stream, connection, &header, body, answers));
            } else {
                connection.add(&header, body, || message.cloned().unwrap_or_else(Message::null));
            }
            if connection.unsent() > 0 {
                session.driver.notify_one();
            }
            Ok::<(), Failed>(())
        })?;
        let waiting = Waiting { session, id: header.id };
        // A client that closes tells its calls by their answers.
        let until = Until { client: None, ..*until };
        let answer = until.drive(answer).await.map_err(Error::after_sending)?;
        std::mem::forget(waiting);
        answer.unwrap_or_else(|_| Err(lost(io::ErrorKind::UnexpectedEof.into()).after_sending().into()))
    }
}

/// A call that waits for its answer; dropped before that, it takes itself out.
struct Waiting<'a> {
    session: &'a Session,
    id: u32,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if lock(&self.session.connection).withdraw(self.id) {
            self.session.driver.notify_one();
        }
    }
}

impl Session {
    /// Does something with the connection, then tells those whom it concerns.
    fn with<T>(&self, act: impl FnOnce(&mut Connection<Caller>, &mut Answers<Caller>) -> T) -> T {
        let mut answers = Vec::new();
        let state = |connection: &Connection<Caller>| {
            (connection.is_greeted(), connection.is_open(), connection.room_for(0) == Room::Yes)
        };
        let mut connection = lock(&self.connection);
        let before = state(&connection);
        let done = act(&mut connection, &mut answers);
        let after = state(&connection);
        drop(connection);
        for (caller, answer) in answers {
            let _has_left_meanwhile = caller.send(answer);
        }
        if before != after {
            self.moved.notify_waiters();
        }
        done
    }

    /// Sends what waits. Whether nothing waits any more.
    fn transmit(&self) -> bool {
        self.with(|connection, answers| {
            let goes_on = moving::transmit(&self.stream, connection, answers);
            self.look_after_send(goes_on);
            connection.unsent() == 0
        })
    }

    fn look_after_send(&self, goes_on: bool) {
        if !goes_on {
            // Nothing can follow what is missing now: a peer that lives must not wait for it.
            let _gone_already = self.stream.shutdown_write();
        }
    }

    /// Receives what is there. Whether there may be more; `None` where the session is over.
    fn receive(&self) -> Option<bool> {
        let received = self.with(|connection, answers| moving::receive(&self.stream, connection, answers));
        if self.stream.may_have_more() {
            // No readiness of the stream says so, and the driver may wait for that.
            self.driver.notify_one();
        }
        received.map_err(|error| self.end(&error)).ok()
    }

    /// Waits until a body of `len` bytes may be sent, or refuses it.
    async fn make_room(&self, kind: MessageKind, len: usize, until: &Until<'_>) -> Attempt<()> {
        if lock(&self.connection).room_for_body(kind, len) == Room::Yes {
            return Ok(());
        }
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            {
                let connection = lock(&self.connection);
                match connection.room_for_body(kind, len) {
                    Room::Yes => return Ok(()),
                    _ if !connection.is_open() => return connection.check_open(),
                    Room::Never(most) => return Err(too_large(len, most).into()),
                    Room::Unknown => return Err(knows_no_attachments().into()),
                    Room::Later => {}
                }
            }
            // The hello may still wait for the first frame.
            self.driver.notify_one();
            until.drive(moved).await?;
        }
    }

    /// Whether one-way messages are on their way over TCP: a connection that is closed before all that
    /// came on it was received is reset, which takes them along.
    fn is_to_linger(&self) -> bool {
        self.stream.is_tcp() && lock(&self.connection).is_unconfirmed()
    }

    /// The session is over: everyone who waits hears of it.
    fn end(&self, error: &Error) {
        self.with(|connection, answers| moving::end(&self.stream, connection, error, answers));
        self.stream.shutdown();
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

async fn drive(watched: AsyncStream, driven: Driven) {
    let session = &*driven.0;
    let mut leaving = false;
    loop {
        let all_sent = session.transmit();
        if all_sent && session.deserted.load(Ordering::SeqCst) && !leaving {
            if !session.is_to_linger() {
                return;
            }
            leaving = true;
            let _told_already = session.stream.shutdown_write();
        }
        if session.stream.may_have_more() && session.receive().is_none() {
            return;
        }
        tokio::select! {
            () = session.driver.notified() => {
                // Others that are ready now may have something to send too: it goes out together.
                tokio::task::yield_now().await;
            }
            guard = watched.writable(), if !all_sent => {
                let Ok(mut guard) = guard else { return };
                if !session.transmit() {
                    guard.clear_ready();
                }
            }
            guard = watched.readable() => {
                let Ok(mut guard) = guard else { return };
                match session.receive() {
                    Some(true) => {}
                    Some(false) => guard.clear_ready(),
                    None => return,
                }
            }
        }
    }
}
